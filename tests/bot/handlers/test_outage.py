"""Outages: their time windows, and the messages that fall into them."""

from typing import Any

import pytest

from bot.handlers.outage import (
    MAX_LOOKBACK_SECONDS,
    REDELIVERY_WINDOW_SECONDS,
    THREAD_LOOKBACK_SECONDS,
    Channel,
    Outage,
    drop_earlier_talk,
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


@pytest.mark.parametrize(
    ("root", "kept"),
    [(5, ["mention", "after"]), (1, ["before", "mention", "after"])],
    ids=["thread of the outage", "older thread, which the bot may have joined"],
)
@pytest.mark.parametrize("is_own", [False, True])
def test_talk_before_the_first_question_is_no_follow_up(
    root: int, kept: list[str], *, is_own: bool
) -> None:
    """A mention or a message of the bot shows when the bot joined."""
    outage = make_outage(since=3, quiet=3)
    raws: dict[str, Json] = {
        "before": make_message(6, text="it fails", thread_ts=message_ts(root)),
        "mention": make_message(7, text=f"{MENTION} why?", thread_ts=message_ts(root)),
        "after": make_message(8, text="and here?", thread_ts=message_ts(root)),
    }
    if is_own:
        raws["mention"] |= {"user": BOT_IDENTITY.user_id, "bot_id": BOT_IDENTITY.bot_id}
    posts = {
        name: post
        for name, raw in raws.items()
        if (post := parse_missed_question(raw, GENERAL, outage, BOT_IDENTITY)) is not None
    }
    found = drop_earlier_talk(posts.values(), raws.values(), outage, BOT_IDENTITY)
    assert [post.ts for post in found] == [posts[name].ts for name in kept if name in posts]


def test_times_that_are_no_numbers_are_ignored() -> None:
    """A message of the bot without a time shows nothing."""
    outage = make_outage(since=3, quiet=3)
    raw = make_message(6, text="it fails", thread_ts=message_ts(5))
    post = parse_missed_question(raw, GENERAL, outage, BOT_IDENTITY)
    own = {"user": BOT_IDENTITY.user_id, "thread_ts": message_ts(5), "ts": "soon"}
    assert post is not None
    assert drop_earlier_talk([post], [raw, own], outage, BOT_IDENTITY) == []
