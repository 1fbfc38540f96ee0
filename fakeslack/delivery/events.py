"""Events API payloads: the subscribed events that a change of the workspace causes. Pure."""

import random
from collections.abc import Callable, Iterator
from typing import Any

from fakeslack.errors import Json
from fakeslack.state.changes import Change, ChangeKind
from fakeslack.state.channels import Channel, ChannelType
from fakeslack.state.messages import Message
from fakeslack.state.workspace import Workspace

MENTION_CHANNEL_TYPES = {ChannelType.CHANNEL, ChannelType.GROUP, ChannelType.MPIM}


class EventBuilder:
    """Builder of one installation's events; `rng` orders a mention's two events."""

    def __init__(self, workspace: Workspace, rng: random.Random) -> None:
        self._workspace = workspace
        self._rng = rng
        self._builders: dict[ChangeKind, Callable[[Change], Iterator[Json]]] = {
            ChangeKind.MESSAGE: self._message_posted_events,
            ChangeKind.MESSAGE_CHANGED: self._message_changed_events,
            ChangeKind.MESSAGE_DELETED: self._message_deleted_events,
            ChangeKind.REACTION: self._reaction_events,
            ChangeKind.CHANNEL: self._channel_events,
            ChangeKind.HOME: self._prepared_events,
            ChangeKind.FILE_DELETED: self._prepared_events,
            ChangeKind.SESSION: self._prepared_events,
        }

    def build_events(self, change: Change) -> list[Json]:
        """Return the subscribed inner events of a change, in sending order."""
        builder = self._builders.get(change.kind)
        if builder is None:
            return []
        return [event for event in builder(change) if self._has_subscription(event)]

    def build_callback(self, event: Json) -> Json:
        """Wrap an inner event in an `event_callback` with a new event id."""
        app = self._workspace.app
        event_ts = str(event.get("event_ts", self._workspace.next_ts()))
        return {
            "token": "verification-of-fakeslack",
            "team_id": self._workspace.id,
            "context_team_id": self._workspace.id,
            "context_enterprise_id": None,
            "api_app_id": app.bot.app_id,
            "event": event,
            "type": "event_callback",
            "event_id": f"Ev0{self._rng.getrandbits(40):010X}",
            "event_time": int(event_ts.partition(".")[0]),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": self._workspace.id,
                    "user_id": app.bot.id,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": self._is_shared_channel(event),
            "event_context": f"4-{self._rng.getrandbits(64):016x}",
        }

    def _message_posted_events(self, change: Change) -> Iterator[Json]:
        message = change.message
        channel = self._joined_channel(change)
        if message is None or channel is None:
            return
        events = [self._message_event(message, channel)]
        if self._is_mention(message, channel):
            events.append(self._mention_event(message))
        self._rng.shuffle(events)
        yield from events

    def _message_event(self, message: Message, channel: Channel) -> Json:
        return {
            **message.body,
            **self._author_teams(message),
            "channel": channel.id,
            "channel_type": channel.channel_type.value,
            "event_ts": message.ts,
        }

    def _mention_event(self, message: Message) -> Json:
        body = {n: v for n, v in message.without_metadata().items() if n != "parent_user_id"}
        return {
            **body,
            **self._author_teams(message),
            "type": "app_mention",
            "channel": message.channel,
            "event_ts": message.ts,
        }

    def _author_teams(self, message: Message) -> Json:
        author = self._workspace.people.get(message.user)
        is_shared = self._workspace.channels[message.channel].is_shared
        if author is None or not is_shared:
            return {}
        return {"user_team": author.team, "source_team": author.team}

    def _is_mention(self, message: Message, channel: Channel) -> bool:
        bot = self._workspace.app.bot
        has_mention = f"<@{bot.id}>" in message.text or f"<@{bot.id}|" in message.text
        return (
            has_mention and channel.channel_type in MENTION_CHANNEL_TYPES and message.user != bot.id
        )

    def _message_changed_events(self, change: Change) -> Iterator[Json]:
        if change.only_for is not None:
            return
        channel = self._joined_channel(change)
        is_streaming = change.detail.get("streaming", False)
        if channel is None or is_streaming or change.message is None or change.previous is None:
            return
        yield {
            **self._hidden_message_event("message_changed", channel),
            "message": change.message.body,
            "previous_message": change.previous.body,
        }

    def _message_deleted_events(self, change: Change) -> Iterator[Json]:
        channel = self._joined_channel(change)
        if channel is None or change.message is None or change.only_for is not None:
            return
        previous_body = change.message.body
        tombstone = self._workspace.channel_history(channel.id).find_message(change.message.ts)
        if tombstone is not None:
            hidden_event = self._hidden_message_event("message_changed", channel)
            yield {**hidden_event, "message": tombstone.body, "previous_message": previous_body}
            return
        yield {
            **self._hidden_message_event("message_deleted", channel),
            "deleted_ts": change.message.ts,
            "previous_message": previous_body,
        }

    def _hidden_message_event(self, subtype: str, channel: Channel) -> Json:
        event_ts = self._workspace.next_ts()
        return {
            "type": "message",
            "subtype": subtype,
            "hidden": True,
            "channel": channel.id,
            "channel_type": channel.channel_type.value,
            "ts": event_ts,
            "event_ts": event_ts,
        }

    def _reaction_events(self, change: Change) -> Iterator[Json]:
        channel = self._joined_channel(change)
        if channel is None or change.message is None:
            return
        yield {
            "type": "reaction_removed" if change.detail["removed"] else "reaction_added",
            "user": change.detail["user"],
            "reaction": change.detail["name"],
            "item": {"type": "message", "channel": channel.id, "ts": change.message.ts},
            "item_user": change.message.user,
            "event_ts": self._workspace.next_ts(),
        }

    def _channel_events(self, change: Change) -> Iterator[Json]:
        channel = self._joined_channel(change)
        if channel is None:
            return
        if "former_id" in change.detail:
            yield {
                "type": "channel_id_changed",
                "old_channel_id": change.detail["former_id"],
                "new_channel_id": channel.id,
                "event_ts": self._workspace.next_ts(),
            }
        if "joined" not in change.detail:
            return
        yield {
            "type": "member_joined_channel",
            "user": change.detail["joined"],
            "channel": channel.id,
            "channel_type": "C" if channel.channel_type is ChannelType.CHANNEL else "G",
            "team": self._workspace.id,
            "event_ts": self._workspace.next_ts(),
        }

    def _prepared_events(self, change: Change) -> Iterator[Json]:
        event: dict[str, Any] = change.detail.get("event", {})
        if event:
            yield {**event, "event_ts": self._workspace.next_ts()}

    def _joined_channel(self, change: Change) -> Channel | None:
        channel = self._workspace.channels.get(change.channel or "")
        if channel is None or self._workspace.app.bot.id not in channel.members:
            return None
        return channel

    def _is_shared_channel(self, event: Json) -> bool:
        channel = self._workspace.channels.get(str(event.get("channel")))
        return channel is not None and channel.is_shared

    def _has_subscription(self, event: Json) -> bool:
        event_name = event["type"]
        if event_name == "message":
            event_name = ChannelType(event["channel_type"]).message_event
        return event_name in self._workspace.app.events
