"""What happens in the workspace reaches the app as Slack's events."""

import random
from typing import Any

import pytest

from fakeslack.delivery.events import EventBuilder
from fakeslack.state.changes import Change, ChangeKind
from fakeslack.state.people import Person
from testing.in_memory_workspace import ADA, GENERAL, LIN, STARCHAT, InMemoryWorkspace

Json = dict[str, Any]
MENTION = f"<@{STARCHAT}> hi"


class RecordingWorkspace(InMemoryWorkspace):
    """A town, and the events that its app hears."""

    def __init__(self) -> None:
        super().__init__()
        self.event_builder = EventBuilder(self.workspace, random.Random(1))  # noqa: S311 - repeatable
        self.events: list[Json] = []
        self.workspace.add_listener(
            lambda change: self.events.extend(self.event_builder.build_events(change))
        )


@pytest.fixture
def slack() -> RecordingWorkspace:
    """A fresh workspace."""
    return RecordingWorkspace()


def test_a_mention_comes_as_twins(slack: RecordingWorkspace) -> None:
    """A mention is a `message` and an `app_mention` of the same ts, each with an id of its own."""
    root = slack.post_message("hello")
    slack.events.clear()
    asked = slack.post_message(MENTION, thread_ts=root.ts, client_msg_id="m1")
    message, mention = sorted(slack.events, key=lambda event: event["type"], reverse=True)
    assert (message["type"], mention["type"]) == ("message", "app_mention")
    assert {message["ts"], mention["ts"]} == {asked.ts}
    assert {message["client_msg_id"], mention["client_msg_id"]} == {"m1"}
    assert message["channel_type"] == "channel"
    assert message["parent_user_id"] == ADA
    assert not {"channel_type", "parent_user_id"} & mention.keys()
    ids = {slack.event_builder.build_callback(event)["event_id"] for event in slack.events}
    assert len(ids) == 2


def test_either_twin_may_come_first(slack: RecordingWorkspace) -> None:
    """No order holds between the twins."""
    firsts = set()
    for _ in range(20):
        slack.events.clear()
        slack.post_message(MENTION)
        firsts.add(slack.events[0]["type"])
    assert firsts == {"message", "app_mention"}


def test_a_direct_message_is_no_mention(slack: RecordingWorkspace) -> None:
    """In a direct message there is only the message, whatever it says."""
    pair = slack.workspace.open_dm([ADA, STARCHAT])
    slack.events.clear()
    slack.post_message(MENTION, channel=pair.id)
    assert [(event["type"], event["channel_type"]) for event in slack.events] == [("message", "im")]


def test_the_apps_own_posts_come_back(slack: RecordingWorkspace) -> None:
    """The app hears itself, and never as a mention."""
    slack.call_method("chat.postMessage", channel=GENERAL, text=MENTION)
    [event] = slack.events
    assert (event["bot_id"], event["app_id"]) == ("B0STARCHAT", "A0STARCHAT")


def test_an_edit_tells_both_forms(slack: RecordingWorkspace) -> None:
    """`message_changed` carries the message before and after, without metadata."""
    old = slack.post_message("a", metadata={"event_type": "x", "event_payload": {}})
    slack.events.clear()
    slack.workspace.edit_message(old, ADA, text="b")
    [event] = slack.events
    assert (event["subtype"], event["hidden"]) == ("message_changed", True)
    assert (event["previous_message"]["text"], event["message"]["text"]) == ("a", "b")
    assert "metadata" not in event["message"]


def test_a_growing_stream_is_told_when_it_ends(slack: RecordingWorkspace) -> None:
    """Pieces of a stream are no edits; its end is."""
    old = slack.post_message("a")
    slack.events.clear()
    slack.workspace.replace_message(old, old.with_fields(text="b"), streaming=True)
    assert slack.events == []


def test_a_deleted_message_is_told_and_a_deleted_root_becomes_a_tombstone(
    slack: RecordingWorkspace,
) -> None:
    """Without replies a message is deleted; with replies it is changed into a tombstone."""
    alone = slack.post_message("a")
    root = slack.post_message("b")
    slack.post_message("c", thread_ts=root.ts)
    slack.events.clear()
    slack.workspace.delete_message(alone)
    slack.workspace.delete_message(root)
    deleted, changed = slack.events
    assert (deleted["subtype"], deleted["deleted_ts"]) == ("message_deleted", alone.ts)
    assert (changed["subtype"], changed["message"]["subtype"]) == ("message_changed", "tombstone")
    assert changed["previous_message"]["text"] == "b"


