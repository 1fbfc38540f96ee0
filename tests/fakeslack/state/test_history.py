"""Channel history: threads, tombstones, time ranges and pages."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakeslack.errors import SlackError
from fakeslack.state.history import ChannelHistory, TimeRange, paginate_messages
from fakeslack.state.messages import Message
from testing.in_memory_workspace import ADA, GENERAL, LIN, InMemoryWorkspace


def build_message(number: int, root: int | None = None, **fields: str) -> Message:
    """Return a message with ts `number`, in the thread of `root`."""
    body = {"type": "message", "user": ADA, "ts": f"{number}.000000", **fields}
    if root is not None:
        body["thread_ts"] = f"{root}.000000"
    return Message(GENERAL, body)


def full_history(*messages: Message) -> ChannelHistory:
    """Return a history with these messages."""
    history = ChannelHistory()
    for one in messages:
        history.put_message(one)
    return history


def test_a_root_summarizes_its_replies() -> None:
    """The root carries the reply count, each user once, and the latest reply."""
    root = build_message(1)
    history = full_history(
        root, build_message(2, 1), build_message(3, 1, user=LIN), build_message(4, 1)
    )
    assert history.thread_summary(root) == {
        "thread_ts": "1.000000",
        "reply_count": 3,
        "reply_users": [ADA, LIN],
        "reply_users_count": 2,
        "latest_reply": "4.000000",
        "is_locked": False,
        "subscribed": False,
    }
    assert history.thread_summary(history.thread_replies(root.ts)[0]) == {}
    assert full_history(root).thread_summary(root) == {}


def test_a_tombstone_is_removed_with_its_last_reply() -> None:
    """Replies of a deleted root stay readable."""
    first, second = build_message(2, 1), build_message(3, 1)
    history = full_history(build_message(1), first, second)
    history.remove_message(build_message(1))
    tombstone = history.find_message("1.000000")
    assert tombstone is not None
    assert tombstone.is_tombstone
    assert tombstone.body["user"] == "USLACKBOT"
    history.remove_message(first)
    assert history.find_message("1.000000") is not None
    history.remove_message(second)
    assert history.find_message("1.000000") is None


def test_a_root_outlives_its_replies() -> None:
    """Deleting the only reply keeps the root; a root without replies is removed."""
    history = full_history(build_message(1), build_message(2, 1))
    history.remove_message(build_message(2, 1))
    assert [one.ts for one in history.channel_messages()] == ["1.000000"]
    history.remove_message(build_message(1))
    assert history.channel_messages() == []


def test_a_channel_shows_roots_and_broadcast_replies() -> None:
    """Other replies are visible only in their thread."""
    shared = build_message(3, 1, subtype="thread_broadcast")
    history = full_history(build_message(1), build_message(2, 1), shared)
    assert [one.ts for one in history.channel_messages()] == ["1.000000", "3.000000"]


@given(st.integers(0, 30), st.integers(1, 12))
def test_pages_hold_every_message_once_and_in_order(count: int, limit: int) -> None:
    """The pages together hold exactly the messages."""
    messages = [build_message(number) for number in range(1, count + 1)]
    seen: list[Message] = []
    cursor = ""
    while True:
        page = paginate_messages(messages, limit, cursor)
        assert len(page.messages) <= limit
        seen += page.messages
        cursor = page.next_cursor
        if not cursor:
            break
    assert seen == messages


@pytest.mark.parametrize(
    "cursor",
    [
        "not base64!",
        base64.b64encode(b"\xff\xfe").decode(),
        base64.b64encode(b"somewhere:1.000000").decode(),
        base64.b64encode(b"next_ts:9.000000").decode(),
    ],
)
def test_an_unknown_cursor_is_refused(cursor: str) -> None:
    """Any other string is `invalid_cursor`."""
    with pytest.raises(SlackError, match="invalid_cursor"):
        paginate_messages([build_message(1)], 1, cursor)


@pytest.mark.parametrize(
    ("span", "holds"),
    [
        (TimeRange(), [1, 2, 3]),
        (TimeRange(oldest="1.000000"), [2, 3]),
        (TimeRange(latest="3.000000"), [1, 2]),
        (TimeRange(oldest="1.000000", latest="3.000000"), [2]),
        (TimeRange(oldest="1.000000", latest="3.000000", inclusive=True), [1, 2, 3]),
        (TimeRange(oldest="2.000000", inclusive=True), [2, 3]),
    ],
)
def test_a_time_range_excludes_its_bounds_by_default(span: TimeRange, holds: list[int]) -> None:
    """`inclusive` includes the bounds; an empty bound is open."""
    assert [number for number in (1, 2, 3) if span.contains_ts(f"{number}.000000")] == holds


def test_timestamps_increase_even_if_the_clock_does_not() -> None:
    """Two messages never share a ts, and a later one is never smaller."""
    slack = InMemoryWorkspace()
    stamps = [slack.workspace.next_ts() for _ in range(3)]
    slack.clock_seconds -= 100
    stamps += [slack.workspace.next_ts() for _ in range(3)]
    assert stamps == sorted(set(stamps), key=float)
    assert all(len(stamp.partition(".")[2]) == 6 for stamp in stamps)
