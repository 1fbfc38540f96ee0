"""Workspace state: people, channels, messages, reactions and change listeners."""

import pytest

from fakeslack.errors import SlackError
from fakeslack.state.channels import Channel, ChannelType
from fakeslack.state.messages import Message
from fakeslack.state.people import DEPLOYBOT, STARCHAT
from fakeslack.web_api.files import create_file, share_files
from testing.in_memory_workspace import ADA, GENERAL, LIN, SAM, InMemoryWorkspace


@pytest.fixture
def slack() -> InMemoryWorkspace:
    """A fresh workspace."""
    return InMemoryWorkspace()


def test_a_person_is_found_by_id_bot_id_and_name(slack: InMemoryWorkspace) -> None:
    """Each name of a person leads to the person; unknown names are refused."""
    found = [slack.workspace.get_person(name) for name in ("U0STARCHAT", "B0STARCHAT", "StarChat")]
    assert found == [STARCHAT] * 3
    with pytest.raises(SlackError, match="user_not_found"):
        slack.workspace.get_person("nobody")


def test_a_channel_is_found_by_id_and_name(slack: InMemoryWorkspace) -> None:
    """A public channel has an id and a `#name`, a private one only its id."""
    slack.workspace.create_channel("den", [ADA], is_private=True)
    assert slack.workspace.get_channel("#general").id == GENERAL
    assert slack.workspace.get_channel("python").id == "C0PYTHON01"
    for name in ("#den", "#attic"):
        with pytest.raises(SlackError, match="channel_not_found"):
            slack.workspace.get_channel(name)


def test_a_direct_message_is_opened_once(slack: InMemoryWorkspace) -> None:
    """The same people share one direct message, in any order."""
    two = slack.workspace.open_dm([ADA, LIN])
    three = slack.workspace.open_dm([LIN, ADA, SAM, LIN])
    assert two.channel_type is ChannelType.IM
    assert two is slack.workspace.open_dm([LIN, ADA])
    assert three.channel_type is ChannelType.MPIM
    assert three is slack.workspace.open_dm([SAM, LIN, ADA])
    assert three.name == "mpdm-lin--ada--sam-1"


def test_channel_changes_are_published(slack: InMemoryWorkspace) -> None:
    """Joining, leaving and archiving are published with the person."""
    channel = slack.workspace.create_channel("den", [ADA])
    slack.workspace.join_channel(channel.id, LIN)
    slack.workspace.leave_channel(channel.id, ADA)
    slack.workspace.archive_channel(channel.id)
    slack.workspace.archive_channel(channel.id, is_archived=False)
    assert [change.detail for change in slack.find_changes("channel")] == [
        {"opened": True},
        {"joined": LIN},
        {"left": ADA},
        {"archived": True},
        {"archived": False},
    ]
    assert channel.members == [LIN]
    with pytest.raises(SlackError, match="already_in_channel"):
        slack.workspace.join_channel(channel.id, LIN)
    with pytest.raises(SlackError, match="not_in_channel"):
        slack.workspace.leave_channel(channel.id, ADA)


def test_sharing_gives_a_private_channel_a_new_id(slack: InMemoryWorkspace) -> None:
    """Its messages are there; the former id names nothing any more."""
    channel = slack.workspace.create_channel("den", [ADA], is_private=True)
    former = channel.id
    message = slack.workspace.post_message(former, {"user": ADA, "text": "hi"})
    file = create_file(slack.workspace, ADA, {"name": "a.py", "content": "x = 1"})
    share_files(slack.workspace, former, {"user": ADA}, [file])
    shared = slack.workspace.share_channel(former)

    assert (shared.name, shared.is_shared) == ("den", True)
    assert slack.workspace.get_message(shared.id, message.ts).channel == shared.id
    assert file.channels == [shared.id]
    assert slack.find_changes("channel")[-1].detail == {"former_id": former}
    with pytest.raises(SlackError, match="channel_not_found"):
        slack.workspace.get_channel(former)
    for channel in (shared, slack.workspace.open_dm([ADA, LIN])):
        with pytest.raises(SlackError, match="invalid_arguments"):
            slack.workspace.share_channel(channel.id)
    assert slack.workspace.share_channel(GENERAL).id == GENERAL


def test_a_reply_names_the_author_of_the_root(slack: InMemoryWorkspace) -> None:
    """A reply carries `parent_user_id`."""
    root = slack.post_message("hi", user=LIN)
    assert slack.post_message("hello", thread_ts=root.ts).body["parent_user_id"] == LIN


def test_a_reply_needs_a_thread_root(slack: InMemoryWorkspace) -> None:
    """A missing message and a reply are refused as roots."""
    reply = slack.post_message("b", thread_ts=slack.post_message("a").ts)
    with pytest.raises(SlackError, match="thread_not_found"):
        slack.post_message("c", thread_ts="1.000000")
    with pytest.raises(SlackError, match="cannot_reply_to_message"):
        slack.post_message("c", thread_ts=reply.ts)


