"""A gap in Slack's deliveries over HTTP is filled, though the bot ran all the time."""

import threading

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.handlers import outage_monitor
from bot.handlers.outage import REDELIVERY_WINDOW_SECONDS, THREAD_LOOKBACK_SECONDS
from bot.handlers.outage_monitor import OutageMonitor
from bot.slack.client import SlackClock
from bot.slack.delivery_gaps import DeliveryGaps
from contract import keys
from testing.polling import poll_until
from testing.queue_inspector import TEAM
from testing.workspace import Workspace
from tests.bot.handlers.backfill_builder import build_backfill

LOOKBACK = REDELIVERY_WINDOW_SECONDS + THREAD_LOOKBACK_SECONDS


def test_backfill_begins_before_the_gap(
    workspace: Workspace, redis: Redis, web: WebClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slack's history is read from the last delivery on, not from the last heartbeat."""
    monkeypatch.setattr(outage_monitor, "HEARTBEAT_INTERVAL_SECONDS", 0.1)
    stopped, gaps, clock = threading.Event(), DeliveryGaps(), SlackClock()
    backfill = build_backfill(web, redis, gaps, stopped)
    monitor = OutageMonitor(
        TEAM, redis, clock, backfill, has_connection=lambda: True, stopped=stopped
    )
    now = clock.now()
    window = keys.connection_window(TEAM)
    redis.hset(window, mapping={"first": now - 9000, "last": now})
    monitor.start_thread()
    # The first check after a start always backfills.
    poll_until(lambda: float(redis.hget(window, "last") or 0) != now, description="a heartbeat")
    calls_before = len(workspace.api_calls())
    gaps.start_at(now - 1000)
    gaps.note_delivery(now, is_retry=True)
    poll_until(lambda: gaps.find_gap() is None, description="the end of the gap")
    monitor.stop_thread()

    calls = workspace.api_calls(calls_before, "conversations.history")
    [start] = {float(call["args"]["oldest"]) for call in calls}
    assert start == pytest.approx(now - 1000 - LOOKBACK, abs=1)
