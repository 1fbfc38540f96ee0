"""What the page calls: read as a person, write as a person, hear what happens."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from slack_sdk import WebClient

from testing.workspace import (
    ADA,
    BOT_TOKEN,
    DEPLOYBOT,
    GENERAL,
    LIN,
    PYTHON,
    SAM,
    STARCHAT,
    RefusedError,
    Workspace,
    message_texts,
)

Json = dict[str, Any]


@pytest.fixture(scope="module")
def town() -> Iterator[Workspace]:
    """One workspace for all tests here."""
    with Workspace() as workspace:
        yield workspace


@pytest.fixture
def room(town: Workspace, request: pytest.FixtureRequest) -> str:
    """A new channel with everybody in it."""
    everybody = [ADA, LIN, SAM, STARCHAT, DEPLOYBOT]
    name = request.node.name.replace("_", "-")
    return str(town.send_control("create", name=name, members=everybody)["channel"])


class Ear:
    """Somebody's page, listening to the stream of events."""

    def __init__(self, town: Workspace, user: str, **headers: str) -> None:
        address = f"{town.url}/_page/events?user={user}"
        wish = urllib.request.Request(address, headers=headers)  # noqa: S310 - our own address
        self._stream = urllib.request.urlopen(wish, timeout=30)  # noqa: S310 - as above
        self.kind = self._stream.headers["Content-Type"]
        self.last = ""
        assert self._stream.readline() == b": welcome\n"

    def hear(self) -> Json:
        """Return the next event."""
        for raw in self._stream:
            line = raw.decode().rstrip("\n")
            if line.startswith("id: "):
                self.last = line.removeprefix("id: ")
            if line.startswith("data: "):
                found = json.loads(line.removeprefix("data: "))
                assert isinstance(found, dict)
                return found
        raise AssertionError("the stream has ended")

    def close(self) -> None:
        """Close the page."""
        self._stream.close()


def test_the_page_starts_with_the_state_of_the_workspace(town: Workspace) -> None:
    """People, channels and direct messages are there from the start; the bot is not connected."""
    state = town.read_state(ADA)
    assert state["team"] == {"id": "T0FAKE0001", "name": "Workspace"}
    assert state["me"] == ADA
    assert state["app"] == {
        "id": "A0STARCHAT",
        "bot_user": STARCHAT,
        "name": "StarChat",
        "connected": False,
    }
    names = {channel["name"]: channel for channel in state["channels"]}
    assert {"general", "python", "StarChat", "Lin", "Sam"} <= names.keys()
    assert names["StarChat"]["kind"] == "im"
    assert set(names["StarChat"]["members"]) == {ADA, STARCHAT}


def test_what_one_writes_is_read_by_all(town: Workspace, room: str) -> None:
    """Typed names become mentions; the same gesture sent twice is one message."""
    wish = {"client_msg_id": "m-1"}
    ts = town.post_message(ADA, room, "@StarChat a < b?", **wish)
    assert town.post_message(ADA, room, "@StarChat a < b?", **wish) == ts
    reply = town.post_message(LIN, room, "see https://a.example", ts, broadcast=True)
    [root, shared] = town.read_messages(room, user=SAM)
    assert (root["text"], root["client_msg_id"]) == (f"<@{STARCHAT}> a &lt; b?", "m-1")
    assert (root["reply_count"], root["latest_reply"]) == (1, reply)
    assert shared["subtype"] == "thread_broadcast"
    assert message_texts(town.read_messages(room, ts))[1] == "see <https://a.example>"
    assert town.bot_replies(room, ts) == []


def test_what_is_new_is_counted_until_it_is_read(town: Workspace, room: str) -> None:
    """Others' messages are unread until one looks; one's own never are."""

    def unread(user: str) -> int:
        counts = {one["id"]: one["unread"] for one in town.read_state(user)["channels"]}
        return int(counts[room])

    town.post_message(ADA, room, "one")
    town.post_message(ADA, room, "two")
    assert (unread(LIN), unread(ADA)) == (2, 0)
    town.read_messages(room, user=LIN)
    assert unread(LIN) == 0


def test_ones_own_messages_can_be_edited_and_deleted(town: Workspace, room: str) -> None:
    """Others' cannot; a deleted root with replies stays as a tombstone."""
    ts = town.post_message(ADA, room, "one")
    town.post_message(LIN, room, "two", ts)
    town.edit_message(ADA, room, ts, "one & more")
    assert message_texts(town.read_messages(room)) == ["one &amp; more"]
    with pytest.raises(RefusedError, match="cant_update_message"):
        town.edit_message(LIN, room, ts, "mine")
    with pytest.raises(RefusedError, match="cant_delete_message"):
        town.delete_message(LIN, room, ts)
    town.delete_message(ADA, room, ts)
    assert [one["subtype"] for one in town.read_messages(room)] == ["tombstone"]


