"""Who is in the workspace and where they meet, pure; whoever listens hears what happens."""

from collections.abc import Iterable
from typing import Any

from fakeslack.errors import SlackError
from fakeslack.state.changes import Change, Happening, Listener
from fakeslack.state.channels import Channel, Kind, residents_channels
from fakeslack.state.people import Person


class Directory:
    """People and channels; at the start everybody is in two channels and knows everybody."""

    def __init__(self, people: Iterable[Person]) -> None:
        self.people = {person.id: person for person in people}
        self.channels: dict[str, Channel] = {}
        self._listeners: list[Listener] = []
        everybody = list(self.people)
        for channel in residents_channels(everybody):
            self._open(channel)
        for place, person in enumerate(everybody):
            for other in everybody[place + 1 :]:
                self.direct([person, other])

    def listen(self, listener: Listener) -> None:
        """Tell `listener` of every change from now on."""
        self._listeners.append(listener)

    def announce(self, change: Change) -> None:
        """Tell all listeners of a change."""
        for listener in self._listeners:
            listener(change)

    def tell(self, kind: Happening, channel: str, **detail: Any) -> None:
        """Tell all listeners what happened to a channel."""
        self.announce(Change(kind, channel, detail=detail))

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
        """Let a person into a channel; raises `already_in_channel`."""
        if person in self.channels[channel].members:
            raise SlackError("already_in_channel")
        self.channels[channel].members.append(person)
        self.tell(Happening.CHANNEL, channel, joined=person)

    def leave(self, channel: str, person: str) -> None:
        """Take a person out of a channel; raises `not_in_channel`."""
        if person not in self.channels[channel].members:
            raise SlackError("not_in_channel")
        self.channels[channel].members.remove(person)
        self.tell(Happening.CHANNEL, channel, left=person)

    def archive(self, channel: str, *, archived: bool = True) -> None:
        """Archive a channel, or bring it back."""
        self.channels[channel].archived = archived
        self.tell(Happening.CHANNEL, channel, archived=archived)

    def _open(self, channel: Channel) -> Channel:
        self.channels[channel.id] = channel
        self.tell(Happening.CHANNEL, channel.id, opened=True)
        return channel
