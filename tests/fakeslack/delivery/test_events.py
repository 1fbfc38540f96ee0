"""Events API payloads of workspace changes."""

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
    """An in-memory workspace that records the app's events."""

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


def test_a_mention_causes_two_events(slack: RecordingWorkspace) -> None:
    """A mention is a `message` and an `app_mention` with one ts and two event ids."""
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


def test_the_two_mention_events_come_in_any_order(slack: RecordingWorkspace) -> None:
    """Either of a mention's events may be first."""
    firsts = set()
    for _ in range(20):
        slack.events.clear()
        slack.post_message(MENTION)
        firsts.add(slack.events[0]["type"])
    assert firsts == {"message", "app_mention"}


def test_a_direct_message_causes_no_mention(slack: RecordingWorkspace) -> None:
    """A direct message causes only a `message` event."""
    pair = slack.workspace.open_dm([ADA, STARCHAT])
    slack.events.clear()
    slack.post_message(MENTION, channel=pair.id)
    assert [(event["type"], event["channel_type"]) for event in slack.events] == [("message", "im")]


def test_the_apps_own_posts_cause_events(slack: RecordingWorkspace) -> None:
    """The app receives its own posts, never as mentions."""
    slack.call_method("chat.postMessage", channel=GENERAL, text=MENTION)
    [event] = slack.events
    assert (event["bot_id"], event["app_id"]) == ("B0STARCHAT", "A0STARCHAT")


def test_an_edit_event_holds_both_versions(slack: RecordingWorkspace) -> None:
    """`message_changed` carries the message before and after, each with its metadata."""
    metadata = {"event_type": "x", "event_payload": {"a": 1}}
    old = slack.post_message("a", metadata=metadata)
    [posted] = slack.events
    slack.events.clear()
    slack.workspace.edit_message(old, ADA, text="b")
    [event] = slack.events
    assert (event["subtype"], event["hidden"]) == ("message_changed", True)
    assert (event["previous_message"]["text"], event["message"]["text"]) == ("a", "b")
    bodies = (posted, event["message"], event["previous_message"])
    assert [body["metadata"] for body in bodies] == [metadata] * 3


def test_metadata_stays_out_of_mentions(slack: RecordingWorkspace) -> None:
    """Only `message` events are documented with it."""
    slack.post_message(MENTION, metadata={"event_type": "x", "event_payload": {}})
    found = {event["type"]: "metadata" in event for event in slack.events}
    assert found == {"message": True, "app_mention": False}


def test_a_stream_causes_one_event_when_it_ends(slack: RecordingWorkspace) -> None:
    """Appending to a stream causes no event; stopping it does."""
    old = slack.post_message("a")
    slack.events.clear()
    slack.workspace.replace_message(old, old.with_fields(text="b"), streaming=True)
    assert slack.events == []


def test_deleting_a_root_with_replies_changes_it_to_a_tombstone(
    slack: RecordingWorkspace,
) -> None:
    """Without replies the event is `message_deleted`, with replies `message_changed`."""
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


def test_ephemeral_messages_cause_no_events(slack: RecordingWorkspace) -> None:
    """Neither posting nor deleting an ephemeral message causes an event."""
    ephemeral = slack.workspace.post_ephemeral(GENERAL, ADA, {"user": STARCHAT, "text": "psst"})
    slack.workspace.delete_ephemeral(ephemeral)
    slack.workspace.publish_change(
        Change(ChangeKind.MESSAGE_CHANGED, GENERAL, ephemeral, ephemeral, only_for=ADA)
    )
    assert slack.events == []


def test_reactions_and_joins_cause_events(slack: RecordingWorkspace) -> None:
    """A reaction names its message and author; a join names the person."""
    message = slack.post_message("a", user=LIN)
    channel = slack.workspace.create_channel("den", [ADA, STARCHAT])
    slack.events.clear()
    slack.workspace.set_reaction(message, ADA, "eyes")
    now = slack.workspace.get_message(GENERAL, message.ts)
    slack.workspace.set_reaction(now, ADA, "eyes", remove=True)
    slack.workspace.join_channel(channel.id, LIN)
    added, removed, joined = slack.events
    assert (added["type"], removed["type"]) == ("reaction_added", "reaction_removed")
    assert added["item"] == {"type": "message", "channel": GENERAL, "ts": message.ts}
    assert added["item_user"] == LIN
    assert (joined["type"], joined["user"]) == ("member_joined_channel", LIN)
    assert joined["channel_type"] == "C"


def test_new_id_of_a_private_channel_causes_an_event(slack: RecordingWorkspace) -> None:
    """It names both ids. A public channel keeps its id."""
    channel = slack.workspace.create_channel("den", [ADA, STARCHAT], is_private=True)
    former = channel.id
    slack.workspace.share_channel(former)
    slack.workspace.share_channel(GENERAL)
    [event] = slack.events
    assert float(event.pop("event_ts")) > 0
    assert event == {
        "type": "channel_id_changed",
        "old_channel_id": former,
        "new_channel_id": channel.id,
    }


def test_a_channel_without_the_app_causes_no_events(slack: RecordingWorkspace) -> None:
    """No event of any kind comes from such a channel."""
    channel = slack.workspace.create_channel("den", [ADA], is_private=True)
    message = slack.post_message("a", channel=channel.id)
    edited = slack.workspace.edit_message(message, ADA, text=MENTION)
    slack.workspace.set_reaction(edited, ADA, "eyes")
    slack.workspace.join_channel(channel.id, LIN)
    slack.workspace.delete_message(edited)
    slack.workspace.publish_change(Change(ChangeKind.APP_CONNECTED))
    assert slack.events == []


def test_only_subscribed_events_are_sent(slack: RecordingWorkspace) -> None:
    """Without a subscription there is no event."""
    slack.workspace.app.events -= {"app_mention"}
    slack.post_message(MENTION)
    assert [event["type"] for event in slack.events] == ["message"]


def test_opening_the_home_tab_causes_an_event(slack: RecordingWorkspace) -> None:
    """The event carries a new timestamp; an empty event is dropped."""
    opened = {"type": "app_home_opened", "user": ADA, "tab": "home"}
    slack.workspace.publish_change(Change(ChangeKind.HOME, detail={"event": opened}))
    slack.workspace.publish_change(Change(ChangeKind.HOME))
    [event] = slack.events
    assert event["user"] == ADA
    assert slack.event_builder.build_callback(event)["event_time"] == 1_700_000_000


def test_shared_channel_events_name_the_authors_team(slack: RecordingWorkspace) -> None:
    """In a Slack Connect channel, authors carry their own team."""
    slack.workspace.people["U0GUEST001"] = Person("U0GUEST001", "Gus", "888888", team="T0OTHER001")
    channel = slack.workspace.create_channel("den", ["U0GUEST001", STARCHAT])
    channel.is_shared = True
    slack.events.clear()
    slack.post_message(MENTION, user="U0GUEST001", channel=channel.id)
    slack.post_message("from nobody known", user="U0GONE0001", channel=channel.id)
    assert {event.get("user_team") for event in slack.events[:2]} == {"T0OTHER001"}
    assert "user_team" not in slack.events[2]
    assert slack.event_builder.build_callback(slack.events[0])["is_ext_shared_channel"]
    assert slack.workspace.people["U0GUEST001"].as_slack()["is_stranger"]