def test_a_reaction_is_one_persons(town: Workspace, room: str) -> None:
    """It is shown with who reacted, and can be taken back."""
    ts = town.post_message(ADA, room, "one")
    town.set_reaction(LIN, room, ts, "eyes")
    assert town.read_messages(room)[0]["reactions"] == [
        {"name": "eyes", "users": [LIN], "count": 1}
    ]
    town.set_reaction(LIN, room, ts, "eyes", remove=True)
    assert "reactions" not in town.read_messages(room)[0]


def test_direct_messages_are_opened_from_the_page(town: Workspace) -> None:
    """Two people share one place; three have another; nobody else can look in."""
    pair = town.open_dm(ADA, LIN)
    assert town.open_dm(LIN, ADA) == pair
    assert town.open_dm(ADA, LIN, STARCHAT) != pair
    with pytest.raises(RefusedError, match="not_in_channel"):
        town.read_messages(pair, user=SAM)


@pytest.mark.parametrize(
    ("wish", "error"),
    [
        ({"text": " "}, "no_text"),
        ({"user": "U9"}, "user_not_found"),
        ({"channel": "C9"}, "channel_not_found"),
        ({"thread_ts": "1.000000"}, "thread_not_found"),
        ({"text": "/poem please"}, "unknown_command"),
        ({"text": "/starchat help"}, "app_did_not_respond"),
        ({"text": "/starchat help", "thread_ts": "1.000000"}, "command_not_in_thread"),
    ],
    ids=range(7),
)
def test_what_cannot_be_written_is_refused(town: Workspace, wish: Json, error: str) -> None:
    """Each refusal has a word that the page puts in a sentence."""
    whole = {"user": ADA, "channel": GENERAL, "text": "hi", **wish}
    with pytest.raises(RefusedError) as refusal:
        town.post_json("_page/post", whole)
    assert refusal.value.error == error


def test_nobody_writes_in_an_archived_channel(town: Workspace, room: str) -> None:
    """Until it is brought back; and whoever was taken out sees it no longer."""
    town.send_control("archive", channel=room)
    with pytest.raises(RefusedError, match="is_archived"):
        town.post_message(ADA, room, "hi")
    town.send_control("archive", channel=room, archived=False)
    town.send_control("kick", channel=room, user=ADA)
    with pytest.raises(RefusedError, match="not_in_channel"):
        town.post_message(ADA, room, "hi")
    town.send_control("invite", channel=room, user=ADA)
    town.post_message(ADA, room, "hi")


@pytest.mark.parametrize(
    ("body", "kind", "error"),
    [
        (b"{", "application/json", "invalid_json"),
        (b"[]", "application/json", "json_not_object"),
        (b"{}", "text/plain", "invalid_post_type"),
        (b"", "application/json", "user_not_found"),
    ],
    ids=range(4),
)
def test_only_json_from_a_page_of_ours_is_taken(
    town: Workspace, body: bytes, kind: str, error: str
) -> None:
    """Another site's form cannot write here."""
    wish = urllib.request.Request(  # noqa: S310 - our own http address
        f"{town.url}/_page/post", body, {"Content-Type": kind}
    )
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(wish, timeout=10)  # noqa: S310 - as above
    with refusal.value as answer:
        assert (answer.status, json.load(answer)["error"]) == (400, error)


def test_the_page_and_nothing_else_is_served(town: Workspace) -> None:
    """Files of the page come by their names; no name leads out of its folder."""
    with urllib.request.urlopen(f"{town.url}/", timeout=10) as answer:  # noqa: S310
        assert answer.headers["Content-Type"].startswith("text/html")
    for name in ("nothing.js", "..%2fapp.py", "%2e%2e/app.py", "page"):
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(f"{town.url}/page/{name}", timeout=10)  # noqa: S310
        with refusal.value as answer:
            assert answer.status == 404


