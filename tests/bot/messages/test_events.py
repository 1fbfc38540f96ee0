"""Events: Slack's payloads are parsed into types, and none raises an error."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.messages.event_parser import parse_event
from bot.messages.events import (
    AppUninstalled,
    BotInvited,
    ChannelMoved,
    ChannelType,
    FileDeleted,
    Ignored,
    MessageChanged,
    MessageDeleted,
    MessagePosted,
)
from testing.slack_events import (
    ADA,
    BOT_IDENTITY,
    CHANNEL,
    make_body,
    make_message,
    make_message_event,
    make_reply,
    message_ts,
)

Json = dict[str, Any]


def test_a_root_message_is_its_own_thread() -> None:
    """A message outside any thread begins one."""
    post = make_message_event(client_msg_id="3a7c-1", user_team="T0OTHER001")

    assert (post.thread.team, post.thread.channel, post.thread.ts) == (
        BOT_IDENTITY.team,
        CHANNEL,
        message_ts(1),
    )
    assert not post.is_thread_reply
    assert (post.author, post.author_team, post.client_msg_id) == (ADA, "T0OTHER001", "3a7c-1")
    assert post.can_ask
    assert not post.bot_ids
    assert not post.is_external


def test_a_reply_belongs_to_its_thread() -> None:
    """A message in a thread names the thread's root."""
    post = make_message_event(3, thread_ts=message_ts(1))

    assert post.is_thread_reply
    assert post.thread.ts == message_ts(1)


@pytest.mark.parametrize(
    ("event", "place"),
    [
        ({"channel_type": "channel"}, ChannelType.CHANNEL),
        ({"channel_type": "group"}, ChannelType.CHANNEL),
        ({"channel_type": "im", "channel": "D01"}, ChannelType.IM),
        ({"channel_type": "mpim"}, ChannelType.MPIM),
        ({"channel_type": None, "channel": "D01"}, ChannelType.IM),
        ({"channel_type": "app_home", "channel": "D01"}, ChannelType.IM),
        ({"channel_type": None}, ChannelType.CHANNEL),
    ],
)
def test_the_kind_of_channel_is_known(event: Json, place: ChannelType) -> None:
    """Direct messages, group messages and channels are told apart."""
    assert make_message_event(1, "hi", **event).channel_type is place


@pytest.mark.parametrize(
    ("event", "outer", "external"),
    [
        ({"user_team": "T0OTHER001"}, {"is_ext_shared_channel": True}, True),
        ({"source_team": "T0OTHER001"}, {"is_ext_shared_channel": True}, True),
        ({"team": "T0FAKE0001"}, {"is_ext_shared_channel": True}, False),
        ({}, {"is_ext_shared_channel": True}, True),
        ({"user_team": "T0OTHER001"}, {}, False),
    ],
)
def test_people_of_other_workspaces_are_known(event: Json, outer: Json, external: bool) -> None:  # noqa: FBT001
    """In a shared channel who is not proved to be one of us is external."""
    assert make_message_event(1, "hi", **event, outer=outer).is_external is external


@pytest.mark.parametrize("field", ["is_restricted", "is_ultra_restricted"])
def test_guests_are_known_where_slack_says_so(field: str) -> None:
    """An event that carries its author's profile tells guests from members."""
    assert make_message_event(1, "hi", user_profile={field: True}).is_guest
    assert not make_message_event(1, "hi", user_profile={}).is_guest


def test_bots_are_known_by_all_their_ids() -> None:
    """An allow list may name another bot by user, bot or app id."""
    post = make_message_event(1, "hi", bot_id="B9", app_id="A9", user="U9")

    assert post.bot_ids == {"B9", "A9", "U9"}
    assert make_message_event(1, "hi", subtype="bot_message", user=None).bot_ids == {"?"}


