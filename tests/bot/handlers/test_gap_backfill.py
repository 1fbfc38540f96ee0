"""A gap in Slack's deliveries over HTTP is filled, though the bot ran all the time."""

import threading
from collections.abc import Iterator

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


WINDOW = keys.connection_window(TEAM)
CLOCK = SlackClock()


@pytest.fixture
def gaps(
    workspace: Workspace, redis: Redis, web: WebClient, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DeliveryGaps]:
    """Yield the gaps that a running monitor looks at; stop it and end all faults after it."""
    monkeypatch.setattr(outage_monitor, "HEARTBEAT_INTERVAL_SECONDS", 0.1)
    stopped, gaps = threading.Event(), DeliveryGaps()
    backfill = build_backfill(web, redis, gaps, stopped)
    monitor = OutageMonitor(
        TEAM, redis, CLOCK, backfill, has_connection=lambda: True, stopped=stopped
    )
    now = CLOCK.now()
    redis.hset(WINDOW, mapping={"first": now - 9000, "last": now})
    monitor.start_thread()
    # The first check after a start always backfills.
    poll_until(lambda: float(redis.hget(WINDOW, "last") or 0) != now, description="a heartbeat")
    yield gaps
    monitor.stop_thread()
    workspace.set_faults()


def test_backfill_begins_before_the_gap(workspace: Workspace, gaps: DeliveryGaps) -> None:
    """Slack's history is read from the last delivery on, not from the last heartbeat."""
    calls_before, now = len(workspace.api_calls()), CLOCK.now()
    gaps.start_at(now - 1000)
    gaps.note_delivery(now, is_retry=True)
    poll_until(lambda: gaps.find_gap() is None, description="the end of the gap")

    calls = workspace.api_calls(calls_before, "conversations.history")
    [start] = {float(call["args"]["oldest"]) for call in calls}
    assert start == pytest.approx(now - 1000 - LOOKBACK, abs=1)


def test_restart_before_the_end_fills_the_gap(
    workspace: Workspace, redis: Redis, gaps: DeliveryGaps
) -> None:
    """The next start reads Slack from the time of the last heartbeat on, which is that of Redis."""
    workspace.set_faults({"method": "users.conversations", "fault": "error"})
    calls_before, now = len(workspace.api_calls()), CLOCK.now()
    gaps.start_at(now - 1000)
    gaps.note_delivery(now, is_retry=True)
    poll_until(
        lambda: workspace.api_calls(calls_before, "users.conversations"), description="a backfill"
    )

    assert float(redis.hget(WINDOW, "last") or 0) == now - 1000
