"""Outages: their time windows, and the messages that fall into them."""

from typing import Any

import pytest

from bot.handlers.outage import (
    MAX_LOOKBACK_SECONDS,
    MAX_QUESTION_AGE_SECONDS,
    REDELIVERY_WINDOW_SECONDS,
    THREAD_LOOKBACK_SECONDS,
    Channel,
    Outage,
    find_root,
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
        since=float(message_ts(since)),
        unmentioned_since=float(message_ts(quiet)),
        roots_since=0.0,
        until=NOW,
    )


def test_outage_starts_before_last_heartbeat() -> None:
    """A message shortly before the last heartbeat may have no acknowledgement."""
    found = Outage.since_last_event(NOW - 9000, NOW - 1000, NOW)

    assert (found.since, found.unmentioned_since) == (
        NOW - 1000 - REDELIVERY_WINDOW_SECONDS,
        NOW - 1000,
    )
    assert found.roots_since == found.since - THREAD_LOOKBACK_SECONDS


def test_outage_starts_after_installation() -> None:
    """Messages before the first heartbeat are not questions to the bot."""
    found = Outage.since_last_event(NOW - 100, NOW - 50, NOW)

    assert (found.since, found.unmentioned_since) == (NOW - 100, NOW - 50)


def test_outage_hides_deletions_of_older_messages() -> None:
    """A message of the last minute may not be in Slack's history yet."""
    found = Outage.since_last_event(NOW - 9000, NOW - 1000, NOW)

    assert found.hides_deletion(f"{NOW - 61:.6f}")
    assert not found.hides_deletion(f"{NOW - 59:.6f}")


def test_outage_is_bounded_by_idempotency_ttl() -> None:
    """Messages whose idempotency key may have expired are not answered."""
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
def test_missed_questions_among_other_messages(
    raw: Json,
    spot: Channel,
    found: bool,  # noqa: FBT001
) -> None:
    """Mentions count from `since`, other messages from `unmentioned_since`."""
    assert (parse_missed_question(raw, spot, make_outage(5, 9), BOT_IDENTITY) is not None) is found


def test_missed_question_equals_delivered_one() -> None:
    """Thread, channel type and author are the same as if Slack had delivered the event."""
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


def test_unlisted_channel_counts_as_shared() -> None:
    """Without the scope to list channels, an author of another team is external."""
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
def test_thread_with_new_replies_is_searched(latest: object, found: bool) -> None:  # noqa: FBT001
    """`latest_reply` is the time of a thread's last reply."""
    assert has_new_replies({"latest_reply": latest}, make_outage(5, 5)) is found


def test_redis_loss_hides_the_last_hour_since_installation() -> None:
    """Redis holds neither jobs nor idempotency keys then, so only Slack shows the answers."""
    found = Outage.since_redis_loss(NOW - 9000, NOW)

    assert found.is_redis_loss
    assert found.since == found.unmentioned_since == NOW - MAX_QUESTION_AGE_SECONDS
    assert found.roots_since == found.since - THREAD_LOOKBACK_SECONDS
    assert Outage.since_redis_loss(NOW - 100, NOW).since == NOW - 100


def test_reply_in_the_history_of_a_channel_has_a_root() -> None:
    """As one with *Also send to channel*; a root is its own, once it has replies."""
    assert find_root(make_message(2, thread_ts=message_ts(1))) == message_ts(1)
    assert find_root(make_message(1, thread_ts=message_ts(1))) == find_root(make_message(1)) == ""


@pytest.mark.parametrize(
    ("outage", "lookback"),
    [
        (Outage.since_last_event(NOW - 9000, NOW - 1000, NOW), MAX_LOOKBACK_SECONDS),
        (Outage.since_redis_loss(NOW - 9000, NOW), MAX_QUESTION_AGE_SECONDS),
    ],
    ids=["gap", "redis loss"],
)
def test_window_of_a_postponed_channel_shrinks(outage: Outage, lookback: float) -> None:
    """Older questions may have been answered, and Redis does not know it any more."""
    later = NOW + lookback
    assert outage.without_expired(NOW) == outage
    left = outage.without_expired(later - 1)
    assert left is not None
    assert (left.since, left.unmentioned_since, left.until) == (NOW - 1, NOW - 1, NOW)
    assert outage.without_expired(later + 1) is None
