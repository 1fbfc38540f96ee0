"""The workspace itself, pure: people, channels, and all that is said and done in them."""

from collections.abc import Callable, Iterable
from typing import Any

from fakeslack.changes import Change, Happening, Listener
from fakeslack.channels import Channel, Kind, residents_channels
from fakeslack.errors import Json, SlackError
from fakeslack.history import History
from fakeslack.messages import Manner, Message
from fakeslack.people import RESIDENTS, TEAM, TEAM_NAME, Installation, Person

MICROSECONDS = 1_000_000


class Workspace:
    """One workspace; every change is told to the listeners, in order, as it happens."""

    def __init__(self, now: Callable[[], float], people: Iterable[Person] = RESIDENTS) -> None:
        """Open the workspace; `now` gives seconds since the epoch."""
        self.id = TEAM
        self.name = TEAM_NAME
        self.app = Installation()
        self.people = {person.id: person for person in people}
        self.address = ""
        self.channels: dict[str, Channel] = {}
        self.whispers: dict[str, list[Message]] = {}
        self.statuses: dict[tuple[str, str], str] = {}
        self._histories: dict[str, History] = {}
        self._listeners: list[Listener] = []
        self._now = now
        self._last = 0
        everybody = list(self.people)
        for channel in residents_channels(everybody):
            self._open(channel)
        for place, person in enumerate(everybody):
            for other in everybody[place + 1 :]:
                self.direct([person, other])

    # -- who and where

    def listen(self, listener: Listener) -> None:
        """Tell `listener` of every change from now on."""
        self._listeners.append(listener)

    def announce(self, change: Change) -> None:
        """Tell all listeners of a change."""
        for listener in self._listeners:
            listener(change)

    def next_ts(self) -> str:
        """Return a new timestamp, later than every one before it."""
        self._last = max(int(self._now() * MICROSECONDS), self._last + 1)
        seconds, micros = divmod(self._last, MICROSECONDS)
        return f"{seconds}.{micros:06d}"

    def person(self, name: str) -> Person:
        """Return who has this id, bot id or name; raises `user_not_found`."""
        for person in self.people.values():
            if name in {person.id, person.bot_id, person.name}:
                return person
        raise SlackError("user_not_found")

    def channel(self, name: str) -> Channel:
        """Return the channel with this id or `#name`; raises `channel_not_found`."""
        found = self.channels.get(name)
        if found is not None:
            return found
        for channel in self.channels.values():
            if name.removeprefix("#") == channel.name and channel.kind is Kind.CHANNEL:
                return channel
        raise SlackError("channel_not_found")

    def history(self, channel: str) -> History:
        """Return the messages of a channel."""
        return self._histories[channel]

    def message(self, channel: str, ts: str) -> Message:
        """Return a message; raises `message_not_found`."""
        found = self.history(channel).find(ts)
        if found is None:
            raise SlackError("message_not_found")
        return found

    def direct(self, members: list[str]) -> Channel:
        """Return the direct or group message of exactly these people, opened if need be."""
        together = list(dict.fromkeys(self.person(member).id for member in members))
        for channel in self.channels.values():
            if channel.kind in {Kind.IM, Kind.MPIM} and set(channel.members) == set(together):
                return channel
        number = len(self.channels) + 1
        if len(together) <= 2:  # noqa: PLR2004 - a direct message has one or two people in it
            return self._open(Channel(f"D0DIRECT{number:02d}", "", Kind.IM, together))
        names = "--".join(self.person(member).name.lower() for member in together)
        return self._open(Channel(f"G0GROUP{number:03d}", f"mpdm-{names}-1", Kind.MPIM, together))

    def create(self, name: str, members: list[str], *, private: bool = False) -> Channel:
        """Make a channel with these members."""
        kind = Kind.GROUP if private else Kind.CHANNEL
        number = len(self.channels) + 1
        together = [self.person(member).id for member in members]
        return self._open(Channel(f"C0NEW{number:05d}", name, kind, together))

    def join(self, channel: str, person: str) -> None:
        """Let a person into a channel."""
        self.channels[channel].members.append(person)
        self._tell(Happening.CHANNEL, channel, joined=person)

    def leave(self, channel: str, person: str) -> None:
        """Take a person out of a channel."""
        self.channels[channel].members.remove(person)
        self._tell(Happening.CHANNEL, channel, left=person)

    def archive(self, channel: str, *, archived: bool = True) -> None:
        """Archive a channel, or bring it back."""
        self.channels[channel].archived = archived
        self._tell(Happening.CHANNEL, channel, archived=archived)

    # -- what is said

    def post(self, channel: str, body: Json, manner: Manner | None = None) -> Message:
        """Add a message; `body` needs no `ts` and no `type`."""
        ts = self.next_ts()
        message = Message(channel, {"type": "message", **body, "ts": ts}, manner or Manner())
        message = self._in_thread(message)
        self._histories[channel].add(message)
        self.announce(Change(Happening.MESSAGE, channel, message))
        if message.thread_ts is not None and message.is_reply:
            self._clear_status(channel, message.thread_ts, message.user)
        return message

    def whisper(
        self, channel: str, person: str, body: Json, manner: Manner | None = None
    ) -> Message:
        """Show a message to one person only; no method of the Web API finds it."""
        whole = {"type": "message", **body, "ts": self.next_ts(), "is_ephemeral": True}
        message = Message(channel, whole, manner or Manner(), only_for=person)
        self.whispers.setdefault(channel, []).append(message)
        self.announce(Change(Happening.EPHEMERAL, channel, message, only_for=person))
        return message

    def edit(self, old: Message, new: Message) -> Message:
        """Put `new` in the place of `old`."""
        self._histories[old.channel].add(new)
        self.announce(Change(Happening.CHANGED, old.channel, new, old))
        return new

    def edited(self, message: Message, person: str, **fields: Any) -> Message:
        """Edit a message as `person`: set fields and say that it was edited."""
        mark = {"user": person, "ts": self.next_ts()}
        return self.edit(message, message.with_fields(edited=mark, **fields))

    def delete(self, message: Message) -> None:
        """Take a message out of its channel."""
        self._histories[message.channel].remove(message)
        self.announce(Change(Happening.DELETED, message.channel, message, message))

    def react(self, message: Message, person: str, name: str, *, remove: bool = False) -> None:
        """Add or remove a reaction; raises `already_reacted` and `no_reaction`."""
        reactions = {r["name"]: list(r["users"]) for r in message.body.get("reactions", [])}
        users = reactions.setdefault(name, [])
        if remove == (person not in users):
            raise SlackError("no_reaction" if remove else "already_reacted")
        if remove:
            users.remove(person)
        else:
            users.append(person)
        shown = [{"name": n, "users": u, "count": len(u)} for n, u in reactions.items() if u]
        new = message.with_fields(reactions=shown or None)
        self._histories[message.channel].add(new)
        detail = {"name": name, "user": person, "removed": remove}
        self.announce(Change(Happening.REACTION, message.channel, new, message, detail=detail))

    def set_status(self, channel: str, thread_ts: str, status: str) -> None:
        """Show what the app is doing in a thread; an empty status clears it."""
        self.statuses[channel, thread_ts] = status
        self._tell(Happening.STATUS, channel, thread_ts=thread_ts, status=status)

    def _clear_status(self, channel: str, thread_ts: str, author: str) -> None:
        if author == self.app.bot.id and self.statuses.get((channel, thread_ts)):
            self.set_status(channel, thread_ts, "")

    def _in_thread(self, message: Message) -> Message:
        if message.thread_ts is None:
            return message
        root = self._histories[message.channel].find(message.thread_ts)
        if root is None:
            raise SlackError("thread_not_found")
        if root.is_reply:
            raise SlackError("cannot_reply_to_message")
        return message.with_fields(parent_user_id=root.user)

    def _open(self, channel: Channel) -> Channel:
        self.channels[channel.id] = channel
        self._histories[channel.id] = History()
        self._tell(Happening.CHANNEL, channel.id, opened=True)
        return channel

    def _tell(self, kind: Happening, channel: str, **detail: Any) -> None:
        self.announce(Change(kind, channel, detail=detail))
