"""What Slack delivers is read once, and nothing that it delivers can break the bot."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.messages.events import (
    AppHomeOpened,
    AppUninstalled,
    ChannelType,
    Ignored,
    MessageChanged,
    MessageDeleted,
    MessagePosted,
    parse_event,
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
        {"subtype": "me_message"},
        {"subtype": "channel_join"},
        {"hidden": True},
        {"edited": {"user": ADA, "ts": message_ts(9)}},
    ],
)
def test_some_messages_never_ask(event: Json) -> None:
    """Joins, asides, hidden messages and edits are no questions."""
    assert not make_message_event(1, **event).can_ask


def test_the_first_authorization_says_for_which_team_an_event_is() -> None:
    """In a shared channel the outer team may be another one than ours."""
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


def test_an_edit_names_its_message_and_its_time() -> None:
    """An edit brings the new text and the version that orders it."""
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
        (None, make_message(2, "better"), True),
        (make_message(2, "worse"), make_message(2, "better", user=BOT_IDENTITY.user_id), False),
        (make_message(2, "hi"), make_message(2, "hi", subtype="channel_topic"), False),
    ],
)
def test_only_a_change_of_words_is_an_edit(before: Json | None, after: Json, edited: bool) -> None:  # noqa: FBT001
    """Slack sends the same event where it unfurls a link; our own edits are none either."""
    event = parse_event(message_changed(after, previous_message=before), BOT_IDENTITY)

    assert isinstance(event, MessageChanged)
    assert event.is_edit is edited


def test_a_root_that_becomes_a_tombstone_was_deleted() -> None:
    """Slack keeps a deleted root with replies as a tombstone: for us it is gone."""
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
def test_a_deletion_names_its_message(previous: Json, root: str) -> None:
    """A deleted message is known with its thread, if it was in one."""
    event = {
        "type": "message",
        "subtype": "message_deleted",
        "deleted_ts": message_ts(2),
        "ts": message_ts(9),
    }
    found = parse_event(make_body({**event, **previous}), BOT_IDENTITY)

    assert isinstance(found, MessageDeleted)
    assert (found.ts, found.thread.ts, found.version) == (message_ts(2), root, message_ts(9))


def test_the_home_tab_and_its_opener_are_known() -> None:
    """Opening Home is told from opening the messages tab."""
    home = {"type": "app_home_opened", "user": ADA, "tab": "home"}

    assert parse_event(make_body(home), BOT_IDENTITY) == AppHomeOpened(
        team=BOT_IDENTITY.team, user=ADA
    )
    assert parse_event(make_body({**home, "tab": "messages"}), BOT_IDENTITY) == Ignored()


@pytest.mark.parametrize(
    ("event", "found"),
    [
        ({"type": "app_uninstalled"}, AppUninstalled(team=BOT_IDENTITY.team)),
        (
            {"type": "tokens_revoked", "tokens": {"bot": ["U0STARCHAT"], "oauth": []}},
            AppUninstalled(team=BOT_IDENTITY.team),
        ),
        ({"type": "tokens_revoked", "tokens": {"bot": [], "oauth": ["U1"]}}, Ignored()),
        ({"type": "tokens_revoked"}, Ignored()),
        ({"type": "reaction_added"}, Ignored()),
        ({"type": "message"}, Ignored(readable=False)),
        ({"type": "message", "ts": "now", "user": ADA}, Ignored(readable=False)),
        ({"type": "message", "ts": message_ts(1), "user": "../etc"}, Ignored(readable=False)),
        ({"type": "message", "ts": message_ts(1), "channel": "C\ud800"}, Ignored(readable=False)),
        (
            {"type": "message", "subtype": "message_changed", "ts": message_ts(1)},
            Ignored(readable=False),
        ),
    ],
)
def test_every_other_event_has_a_name(event: Json, found: object) -> None:
    """Uninstalling is known; what cannot be read is said to be so."""
    assert parse_event(make_body(event), BOT_IDENTITY) == found


def test_a_body_without_an_event_is_not_readable() -> None:
    """A body that is none of Slack's is not readable, and no error."""
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
def test_no_event_is_too_strange_to_read(kind: str, subtype: str | None, event: Json) -> None:
    """Whatever Slack sends one day, the bot acknowledges it and goes on."""
    parse_event(
        make_body({"ts": message_ts(1), **event, "type": kind, "subtype": subtype}), BOT_IDENTITY
    )
