"""Event stream of the page: live changes and catching up."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from slack_sdk import WebClient

from testing.workspace import (
    ADA,
    BOT_TOKEN,
    DEPLOYBOT,
    LIN,
    SAM,
    STARCHAT,
    Workspace,
)

Json = dict[str, Any]


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    """One workspace for all tests here."""
    with Workspace() as workspace:
        yield workspace


@pytest.fixture
def channel_id(workspace: Workspace, request: pytest.FixtureRequest) -> str:
    """A new channel with everyone in it."""
    everybody = [ADA, LIN, SAM, STARCHAT, DEPLOYBOT]
    name = request.node.name.replace("_", "-")
    return str(workspace.send_control("create", name=name, members=everybody)["channel"])


class EventStreamListener:
    """A client of one person's event stream."""

    def __init__(self, workspace: Workspace, user: str, **headers: str) -> None:
        address = f"{workspace.url}/_page/events?user={user}"
        request = urllib.request.Request(address, headers=headers)  # noqa: S310 - our own address
        self._stream = urllib.request.urlopen(request, timeout=30)  # noqa: S310 - as above
        self.content_type = self._stream.headers["Content-Type"]
        self.last_id = ""
        assert self._stream.readline() == b": welcome\n"

    def read_event(self) -> Json:
        """Return the next event."""
        for raw in self._stream:
            line = raw.decode().rstrip("\n")
            if line.startswith("id: "):
                self.last_id = line.removeprefix("id: ")
            if line.startswith("data: "):
                found = json.loads(line.removeprefix("data: "))
                assert isinstance(found, dict)
                return found
        raise AssertionError("the stream has ended")

    def close_stream(self) -> None:
        """Close the stream."""
        self._stream.close()


def test_the_stream_sends_changes_and_catches_up(workspace: Workspace, channel_id: str) -> None:
    """Messages, edits, statuses and reactions arrive; ephemeral ones only for their person."""
    bot = WebClient(token=BOT_TOKEN, base_url=workspace.api_url)
    ada, lin = EventStreamListener(workspace, ADA), EventStreamListener(workspace, LIN)
    assert ada.content_type == "text/event-stream"
    root = workspace.post_message(ADA, channel_id, "one")
    bot.assistant_threads_setStatus(channel_id=channel_id, thread_ts=root, status="is thinking…")
    bot.chat_postEphemeral(channel=channel_id, user=ADA, text="psst")
    reply = str(bot.chat_postMessage(channel=channel_id, thread_ts=root, text="two")["ts"])
    bot.chat_update(channel=channel_id, ts=reply, text="three")
    workspace.set_reaction(LIN, channel_id, root, "eyes")
    bot.chat_delete(channel=channel_id, ts=reply)
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
    events = [ada.read_event() for _ in kinds]
    assert [one["type"] for one in events] == kinds
    assert {one["channel"] for one in events} == {channel_id}
    assert (events[1]["status"], events[4]["status"]) == ("is thinking…", "")
    assert events[3]["thread_ts"] == root
    assert events[5]["message"]["text"] == "three"
    assert [lin.read_event()["type"] for _ in kinds[1:]] == [k for k in kinds if k != "ephemeral"]
    ada.close_stream()
    workspace.post_message(LIN, channel_id, "missed")
    back = EventStreamListener(workspace, ADA, **{"Last-Event-ID": ada.last_id})
    assert back.read_event()["message"]["text"] == "missed"
    back.close_stream()
    lin.close_stream()
