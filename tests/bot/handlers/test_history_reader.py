"""Failing reads of a backfill: a thread, a channel, or all of Slack."""

import threading
from collections.abc import Iterator

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.handlers.backfill import Backfill
from bot.handlers.outage import Outage
from bot.slack import paging
from bot.slack.client import CALL_ERRORS, SlackClock
from bot.slack.delivery_gaps import DeliveryGaps
from testing.workspace import ADA, GENERAL, Workspace
from tests.bot.handlers.backfill_builder import build_backfill


@pytest.fixture
def backfill(
    workspace: Workspace, redis: Redis, web: WebClient, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Backfill]:
    """Yield a backfill that tries each call once; end all faults after it."""
    monkeypatch.setattr(paging, "RETRY_DELAYS_SECONDS", ())
    yield build_backfill(web, redis, DeliveryGaps(), threading.Event())
    workspace.set_faults()


@pytest.fixture
def outage() -> Outage:
    """Return an outage in which no message without a mention is a question."""
    now = SlackClock().now()
    return Outage(since=0.0, unmentioned_since=now + 3600, roots_since=0.0, until=now)


@pytest.mark.parametrize(
    ("fault", "num_read"), [("error", 0), ("error", 1), ("status", 1), ("drop_before", 1)]
)
def test_failure_of_slack_leaves_the_outage_open(
    workspace: Workspace, backfill: Backfill, outage: Outage, fault: str, num_read: int
) -> None:
    """Also if it begins in the middle: few channels that fail after it prove nothing of them."""
    workspace.set_faults({"method": "conversations.history", "fault": fault, "skip": num_read})
    with pytest.raises(CALL_ERRORS):
        backfill.fill_outage(outage)

    assert backfill.outage == outage
    assert backfill.postponed == []


def test_failing_thread_delays_no_other(
    workspace: Workspace, backfill: Backfill, outage: Outage
) -> None:
    """Other threads of its channel are read in the same pass, and the channel again later."""
    roots = [workspace.post_message(ADA, GENERAL, "it fails") for _ in range(2)]
    for root in roots:
        workspace.post_message(ADA, GENERAL, "still", root)
    workspace.set_faults(
        {"method": "conversations.replies", "channel": GENERAL, "fault": "error", "count": 1}
    )
    calls_before = len(workspace.api_calls())
    backfill.fill_outage(outage)

    calls = workspace.api_calls(calls_before, "conversations.replies")
    assert {call["args"]["ts"] for call in calls} >= set(roots)
    assert [channel.id for channel, _ in backfill.postponed] == [GENERAL]
    assert backfill.outage is None
