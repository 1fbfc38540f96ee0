"""Visibility rules: what each person sees of the workspace."""

from typing import Any

import pytest

from fakeslack.errors import SlackError
from fakeslack.state.changes import Change, ChangeKind
from fakeslack.ui.visibility import Viewer
from testing.in_memory_workspace import ADA, GENERAL, LIN, STARCHAT, InMemoryWorkspace

Json = dict[str, Any]


@pytest.fixture
def slack() -> InMemoryWorkspace:
    """A fresh workspace."""
    return InMemoryWorkspace()


def test_a_direct_message_is_named_after_its_other_member(slack: InMemoryWorkspace) -> None:
    """Each of two people sees the other's name."""
    pair = slack.workspace.open_dm([ADA, LIN])
    assert Viewer(slack.workspace, ADA).describe_channel(pair)["name"] == "Lin"
    assert Viewer(slack.workspace, LIN).describe_channel(pair)["name"] == "Ada"
    general = Viewer(slack.workspace, ADA).describe_channel(slack.workspace.channels[GENERAL], 3)
    assert (general["name"], general["kind"], general["unread"]) == ("general", "channel", 3)
    with pytest.raises(SlackError, match="user_not_found"):
        Viewer(slack.workspace, "U9")


def test_a_thread_includes_ones_own_ephemerals(slack: InMemoryWorkspace) -> None:
    """Ephemeral messages appear in order, only for their person."""
    root = slack.post_message("a").ts
    body = {"user": STARCHAT, "text": "psst", "thread_ts": root}
    slack.workspace.post_ephemeral(GENERAL, ADA, body)
    slack.post_message("b", thread_ts=root)
    for person, texts in ((ADA, ["a", "psst", "b"]), (LIN, ["a", "b"])):
        reader = Viewer(slack.workspace, person)
        assert [message["text"] for message in reader.list_messages(GENERAL, root)] == texts
        assert [message["text"] for message in reader.list_messages(GENERAL)] == ["a"]
        assert reader.list_messages(GENERAL, "1.000000") == []


def test_bot_messages_list_pings_and_unfurls(slack: InMemoryWorkspace) -> None:
    """People's messages don't."""
    reader = Viewer(slack.workspace, ADA)
    text = "<!channel> https://a.example"
    shown = slack.call_method("chat.postMessage", channel=GENERAL, text=text)["message"]
    seen = reader.describe_message(slack.workspace.get_message(GENERAL, shown["ts"]))
    assert (seen["pings"], seen["unfurls"]) == (["<!channel>"], ["https://a.example"])
    assert "pings" not in reader.describe_message(slack.post_message(text))


def test_others_see_only_the_first_chunk_of_a_stream(slack: InMemoryWorkspace) -> None:
    """Its recipient sees all of it."""
    root = slack.post_message("a").ts
    to = {"recipient_user_id": ADA, "recipient_team_id": "T0FAKE0001"}
    arguments = {"channel": GENERAL, "thread_ts": root, "markdown_text": "a ", **to}
    ts = slack.call_method("chat.startStream", **arguments)["ts"]
    slack.call_method("chat.appendStream", channel=GENERAL, ts=ts, markdown_text="lock")
    message = slack.workspace.get_message(GENERAL, ts)
    assert Viewer(slack.workspace, ADA).describe_message(message)["text"] == "a lock"
    assert Viewer(slack.workspace, LIN).describe_message(message)["text"] == "a "


def test_changes_are_visible_to_channel_members(slack: InMemoryWorkspace) -> None:
    """Changes in other channels and others' ephemeral messages are hidden."""
    channel = slack.workspace.create_channel("den", [ADA]).id
    root = slack.post_message("a", channel=channel)
    slack.post_message("b", channel=channel, thread_ts=root.ts)
    slack.workspace.post_ephemeral(channel, LIN, {"user": ADA, "text": "psst"})
    slack.workspace.join_channel(channel, LIN)
    slack.workspace.leave_channel(channel, LIN)
    slack.workspace.publish_change(Change(ChangeKind.APP_CONNECTED, detail={"connected": True}))
    seen: dict[str, list[Json]] = {}
    for person in (ADA, LIN):
        slack.workspace.channels[channel].members = [ADA]
        details = [
            Viewer(slack.workspace, person).describe_change(change) for change in slack.changes
        ]
        seen[person] = [one for one in details if one is not None]
    assert [one["type"] for one in seen[ADA]] == [
        "channel",
        "message",
        "message",
        "channel",
        "channel",
        "connected",
    ]
    reply = seen[ADA][2]
    assert (reply["thread_ts"], reply["root"]["reply_count"]) == (root.ts, 1)
    assert seen[ADA][1]["thread_ts"] is None
    assert seen[ADA][0]["info"]["name"] == "den"
    assert [one["type"] for one in seen[LIN]] == ["channel", "connected"]
    assert seen[LIN][0]["left"] == LIN


def test_changes_under_a_former_id_are_hidden(slack: InMemoryWorkspace) -> None:
    """A page that connects again reads the whole state."""
    channel = slack.workspace.create_channel("den", [ADA], is_private=True)
    slack.post_message("a", channel=channel.id)
    slack.workspace.share_channel(channel.id)
    viewer = Viewer(slack.workspace, ADA)
    seen = [viewer.describe_change(change) for change in slack.changes]
    assert [one and one["channel"] for one in seen] == [None, None, channel.id]


def test_a_reply_without_a_root_has_none(slack: InMemoryWorkspace) -> None:
    """The last reply of a tombstone removes it."""
    root = slack.post_message("a")
    reply = slack.post_message("b", thread_ts=root.ts)
    slack.workspace.delete_message(root)
    slack.workspace.delete_message(reply)
    details = Viewer(slack.workspace, ADA).describe_change(slack.changes[-1])
    assert details is not None
    assert (details["type"], details["root"]) == ("message_deleted", None)


def test_all_people_are_listed(slack: InMemoryWorkspace) -> None:
    """The page lists people and bots with their colours."""
    people = {one["id"]: one for one in Viewer(slack.workspace, ADA).list_people()}
    assert people[STARCHAT]["is_bot"]
    assert people[ADA]["color"] == "#9f69e7"
