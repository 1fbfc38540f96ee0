"""What happens in the workspace reaches the app as Slack's events."""

import random
from typing import Any

import pytest

from fakeslack.delivery.events import Events
from fakeslack.state.changes import Change, Happening
from fakeslack.state.people import Person
from testing.in_memory_workspace import ADA, GENERAL, LIN, STARCHAT, InMemoryWorkspace

Json = dict[str, Any]
MENTION = f"<@{STARCHAT}> hi"


class Heard(InMemoryWorkspace):
    """A town, and the events that its app hears."""

    def __init__(self) -> None:
        super().__init__()
        self.maker = Events(self.workspace, random.Random(1))  # noqa: S311 - repeatable
        self.events: list[Json] = []
        self.workspace.listen(lambda change: self.events.extend(self.maker.of(change)))


@pytest.fixture
def town() -> Heard:
    """A fresh workspace."""
    return Heard()


def test_a_mention_comes_as_twins(town: Heard) -> None:
    """A mention is a `message` and an `app_mention` of the same ts, each with an id of its own."""
    root = town.post_message("hello")
    town.events.clear()
    asked = town.post_message(MENTION, thread_ts=root.ts, client_msg_id="m1")
    message, mention = sorted(town.events, key=lambda event: event["type"], reverse=True)
    assert (message["type"], mention["type"]) == ("message", "app_mention")
    assert {message["ts"], mention["ts"]} == {asked.ts}
    assert {message["client_msg_id"], mention["client_msg_id"]} == {"m1"}
    assert message["channel_type"] == "channel"
    assert message["parent_user_id"] == ADA
    assert not {"channel_type", "parent_user_id"} & mention.keys()
    ids = {town.maker.callback(event)["event_id"] for event in town.events}
    assert len(ids) == 2


def test_either_twin_may_come_first(town: Heard) -> None:
    """No order holds between the twins."""
    firsts = set()
    for _ in range(20):
        town.events.clear()
        town.post_message(MENTION)
        firsts.add(town.events[0]["type"])
    assert firsts == {"message", "app_mention"}


def test_a_direct_message_is_no_mention(town: Heard) -> None:
    """In a direct message there is only the message, whatever it says."""
    pair = town.workspace.direct([ADA, STARCHAT])
    town.events.clear()
    town.post_message(MENTION, channel=pair.id)
    assert [(event["type"], event["channel_type"]) for event in town.events] == [("message", "im")]


def test_the_apps_own_posts_come_back(town: Heard) -> None:
    """The app hears itself, and never as a mention."""
    town.call_method("chat.postMessage", channel=GENERAL, text=MENTION)
    [event] = town.events
    assert (event["bot_id"], event["app_id"]) == ("B0STARCHAT", "A0STARCHAT")


def test_an_edit_tells_both_forms(town: Heard) -> None:
    """`message_changed` carries the message before and after, without metadata."""
    old = town.post_message("a", metadata={"event_type": "x", "event_payload": {}})
    town.events.clear()
    town.workspace.edited(old, ADA, text="b")
    [event] = town.events
    assert (event["subtype"], event["hidden"]) == ("message_changed", True)
    assert (event["previous_message"]["text"], event["message"]["text"]) == ("a", "b")
    assert "metadata" not in event["message"]


def test_a_growing_stream_is_told_when_it_ends(town: Heard) -> None:
    """Pieces of a stream are no edits; its end is."""
    old = town.post_message("a")
    town.events.clear()
    town.workspace.edit(old, old.with_fields(text="b"), streaming=True)
    assert town.events == []


def test_a_deleted_message_is_told_and_a_deleted_root_becomes_a_tombstone(town: Heard) -> None:
    """Without replies a message is deleted; with replies it is changed into a tombstone."""
    alone = town.post_message("a")
    root = town.post_message("b")
    town.post_message("c", thread_ts=root.ts)
    town.events.clear()
    town.workspace.delete(alone)
    town.workspace.delete(root)
    deleted, changed = town.events
    assert (deleted["subtype"], deleted["deleted_ts"]) == ("message_deleted", alone.ts)
    assert (changed["subtype"], changed["message"]["subtype"]) == ("message_changed", "tombstone")
    assert changed["previous_message"]["text"] == "b"


def test_whispers_are_told_to_nobody(town: Heard) -> None:
    """An ephemeral message makes no event, neither when shown nor when taken away."""
    whisper = town.workspace.whisper(GENERAL, ADA, {"user": STARCHAT, "text": "psst"})
    town.workspace.unwhisper(whisper)
    town.workspace.announce(Change(Happening.CHANGED, GENERAL, whisper, whisper, only_for=ADA))
    assert town.events == []


def test_reactions_and_arrivals_are_told(town: Heard) -> None:
    """A reaction names its message and its author, an arrival the person."""
    message = town.post_message("a", user=LIN)
    den = town.workspace.create("den", [ADA, STARCHAT])
    town.events.clear()
    town.workspace.react(message, ADA, "eyes")
    now = town.workspace.message(GENERAL, message.ts)
    town.workspace.react(now, ADA, "eyes", remove=True)
    town.workspace.join(den.id, LIN)
    added, removed, joined = town.events
    assert (added["type"], removed["type"]) == ("reaction_added", "reaction_removed")
    assert added["item"] == {"type": "message", "channel": GENERAL, "ts": message.ts}
    assert added["item_user"] == LIN
    assert (joined["type"], joined["user"]) == ("member_joined_channel", LIN)
    assert joined["channel_type"] == "C"


def test_the_app_hears_nothing_of_places_it_is_not_in(town: Heard) -> None:
    """No event of any kind comes from a channel without the app."""
    den = town.workspace.create("den", [ADA], private=True)
    message = town.post_message("a", channel=den.id)
    edited = town.workspace.edited(message, ADA, text=MENTION)
    town.workspace.react(edited, ADA, "eyes")
    town.workspace.join(den.id, LIN)
    town.workspace.delete(edited)
    town.workspace.announce(Change(Happening.CONNECTED))
    assert town.events == []


def test_the_app_hears_only_what_it_subscribed_to(town: Heard) -> None:
    """Without a subscription there is no event."""
    town.workspace.app.events -= {"app_mention"}
    town.post_message(MENTION)
    assert [event["type"] for event in town.events] == ["message"]


def test_what_the_page_tells_is_passed_on(town: Heard) -> None:
    """Opening the Home tab is an event with a time of its own; an empty telling is none."""
    opened = {"type": "app_home_opened", "user": ADA, "tab": "home"}
    town.workspace.announce(Change(Happening.HOME, detail={"event": opened}))
    town.workspace.announce(Change(Happening.HOME))
    [event] = town.events
    assert event["user"] == ADA
    assert town.maker.callback(event)["event_time"] == 1_700_000_000


def test_a_shared_channel_says_where_people_come_from(town: Heard) -> None:
    """With another organisation in a channel, its people bring their own team."""
    town.workspace.people["U0GUEST001"] = Person("U0GUEST001", "Gus", "888888", team="T0OTHER001")
    den = town.workspace.create("den", ["U0GUEST001", STARCHAT])
    den.shared = True
    town.events.clear()
    town.post_message(MENTION, user="U0GUEST001", channel=den.id)
    town.post_message("from nobody known", user="U0GONE0001", channel=den.id)
    assert {event.get("user_team") for event in town.events[:2]} == {"T0OTHER001"}
    assert "user_team" not in town.events[2]
    assert town.maker.callback(town.events[0])["is_ext_shared_channel"]
    assert town.workspace.people["U0GUEST001"].as_slack()["is_stranger"]
