"""Each person sees their own workspace."""

from typing import Any

import pytest

from fakeslack.errors import SlackError
from fakeslack.state.changes import Change, Happening
from fakeslack.ui.visibility import Reader
from testing.in_memory_workspace import ADA, GENERAL, LIN, STARCHAT, InMemoryWorkspace

Json = dict[str, Any]


@pytest.fixture
def town() -> InMemoryWorkspace:
    """A fresh workspace."""
    return InMemoryWorkspace()


def test_a_direct_message_is_named_after_the_others(town: InMemoryWorkspace) -> None:
    """Each of two people sees the other's name."""
    pair = town.workspace.direct([ADA, LIN])
    assert Reader(town.workspace, ADA).channel(pair)["name"] == "Lin"
    assert Reader(town.workspace, LIN).channel(pair)["name"] == "Ada"
    general = Reader(town.workspace, ADA).channel(town.workspace.channels[GENERAL], 3)
    assert (general["name"], general["kind"], general["unread"]) == ("general", "channel", 3)
    with pytest.raises(SlackError, match="user_not_found"):
        Reader(town.workspace, "U9")


def test_a_thread_is_read_from_its_root_with_ones_own_whispers(town: InMemoryWorkspace) -> None:
    """Ephemeral messages stand where they were shown, for their reader alone."""
    root = town.post_message("a").ts
    body = {"user": STARCHAT, "text": "psst", "thread_ts": root}
    town.workspace.whisper(GENERAL, ADA, body)
    town.post_message("b", thread_ts=root)
    for person, texts in ((ADA, ["a", "psst", "b"]), (LIN, ["a", "b"])):
        reader = Reader(town.workspace, person)
        assert [message["text"] for message in reader.messages(GENERAL, root)] == texts
        assert [message["text"] for message in reader.messages(GENERAL)] == ["a"]
        assert reader.messages(GENERAL, "1.000000") == []


def test_what_a_bot_writes_shows_its_pings_and_unfurls(town: InMemoryWorkspace) -> None:
    """People's messages carry no such marks."""
    reader = Reader(town.workspace, ADA)
    text = "<!channel> https://a.example"
    shown = town.call_method("chat.postMessage", channel=GENERAL, text=text)["message"]
    seen = reader.message(town.workspace.message(GENERAL, shown["ts"]))
    assert (seen["pings"], seen["unfurls"]) == (["<!channel>"], ["https://a.example"])
    assert "pings" not in reader.message(town.post_message(text))


def test_a_growing_stream_shows_others_its_first_piece(town: InMemoryWorkspace) -> None:
    """Its reader sees all of it."""
    root = town.post_message("a").ts
    to = {"recipient_user_id": ADA, "recipient_team_id": "T0FAKE0001"}
    wish = {"channel": GENERAL, "thread_ts": root, "markdown_text": "a ", **to}
    ts = town.call_method("chat.startStream", **wish)["ts"]
    town.call_method("chat.appendStream", channel=GENERAL, ts=ts, markdown_text="lock")
    message = town.workspace.message(GENERAL, ts)
    assert Reader(town.workspace, ADA).message(message)["text"] == "a lock"
    assert Reader(town.workspace, LIN).message(message)["text"] == "a "


def test_people_hear_of_what_concerns_them(town: InMemoryWorkspace) -> None:
    """Changes elsewhere, and whispers to others, are not told."""
    den = town.workspace.create("den", [ADA]).id
    root = town.post_message("a", channel=den)
    town.post_message("b", channel=den, thread_ts=root.ts)
    town.workspace.whisper(den, LIN, {"user": ADA, "text": "psst"})
    town.workspace.join(den, LIN)
    town.workspace.leave(den, LIN)
    town.workspace.announce(Change(Happening.CONNECTED, detail={"connected": True}))
    heard: dict[str, list[Json]] = {}
    for person in (ADA, LIN):
        town.workspace.channels[den].members = [ADA]
        told = [Reader(town.workspace, person).change(change) for change in town.changes]
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


def test_a_reply_to_a_root_that_is_gone_has_none(town: InMemoryWorkspace) -> None:
    """The last reply under a tombstone takes it along."""
    root = town.post_message("a")
    reply = town.post_message("b", thread_ts=root.ts)
    town.workspace.delete(root)
    town.workspace.delete(reply)
    told = Reader(town.workspace, ADA).change(town.changes[-1])
    assert told is not None
    assert (told["type"], told["root"]) == ("message_deleted", None)


def test_everybody_is_listed(town: InMemoryWorkspace) -> None:
    """The page lists people and bots with their colours."""
    people = {one["id"]: one for one in Reader(town.workspace, ADA).people()}
    assert people[STARCHAT]["is_bot"]
    assert people[ADA]["color"] == "#9f69e7"
