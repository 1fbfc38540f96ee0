"""Turns what happened in the workspace into the events that the app is subscribed to, pure."""

import random
from collections.abc import Callable, Iterator
from typing import Any

from fakeslack.errors import Json
from fakeslack.state.changes import Change, Happening
from fakeslack.state.channels import Channel, Kind
from fakeslack.state.messages import Message
from fakeslack.state.workspace import Workspace

MENTIONED = {Kind.CHANNEL, Kind.GROUP, Kind.MPIM}


class Events:
    """The events of one installation; `dice` decides which of two twins goes first."""

    def __init__(self, workspace: Workspace, dice: random.Random) -> None:
        self._workspace = workspace
        self._dice = dice
        self._makers: dict[Happening, Callable[[Change], Iterator[Json]]] = {
            Happening.MESSAGE: self._posted,
            Happening.CHANGED: self._changed,
            Happening.DELETED: self._deleted,
            Happening.REACTION: self._reacted,
            Happening.CHANNEL: self._members,
            Happening.HOME: self._as_told,
            Happening.SESSION: self._as_told,
        }

    def of(self, change: Change) -> list[Json]:
        """Return the inner events that a change causes for the app, in the order of sending."""
        maker = self._makers.get(change.kind)
        if maker is None:
            return []
        return [event for event in maker(change) if self._subscribed(event)]

    def callback(self, event: Json) -> Json:
        """Return the outer `event_callback` around an inner event, with an id of its own."""
        app = self._workspace.app
        when = str(event.get("event_ts", self._workspace.next_ts()))
        return {
            "token": "verification-of-fakeslack",
            "team_id": self._workspace.id,
            "context_team_id": self._workspace.id,
            "context_enterprise_id": None,
            "api_app_id": app.bot.app_id,
            "event": event,
            "type": "event_callback",
            "event_id": f"Ev0{self._dice.getrandbits(40):010X}",
            "event_time": int(when.partition(".")[0]),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": self._workspace.id,
                    "user_id": app.bot.id,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": self._shared(event),
            "event_context": f"4-{self._dice.getrandbits(64):016x}",
        }

    def _posted(self, change: Change) -> Iterator[Json]:
        message = change.message
        channel = self._heard(change)
        if message is None or channel is None:
            return
        twins = [self._message_event(message, channel)]
        if self._is_mention(message, channel):
            twins.append(self._mention_event(message))
        self._dice.shuffle(twins)
        yield from twins

    def _message_event(self, message: Message, channel: Channel) -> Json:
        return {
            **message.without_metadata(),
            **self._origin(message),
            "channel": channel.id,
            "channel_type": channel.kind.value,
            "event_ts": message.ts,
        }

    def _mention_event(self, message: Message) -> Json:
        body = {n: v for n, v in message.without_metadata().items() if n != "parent_user_id"}
        return {
            **body,
            **self._origin(message),
            "type": "app_mention",
            "channel": message.channel,
            "event_ts": message.ts,
        }

    def _origin(self, message: Message) -> Json:
        author = self._workspace.people.get(message.user)
        shared = self._workspace.channels[message.channel].shared
        if author is None or not shared:
            return {}
        return {"user_team": author.team, "source_team": author.team}

    def _is_mention(self, message: Message, channel: Channel) -> bool:
        bot = self._workspace.app.bot
        named = f"<@{bot.id}>" in message.text or f"<@{bot.id}|" in message.text
        return named and channel.kind in MENTIONED and message.user != bot.id

    def _changed(self, change: Change) -> Iterator[Json]:
        if change.only_for is not None:
            return
        channel = self._heard(change)
        growing = change.detail.get("streaming", False)
        if channel is None or growing or change.message is None or change.previous is None:
            return
        yield {
            **self._hidden("message_changed", channel),
            "message": change.message.without_metadata(),
            "previous_message": change.previous.without_metadata(),
        }

    def _deleted(self, change: Change) -> Iterator[Json]:
        channel = self._heard(change)
        if channel is None or change.message is None or change.only_for is not None:
            return
        before = change.message.without_metadata()
        left = self._workspace.history(channel.id).find(change.message.ts)
        if left is not None:
            hidden = self._hidden("message_changed", channel)
            yield {**hidden, "message": left.body, "previous_message": before}
            return
        yield {
            **self._hidden("message_deleted", channel),
            "deleted_ts": change.message.ts,
            "previous_message": before,
        }

    def _hidden(self, subtype: str, channel: Channel) -> Json:
        when = self._workspace.next_ts()
        return {
            "type": "message",
            "subtype": subtype,
            "hidden": True,
            "channel": channel.id,
            "channel_type": channel.kind.value,
            "ts": when,
            "event_ts": when,
        }

    def _reacted(self, change: Change) -> Iterator[Json]:
        channel = self._heard(change)
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

    def _members(self, change: Change) -> Iterator[Json]:
        channel = self._heard(change)
        if channel is None or "joined" not in change.detail:
            return
        yield {
            "type": "member_joined_channel",
            "user": change.detail["joined"],
            "channel": channel.id,
            "channel_type": "C" if channel.kind is Kind.CHANNEL else "G",
            "team": self._workspace.id,
            "event_ts": self._workspace.next_ts(),
        }

    def _as_told(self, change: Change) -> Iterator[Json]:
        event: dict[str, Any] = change.detail.get("event", {})
        if event:
            yield {**event, "event_ts": self._workspace.next_ts()}

    def _heard(self, change: Change) -> Channel | None:
        channel = self._workspace.channels.get(change.channel or "")
        if channel is None or self._workspace.app.bot.id not in channel.members:
            return None
        return channel

    def _shared(self, event: Json) -> bool:
        channel = self._workspace.channels.get(str(event.get("channel")))
        return channel is not None and channel.shared

    def _subscribed(self, event: Json) -> bool:
        wanted = event["type"]
        if wanted == "message":
            wanted = Kind(event["channel_type"]).subscription
        return wanted in self._workspace.app.events
