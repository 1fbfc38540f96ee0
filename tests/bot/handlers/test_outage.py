"""What an outage was, and which messages of a history belong to it."""

from typing import Any

import pytest

from bot.handlers.outage import (
    MAX_LOOKBACK_SECONDS,
    REDELIVERY_WINDOW_SECONDS,
    THREAD_LOOKBACK_SECONDS,
    Channel,
    Outage,
    has_new_replies,
    parse_missed_question,
)
from testing.slack_events import BOT_IDENTITY, MENTION, make_message, make_reply, message_ts

Json = dict[str, Any]

GENERAL = Channel("C0GENERAL1", "channel", is_shared=False)
DIRECT = Channel("D0ADA00001", "im", is_shared=False)
NOW = 1_700_000_000.0


def make_outage(since: int, quiet: int) -> Outage:
    """Return an outage between the messages with these numbers."""
    return Outage(
        since=float(message_ts(since)), unmentioned_since=float(message_ts(quiet)), roots_since=0.0
    )


def test_an_outage_begins_where_slack_may_have_given_up() -> None:
    """What was sent shortly before the last sign of life may not have been acknowledged."""
    found = Outage.since_last_event(NOW - 9000, NOW - 1000, NOW)

    assert (found.since, found.unmentioned_since) == (
        NOW - 1000 - REDELIVERY_WINDOW_SECONDS,
        NOW - 1000,
    )
    assert found.roots_since == found.since - THREAD_LOOKBACK_SECONDS


def test_nothing_older_than_the_installation_is_looked_at() -> None:
    """What was said before the bot was there was not said to it."""
    found = Outage.since_last_event(NOW - 100, NOW - 50, NOW)

    assert (found.since, found.unmentioned_since) == (NOW - 100, NOW - 50)


def test_nothing_is_looked_at_whose_marker_may_be_gone() -> None:
    """After a week without a bot, only what a marker could still tell apart is answered."""
    week = 7 * 24 * 3600
    found = Outage.since_last_event(NOW - 2 * week, NOW - week, NOW)

    assert found.since == found.unmentioned_since == NOW - MAX_LOOKBACK_SECONDS


@pytest.mark.parametrize(
    ("raw", "spot", "found"),
    [
        (make_message(5), GENERAL, True),
        (make_message(5, "hi"), GENERAL, False),
        (make_message(9, "hi"), GENERAL, True),
        (make_message(5, "hi"), DIRECT, True),
        (make_message(4), GENERAL, False),
        (make_message(5, edited={"user": "U0ADA00001", "ts": message_ts(6)}), GENERAL, True),
        (make_message(5, subtype="channel_join"), GENERAL, False),
        (make_reply(9, "words"), GENERAL, False),
        ({"ts": "now"}, GENERAL, False),
    ],
)
def test_a_missed_question_is_told_from_everything_else(
    raw: Json,
    spot: Channel,
    found: bool,  # noqa: FBT001
) -> None:
    """Who names us is heard from the beginning on, others from the last sign of life on."""
    assert (parse_missed_question(raw, spot, make_outage(5, 9), BOT_IDENTITY) is not None) is found


def test_a_missed_question_is_read_as_a_delivered_one() -> None:
    """Thread, place and author are the same as if Slack had delivered it."""
    post = parse_missed_question(
        make_message(5, thread_ts=message_ts(1), team="T0OTHER001"),
        GENERAL,
        make_outage(5, 5),
        BOT_IDENTITY,
    )

    assert post is not None
    assert (post.thread.team, post.thread.channel, post.thread.ts) == (
        BOT_IDENTITY.team,
        GENERAL.id,
        message_ts(1),
    )
    assert (post.is_thread_reply, post.is_external, post.text) == (True, False, f"{MENTION} hi")


def test_in_a_channel_that_nobody_lists_strangers_are_taken_for_strangers() -> None:
    """Without the permission to list channels nobody knows which ones are shared."""
    spot = Channel.from_id("C0SHARED01")
    post = parse_missed_question(
        make_message(5, team="T0OTHER001"), spot, make_outage(5, 5), BOT_IDENTITY
    )

    assert post is not None
    assert post.is_external
    assert Channel.from_id("D0ADA00001").channel_type == "im"


@pytest.mark.parametrize(
    ("latest", "found"),
    [(message_ts(5), True), (message_ts(4), False), (None, False), ("?", False), ([], False)],
)
def test_a_thread_that_grew_is_looked_into(latest: object, found: bool) -> None:  # noqa: FBT001
    """The channel's history says when somebody last wrote into a thread."""
    assert has_new_replies({"latest_reply": latest}, make_outage(5, 5)) is found