def test_whispers_are_told_to_nobody(slack: RecordingWorkspace) -> None:
    """An ephemeral message makes no event, neither when shown nor when taken away."""
    whisper = slack.workspace.post_ephemeral(GENERAL, ADA, {"user": STARCHAT, "text": "psst"})
    slack.workspace.delete_ephemeral(whisper)
    slack.workspace.publish_change(
        Change(ChangeKind.MESSAGE_CHANGED, GENERAL, whisper, whisper, only_for=ADA)
    )
    assert slack.events == []


def test_reactions_and_arrivals_are_told(slack: RecordingWorkspace) -> None:
    """A reaction names its message and its author, an arrival the person."""
    message = slack.post_message("a", user=LIN)
    den = slack.workspace.create_channel("den", [ADA, STARCHAT])
    slack.events.clear()
    slack.workspace.set_reaction(message, ADA, "eyes")
    now = slack.workspace.get_message(GENERAL, message.ts)
    slack.workspace.set_reaction(now, ADA, "eyes", remove=True)
    slack.workspace.join_channel(den.id, LIN)
    added, removed, joined = slack.events
    assert (added["type"], removed["type"]) == ("reaction_added", "reaction_removed")
    assert added["item"] == {"type": "message", "channel": GENERAL, "ts": message.ts}
    assert added["item_user"] == LIN
    assert (joined["type"], joined["user"]) == ("member_joined_channel", LIN)
    assert joined["channel_type"] == "C"


def test_the_app_hears_nothing_of_places_it_is_not_in(slack: RecordingWorkspace) -> None:
    """No event of any kind comes from a channel without the app."""
    den = slack.workspace.create_channel("den", [ADA], is_private=True)
    message = slack.post_message("a", channel=den.id)
    edited = slack.workspace.edit_message(message, ADA, text=MENTION)
    slack.workspace.set_reaction(edited, ADA, "eyes")
    slack.workspace.join_channel(den.id, LIN)
    slack.workspace.delete_message(edited)
    slack.workspace.publish_change(Change(ChangeKind.APP_CONNECTED))
    assert slack.events == []


def test_the_app_hears_only_what_it_subscribed_to(slack: RecordingWorkspace) -> None:
    """Without a subscription there is no event."""
    slack.workspace.app.events -= {"app_mention"}
    slack.post_message(MENTION)
    assert [event["type"] for event in slack.events] == ["message"]


def test_what_the_page_tells_is_passed_on(slack: RecordingWorkspace) -> None:
    """Opening the Home tab is an event with a time of its own; an empty telling is none."""
    opened = {"type": "app_home_opened", "user": ADA, "tab": "home"}
    slack.workspace.publish_change(Change(ChangeKind.HOME, detail={"event": opened}))
    slack.workspace.publish_change(Change(ChangeKind.HOME))
    [event] = slack.events
    assert event["user"] == ADA
    assert slack.event_builder.build_callback(event)["event_time"] == 1_700_000_000


def test_a_shared_channel_says_where_people_come_from(slack: RecordingWorkspace) -> None:
    """With another organisation in a channel, its people bring their own team."""
    slack.workspace.people["U0GUEST001"] = Person("U0GUEST001", "Gus", "888888", team="T0OTHER001")
    den = slack.workspace.create_channel("den", ["U0GUEST001", STARCHAT])
    den.is_shared = True
    slack.events.clear()
    slack.post_message(MENTION, user="U0GUEST001", channel=den.id)
    slack.post_message("from nobody known", user="U0GONE0001", channel=den.id)
    assert {event.get("user_team") for event in slack.events[:2]} == {"T0OTHER001"}
    assert "user_team" not in slack.events[2]
    assert slack.event_builder.build_callback(slack.events[0])["is_ext_shared_channel"]
    assert slack.workspace.people["U0GUEST001"].as_slack()["is_stranger"]