def test_a_page_hears_what_happens_and_catches_up(town: Workspace, room: str) -> None:
    """Messages, edits, statuses and reactions come as they happen, whispers to one alone."""
    bot = WebClient(token=BOT_TOKEN, base_url=town.api_url)
    ada, lin = Ear(town, ADA), Ear(town, LIN)
    assert ada.kind == "text/event-stream"
    root = town.post_message(ADA, room, "one")
    bot.assistant_threads_setStatus(channel_id=room, thread_ts=root, status="is thinking…")
    bot.chat_postEphemeral(channel=room, user=ADA, text="psst")
    reply = str(bot.chat_postMessage(channel=room, thread_ts=root, text="two")["ts"])
    bot.chat_update(channel=room, ts=reply, text="three")
    town.set_reaction(LIN, room, root, "eyes")
    bot.chat_delete(channel=room, ts=reply)
    kinds = [
        "message",
        "status",
        "ephemeral",
        "message",
        "status",
        "message_changed",
        "reaction",
        "message_deleted",
    ]
    heard = [ada.hear() for _ in kinds]
    assert [one["type"] for one in heard] == kinds
    assert {one["channel"] for one in heard} == {room}
    assert (heard[1]["status"], heard[4]["status"]) == ("is thinking…", "")
    assert heard[3]["thread_ts"] == root
    assert heard[5]["message"]["text"] == "three"
    assert [lin.hear()["type"] for _ in kinds[1:]] == [k for k in kinds if k != "ephemeral"]
    ada.close()
    town.post_message(LIN, room, "missed")
    back = Ear(town, ADA, **{"Last-Event-ID": ada.last})
    assert back.hear()["message"]["text"] == "missed"
    back.close()
    lin.close()


def test_whispers_and_statuses_are_there_after_a_reload(town: Workspace, room: str) -> None:
    """What one person was shown, and what the bot is doing, is read with the messages."""
    bot = WebClient(token=BOT_TOKEN, base_url=town.api_url)
    root = town.post_message(ADA, room, "one")
    bot.assistant_threads_setStatus(channel_id=room, thread_ts=root, status="is thinking…")
    bot.chat_postEphemeral(channel=room, user=ADA, text="psst")
    read = town.get_json("_page/messages", user=ADA, channel=room)
    assert message_texts(read["messages"]) == ["one", "psst"]
    assert read["statuses"] == {root: "is thinking…"}
    assert message_texts(town.read_messages(room, user=LIN)) == ["one"]


def test_messages_can_be_posted_as_they_are(town: Workspace, room: str) -> None:
    """A test may post as anybody, with any field, and delete anything."""
    root = town.post_raw(room, "<@U0STARCHAT> raw", user=ADA, client_msg_id="m-2")
    town.post_raw(room, "deployed", user="", bot_id="B0DEPLOY01", thread_ts=root, subtype=None)
    [first, second] = town.read_messages(room, root)
    assert first["client_msg_id"] == "m-2"
    assert (second["user"], second["bot_id"]) == (DEPLOYBOT, "B0DEPLOY01")
    town.send_control("delete", channel=room, ts=root)
    assert town.read_messages(room)[0]["subtype"] == "tombstone"


def test_guests_and_unfurls_can_be_had_for_the_asking(town: Workspace, room: str) -> None:
    """A test brings people of any kind, and lets Slack unfurl a link."""
    guest = {"id": "U0GUEST001", "name": "Gus", "is_restricted": True, "team": "T0OTHER001"}
    shown = town.send_control("person", **guest)["user"]
    assert (shown["is_restricted"], shown["is_stranger"]) == (True, True)
    town.send_control("invite", channel=room, user="U0GUEST001")
    ts = town.post_message("U0GUEST001", room, "see https://a.example")
    town.send_control("unfurl", channel=room, ts=ts, url="https://a.example")
    [message] = town.read_messages(room)
    assert message["attachments"][0]["from_url"] == "https://a.example"
    assert "edited" not in message
    with pytest.raises(RefusedError, match="invalid_arguments"):
        town.send_control("person", id="U1", loud=True)


def test_waiting_ends_with_the_change_or_the_time(town: Workspace) -> None:
    """A test sleeps in the workspace until something happens."""
    start = town.get_json("_control/wait", timeout=0)["next"]
    assert not town.get_json("_control/wait", since=start, timeout=0)["happened"]
    town.post_message(ADA, PYTHON, "hi")
    assert town.get_json("_control/wait", since=start)["happened"]
    with pytest.raises(AssertionError, match="nothing came"):
        town.wait_for_messages(lambda seen: "never" in message_texts(seen), PYTHON, timeout=0.1)
    with pytest.raises(RefusedError, match="invalid_arguments"):
        town.get_json("_control/calls", since="now")
