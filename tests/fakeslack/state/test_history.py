"""A channel keeps its messages in order, its threads whole, and gives them out page by page."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakeslack.errors import SlackError
from fakeslack.state.history import ChannelHistory, TimeRange, paginate_messages
from fakeslack.state.messages import Message
from testing.in_memory_workspace import ADA, GENERAL, LIN, InMemoryWorkspace


def build_message(number: int, root: int | None = None, **fields: str) -> Message:
    """Return a message posted in second `number`, under the one of second `root`."""
    body = {"type": "message", "user": ADA, "ts": f"{number}.000000", **fields}
    if root is not None:
        body["thread_ts"] = f"{root}.000000"
    return Message(GENERAL, body)


def full_history(*messages: Message) -> ChannelHistory:
    """Return a history of these messages."""
    history = ChannelHistory()
    for one in messages:
        history.put_message(one)
    return history


def test_a_root_tells_how_many_replied_and_who() -> None:
    """The root of a thread carries the count, the people once each, and the latest reply."""
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


def test_a_deleted_root_with_replies_leaves_a_tombstone_until_the_last_reply_goes() -> None:
    """What stood under a deleted root can still be read; an empty tombstone is gone."""
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


def test_a_living_root_outlives_its_replies() -> None:
    """Deleting the only reply leaves its root as it was; a lonely root goes without a trace."""
    history = full_history(build_message(1), build_message(2, 1))
    history.remove_message(build_message(2, 1))
    assert [one.ts for one in history.channel_messages()] == ["1.000000"]
    history.remove_message(build_message(1))
    assert history.channel_messages() == []


def test_a_channel_shows_roots_and_what_was_sent_there_too() -> None:
    """A reply is seen in its thread only, unless it was also sent to the channel."""
    shared = build_message(3, 1, subtype="thread_broadcast")
    history = full_history(build_message(1), build_message(2, 1), shared)
    assert [one.ts for one in history.channel_messages()] == ["1.000000", "3.000000"]


@given(st.integers(0, 30), st.integers(1, 12))
def test_pages_hold_every_message_once_and_in_order(count: int, limit: int) -> None:
    """Following the cursors from page to page yields exactly the messages there are."""
    messages = [build_message(number) for number in range(1, count + 1)]
    seen: list[Message] = []
    cursor = ""
    while True:
        sheet = paginate_messages(messages, limit, cursor)
        assert len(sheet.messages) <= limit
        seen += sheet.messages
        cursor = sheet.next_cursor
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
def test_a_cursor_that_was_never_given_out_is_refused(cursor: str) -> None:
    """Whatever is not one of our cursors is `invalid_cursor`."""
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
def test_a_span_holds_what_lies_between_its_bounds(span: TimeRange, holds: list[int]) -> None:
    """Bounds are left out unless the reader includes them; a missing bound is open."""
    assert [number for number in (1, 2, 3) if span.contains_ts(f"{number}.000000")] == holds


def test_timestamps_grow_even_when_the_clock_stands_or_goes_back() -> None:
    """Two messages never share a ts, and a later one is never smaller."""
    town = InMemoryWorkspace()
    stamps = [town.workspace.next_ts() for _ in range(3)]
    town.clock_seconds -= 100
    stamps += [town.workspace.next_ts() for _ in range(3)]
    assert stamps == sorted(set(stamps), key=float)
    assert all(len(stamp.partition(".")[2]) == 6 for stamp in stamps)