def test_an_edit_keeps_the_ts_and_names_its_editor(slack: InMemoryWorkspace) -> None:
    """An edited message keeps its position and carries `edited`."""
    old = slack.post_message("a")
    new = slack.workspace.edit_message(old, ADA, text="b", blocks=None)
    assert slack.workspace.get_message(GENERAL, old.ts) == new
    assert (new.text, new.body["edited"]["user"]) == ("b", ADA)
    [change] = slack.find_changes("message_changed")
    assert (change.previous, change.message) == (old, new)


def test_reactions_are_counted_by_person(slack: InMemoryWorkspace) -> None:
    """A person reacts once with each emoji; the last removal deletes the reaction."""
    message = slack.post_message("a")

    def set_reaction(person: str, *, remove: bool = False) -> list[dict[str, object]]:
        now = slack.workspace.get_message(GENERAL, message.ts)
        slack.workspace.set_reaction(now, person, "eyes", remove=remove)
        shown: list[dict[str, object]] = slack.workspace.get_message(GENERAL, message.ts).body.get(
            "reactions", []
        )
        return shown

    assert set_reaction(ADA) == [{"name": "eyes", "users": [ADA], "count": 1}]
    assert set_reaction(LIN) == [{"name": "eyes", "users": [ADA, LIN], "count": 2}]
    with pytest.raises(SlackError, match="already_reacted"):
        set_reaction(LIN)
    set_reaction(ADA, remove=True)
    with pytest.raises(SlackError, match="no_reaction"):
        set_reaction(ADA, remove=True)
    assert set_reaction(LIN, remove=True) == []


def test_an_ephemeral_message_belongs_to_one_person(slack: InMemoryWorkspace) -> None:
    """Only its person finds it, until it is deleted."""
    ephemeral = slack.workspace.post_ephemeral(GENERAL, ADA, {"user": LIN, "text": "psst"})
    assert slack.workspace.find_ephemeral(GENERAL, ADA, ephemeral.ts) == ephemeral
    assert slack.workspace.find_ephemeral(GENERAL, LIN, ephemeral.ts) is None
    assert slack.workspace.channel_history(GENERAL).find_message(ephemeral.ts) is None
    slack.workspace.delete_ephemeral(ephemeral)
    slack.workspace.delete_ephemeral(ephemeral)
    assert [change.only_for for change in slack.find_changes("message_deleted")] == [ADA]


def test_a_status_line_ends_with_a_reply_or_after_two_minutes(slack: InMemoryWorkspace) -> None:
    """The bot's reply clears the status line; otherwise it expires."""
    root = slack.post_message("a")
    slack.workspace.agent_sessions.set_status_line(GENERAL, root.ts, "is thinking…")
    slack.post_message("b", user=LIN, thread_ts=root.ts)
    assert slack.workspace.agent_sessions.list_status_lines(GENERAL) == {root.ts: "is thinking…"}
    slack.post_message("c", user=STARCHAT.id, thread_ts=root.ts)
    assert slack.workspace.agent_sessions.list_status_lines(GENERAL) == {}
    slack.workspace.agent_sessions.set_status_line(GENERAL, root.ts, "again")
    slack.clock_seconds += 121
    assert slack.workspace.agent_sessions.get_status_line(GENERAL, root.ts) == ""


def test_a_field_set_to_none_is_removed() -> None:
    """An edit can remove blocks."""
    message = Message(GENERAL, {"ts": "1.000000", "text": "a", "blocks": []})
    assert message.with_fields(text="b", blocks=None).body == {"ts": "1.000000", "text": "b"}


@pytest.mark.parametrize(
    ("kind", "scope", "subscription"),
    [
        (ChannelType.CHANNEL, "channels", "message.channels"),
        (ChannelType.GROUP, "groups", "message.groups"),
        (ChannelType.IM, "im", "message.im"),
        (ChannelType.MPIM, "mpim", "message.mpim"),
    ],
)
def test_each_channel_type_has_its_scope_and_event(
    kind: ChannelType, scope: str, subscription: str
) -> None:
    """Slack uses different names for scopes and events."""
    assert (kind.scope_family, kind.message_event) == (scope, subscription)


def test_a_direct_message_names_the_other_person() -> None:
    """The channel object names the other person, or oneself."""
    pair = Channel("D1", "", ChannelType.IM, [ADA, LIN])
    assert pair.as_slack(ADA)["user"] == LIN
    assert Channel("D2", "", ChannelType.IM, [ADA]).as_slack(ADA)["user"] == ADA
    assert "name" not in pair.as_slack(ADA)


def test_a_bot_user_has_a_bot_id() -> None:
    """A person's user object has none."""
    shown = DEPLOYBOT.as_slack()
    assert (shown["is_bot"], shown["profile"]["bot_id"]) == (True, "B0DEPLOY01")
    assert DEPLOYBOT.bot_profile()["app_id"] == "A0DEPLOY01"
    assert "bot_id" not in InMemoryWorkspace().workspace.get_person(ADA).as_slack()["profile"]