def test_our_own_messages_ask_nothing() -> None:
    """The bot knows its own posts, which keep the copy of the thread true."""
    event = parse_event(make_body(make_reply(3, "words", thread_ts=message_ts(1))), BOT_IDENTITY)

    assert isinstance(event, MessagePosted)
    assert event.is_own
    assert not event.can_ask
    assert event.message is not None


@pytest.mark.parametrize(
    "event",
    [
        {"subtype": "channel_join"},
        {"hidden": True},
        {"edited": {"user": ADA, "ts": message_ts(9)}},
    ],
)
def test_some_messages_never_ask(event: Json) -> None:
    """Joins, asides, hidden messages and edits are no questions."""
    assert not make_message_event(1, **event).can_ask


def test_team_of_event_is_first_authorization() -> None:
    """In a shared channel, the outer team may be another one."""
    shared = make_message_event(1, outer={"team_id": "T0OTHER001"})
    bare = make_message_event(1, outer={"authorizations": [], "team_id": "T0OTHER001"})
    nothing = make_message_event(1, outer={"authorizations": None, "team_id": None})

    assert shared.thread.team == BOT_IDENTITY.team
    assert bare.thread.team == "T0OTHER001"
    assert nothing.thread.team == BOT_IDENTITY.team


def message_changed(inner: Json, **more: Any) -> Json:
    """Return the body of a `message_changed`."""
    hidden = {"type": "message", "subtype": "message_changed", "hidden": True}
    return make_body(
        {**hidden, "ts": message_ts(9), "event_ts": message_ts(9), "message": inner, **more}
    )


def test_edit_has_message_and_version() -> None:
    """An edit has the new text and the version that orders it."""
    event = parse_event(
        message_changed(make_message(2, "better", thread_ts=message_ts(1))), BOT_IDENTITY
    )

    assert isinstance(event, MessageChanged)
    assert (event.ts, event.thread.ts, event.version, event.is_own) == (
        message_ts(2),
        message_ts(1),
        message_ts(9),
        False,
    )
    assert event.message is not None
    assert event.message.text == "better"


@pytest.mark.parametrize(
    ("before", "after", "edited"),
    [
        (make_message(2, "worse"), make_message(2, "better"), True),
        (
            make_message(2, "same"),
            make_message(2, "same", attachments=[{"from_url": "https://a.b"}]),
            False,
        ),
        (make_message(2, "same"), make_message(2, "same", files=[{"name": "a.py"}]), True),
        (
            make_message(2, "same", files=[{"id": "F1", "name": "a.py"}]),
            make_message(2, "same", files=[{"id": "F1", "mode": "tombstone"}]),
            False,
        ),
        (
            make_message(2, "same", files=[{"id": "F1", "name": "a.py"}]),
            make_message(2, "same", files=[]),
            True,
        ),
        (None, make_message(2, "better"), True),
        (make_message(2, "worse"), make_message(2, "better", user=BOT_IDENTITY.user_id), False),
        (make_message(2, "hi"), make_message(2, "hi", subtype="channel_topic"), False),
    ],
)
def test_unfurl_and_own_change_are_no_edits(before: Json | None, after: Json, edited: bool) -> None:  # noqa: FBT001
    """Slack sends the same event where it unfurls a link; our own edits are none either."""
    event = parse_event(message_changed(after, previous_message=before), BOT_IDENTITY)

    assert isinstance(event, MessageChanged)
    assert event.is_edit is edited


def test_tombstone_is_a_deletion() -> None:
    """Slack turns a deleted root with replies into a tombstone."""
    event = parse_event(
        message_changed(make_message(2, "", subtype="tombstone", thread_ts=message_ts(2))),
        BOT_IDENTITY,
    )

    assert isinstance(event, MessageDeleted)
    assert (event.ts, event.thread.ts) == (message_ts(2), message_ts(2))


