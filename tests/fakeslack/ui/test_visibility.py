"""Each person sees their own workspace."""

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


def test_a_direct_message_is_named_after_the_others(slack: InMemoryWorkspace) -> None:
    """Each of two people sees the other's name."""
    pair = slack.workspace.open_dm([ADA, LIN])
    assert Viewer(slack.workspace, ADA).describe_channel(pair)["name"] == "Lin"
    assert Viewer(slack.workspace, LIN).describe_channel(pair)["name"] == "Ada"
    general = Viewer(slack.workspace, ADA).describe_channel(slack.workspace.channels[GENERAL], 3)
    assert (general["name"], general["kind"], general["unread"]) == ("general", "channel", 3)
    with pytest.raises(SlackError, match="user_not_found"):
        Viewer(slack.workspace, "U9")


def test_a_thread_is_read_from_its_root_with_ones_own_whispers(slack: InMemoryWorkspace) -> None:
    """Ephemeral messages stand where they were shown, for their reader alone."""
    root = slack.post_message("a").ts
    body = {"user": STARCHAT, "text": "psst", "thread_ts": root}
    slack.workspace.post_ephemeral(GENERAL, ADA, body)
    slack.post_message("b", thread_ts=root)
    for person, texts in ((ADA, ["a", "psst", "b"]), (LIN, ["a", "b"])):
        reader = Viewer(slack.workspace, person)
        assert [message["text"] for message in reader.list_messages(GENERAL, root)] == texts
        assert [message["text"] for message in reader.list_messages(GENERAL)] == ["a"]
        assert reader.list_messages(GENERAL, "1.000000") == []


def test_what_a_bot_writes_shows_its_pings_and_unfurls(slack: InMemoryWorkspace) -> None:
    """People's messages carry no such marks."""
    reader = Viewer(slack.workspace, ADA)
    text = "<!channel> https://a.example"
    shown = slack.call_method("chat.postMessage", channel=GENERAL, text=text)["message"]
    seen = reader.describe_message(slack.workspace.get_message(GENERAL, shown["ts"]))
    assert (seen["pings"], seen["unfurls"]) == (["<!channel>"], ["https://a.example"])
    assert "pings" not in reader.describe_message(slack.post_message(text))


def test_a_growing_stream_shows_others_its_first_piece(slack: InMemoryWorkspace) -> None:
    """Its reader sees all of it."""
    root = slack.post_message("a").ts
    to = {"recipient_user_id": ADA, "recipient_team_id": "T0FAKE0001"}
    wish = {"channel": GENERAL, "thread_ts": root, "markdown_text": "a ", **to}
    ts = slack.call_method("chat.startStream", **wish)["ts"]
    slack.call_method("chat.appendStream", channel=GENERAL, ts=ts, markdown_text="lock")
    message = slack.workspace.get_message(GENERAL, ts)
    assert Viewer(slack.workspace, ADA).describe_message(message)["text"] == "a lock"
    assert Viewer(slack.workspace, LIN).describe_message(message)["text"] == "a "


def test_people_hear_of_what_concerns_them(slack: InMemoryWorkspace) -> None:
    """Changes elsewhere, and whispers to others, are not told."""
    den = slack.workspace.create_channel("den", [ADA]).id
    root = slack.post_message("a", channel=den)
    slack.post_message("b", channel=den, thread_ts=root.ts)
    slack.workspace.post_ephemeral(den, LIN, {"user": ADA, "text": "psst"})
    slack.workspace.join_channel(den, LIN)
    slack.workspace.leave_channel(den, LIN)
    slack.workspace.publish_change(Change(ChangeKind.APP_CONNECTED, detail={"connected": True}))
    heard: dict[str, list[Json]] = {}
    for person in (ADA, LIN):
        slack.workspace.channels[den].members = [ADA]
        told = [Viewer(slack.workspace, person).describe_change(change) for change in slack.changes]
        heard[person] = [one for one in told if one is not None]
    assert [one["type"] for one in heard[ADA]] == [
        "channel",
        "message",
        "message",
        "channel",
        "channel",
        "connected",
    ]
    reply = heard[ADA][2]
    assert (reply["thread_ts"], reply["root"]["reply_count"]) == (root.ts, 1)
    assert heard[ADA][1]["thread_ts"] is None
    assert heard[ADA][0]["info"]["name"] == "den"
    assert [one["type"] for one in heard[LIN]] == ["channel", "connected"]
    assert heard[LIN][0]["left"] == LIN


def test_a_reply_to_a_root_that_is_gone_has_none(slack: InMemoryWorkspace) -> None:
    """The last reply under a tombstone takes it along."""
    root = slack.post_message("a")
    reply = slack.post_message("b", thread_ts=root.ts)
    slack.workspace.delete_message(root)
    slack.workspace.delete_message(reply)
    told = Viewer(slack.workspace, ADA).describe_change(slack.changes[-1])
    assert told is not None
    assert (told["type"], told["root"]) == ("message_deleted", None)


def test_everybody_is_listed(slack: InMemoryWorkspace) -> None:
    """The page lists people and bots with their colours."""
    people = {one["id"]: one for one in Viewer(slack.workspace, ADA).list_people()}
    assert people[STARCHAT]["is_bot"]
    assert people[ADA]["color"] == "#9f69e7"