@pytest.mark.parametrize(
    ("previous", "root"),
    [({"previous_message": {"thread_ts": message_ts(1)}}, message_ts(1)), ({}, message_ts(2))],
)
def test_deletion_has_message_and_thread(previous: Json, root: str) -> None:
    """A deletion has the message and, for a reply, its thread."""
    event = {
        "type": "message",
        "subtype": "message_deleted",
        "deleted_ts": message_ts(2),
        "ts": message_ts(9),
    }
    found = parse_event(make_body({**event, **previous}), BOT_IDENTITY)

    assert isinstance(found, MessageDeleted)
    assert (found.ts, found.thread.ts, found.version) == (message_ts(2), root, message_ts(9))


@pytest.mark.parametrize(
    ("event", "found"),
    [
        ({"type": "app_uninstalled"}, AppUninstalled(team=BOT_IDENTITY.team)),
        (
            {"type": "file_deleted", "file_id": "F1"},
            FileDeleted(team=BOT_IDENTITY.team, file="F1"),
        ),
        ({"type": "file_deleted", "file_id": "F1*"}, Ignored(readable=False)),
        (
            {"type": "channel_id_changed", "old_channel_id": "G1", "new_channel_id": "C1"},
            ChannelMoved(old="G1", new="C1"),
        ),
        (
            {"type": "channel_id_changed", "old_channel_id": "G1", "new_channel_id": "C 1"},
            Ignored(readable=False),
        ),
        ({"type": "channel_id_changed", "old_channel_id": "G1"}, Ignored(readable=False)),
        (
            {"type": "member_joined_channel", "user": BOT_IDENTITY.user_id, "channel": "C1"},
            BotInvited(team=BOT_IDENTITY.team, channel="C1"),
        ),
        ({"type": "member_joined_channel", "user": ADA, "channel": "C1"}, Ignored()),
        ({"type": "member_joined_channel", "channel": "C1"}, Ignored(readable=False)),
        (
            {"type": "tokens_revoked", "tokens": {"bot": ["U0STARCHAT"], "oauth": []}},
            AppUninstalled(team=BOT_IDENTITY.team),
        ),
        ({"type": "tokens_revoked", "tokens": {"bot": [], "oauth": ["U1"]}}, Ignored()),
        ({"type": "tokens_revoked"}, Ignored()),
        ({"type": "reaction_added"}, Ignored()),
        ({"type": "message"}, Ignored(readable=False)),
        ({"type": "message", "ts": "now", "user": ADA}, Ignored(readable=False)),
        ({"type": "message", "ts": message_ts(1), "channel": "C\ud800"}, Ignored(readable=False)),
        (
            {"type": "message", "subtype": "message_changed", "ts": message_ts(1)},
            Ignored(readable=False),
        ),
    ],
)
def test_other_events_are_ignored(event: Json, found: object) -> None:
    """Uninstalls are parsed; malformed events are unreadable."""
    assert parse_event(make_body(event), BOT_IDENTITY) == found


def test_body_without_event_is_unreadable() -> None:
    """A body without an event is unreadable, and no error."""
    assert parse_event({"type": "event_callback"}, BOT_IDENTITY) == Ignored(readable=False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(message_ts(1)),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["ts", "user", "subtype", "bot_id", "text"]), inner)
    ),
    max_leaves=8,
)
KINDS = ["message", "app_mention", "tokens_revoked", "app_home_opened"]
SUBTYPES = [None, "message_changed", "message_deleted", "bot_message"]
FIELDS = ["ts", "thread_ts", "channel", "user", "text", "message", "deleted_ts", "tokens"]


@given(
    st.sampled_from(KINDS),
    st.sampled_from(SUBTYPES),
    st.dictionaries(st.sampled_from(FIELDS), JSON),
)
def test_any_event_is_parsed_without_error(kind: str, subtype: str | None, event: Json) -> None:
    """Random events never raise."""
    parse_event(
        make_body({"ts": message_ts(1), **event, "type": kind, "subtype": subtype}), BOT_IDENTITY
    )
