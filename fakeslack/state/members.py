"""Member directory: people, channels and memberships, with change listeners. Pure."""

from collections.abc import Iterable
from typing import Any

from fakeslack.errors import SlackError
from fakeslack.state.changes import Change, ChangeKind, ChangeListener
from fakeslack.state.channels import Channel, ChannelType, default_channels
from fakeslack.state.people import Person


class MemberDirectory:
    """People and channels; initially everyone is in two channels and has all direct messages."""

    def __init__(self, people: Iterable[Person]) -> None:
        self.people = {person.id: person for person in people}
        self.channels: dict[str, Channel] = {}
        self._listeners: list[ChangeListener] = []
        member_ids = list(self.people)
        for channel in default_channels(member_ids):
            self._add_channel(channel)
        for index, person in enumerate(member_ids):
            for other in member_ids[index + 1 :]:
                self.open_dm([person, other])

    def add_listener(self, listener: ChangeListener) -> None:
        """Call `listener` for every change from now on."""
        self._listeners.append(listener)

    def publish_change(self, change: Change) -> None:
        """Pass a change to all listeners."""
        for listener in self._listeners:
            listener(change)

    def notify_channel(self, kind: ChangeKind, channel: str, **detail: Any) -> None:
        """Publish a change of a channel."""
        self.publish_change(Change(kind, channel, detail=detail))

    def get_person(self, name: str) -> Person:
        """Return the person with this id, bot id or name. Raises `user_not_found`."""
        for person in self.people.values():
            if name in {person.id, person.bot_id, person.name}:
                return person
        raise SlackError("user_not_found")

    def get_channel(self, name: str) -> Channel:
        """Return the channel with this id or `#name`. Raises `channel_not_found`."""
        found = self.channels.get(name)
        if found is not None:
            return found
        for channel in self.channels.values():
            if (
                name.removeprefix("#") == channel.name
                and channel.channel_type is ChannelType.CHANNEL
            ):
                return channel
        raise SlackError("channel_not_found")

    def open_dm(self, members: list[str]) -> Channel:
        """Return the direct or group message of exactly these people; create it if it is new."""
        member_ids = list(dict.fromkeys(self.get_person(member).id for member in members))
        for channel in self.channels.values():
            if channel.channel_type in {ChannelType.IM, ChannelType.MPIM} and set(
                channel.members
            ) == set(member_ids):
                return channel
        number = len(self.channels) + 1
        if len(member_ids) <= 2:  # noqa: PLR2004 - a direct message has one or two members
            return self._add_channel(
                Channel(f"D0DIRECT{number:02d}", "", ChannelType.IM, member_ids)
            )
        names = "--".join(self.get_person(member).name.lower() for member in member_ids)
        return self._add_channel(
            Channel(f"G0GROUP{number:03d}", f"mpdm-{names}-1", ChannelType.MPIM, member_ids)
        )

    def create_channel(self, name: str, members: list[str], *, is_private: bool = False) -> Channel:
        """Create a channel with these members."""
        channel_type = ChannelType.GROUP if is_private else ChannelType.CHANNEL
        number = len(self.channels) + 1
        member_ids = [self.get_person(member).id for member in members]
        return self._add_channel(Channel(f"C0NEW{number:05d}", name, channel_type, member_ids))

    def join_channel(self, channel: str, person: str) -> None:
        """Add a person to a channel. Raises `already_in_channel` if the person is a member."""
        if person in self.channels[channel].members:
            raise SlackError("already_in_channel")
        self.channels[channel].members.append(person)
        self.notify_channel(ChangeKind.CHANNEL, channel, joined=person)

    def leave_channel(self, channel: str, person: str) -> None:
        """Remove a person from a channel. Raises `not_in_channel` if the person is no member."""
        if person not in self.channels[channel].members:
            raise SlackError("not_in_channel")
        self.channels[channel].members.remove(person)
        self.notify_channel(ChangeKind.CHANNEL, channel, left=person)

    def archive_channel(self, channel: str, *, is_archived: bool = True) -> None:
        """Archive or unarchive a channel."""
        self.channels[channel].is_archived = is_archived
        self.notify_channel(ChangeKind.CHANNEL, channel, archived=is_archived)

    def _add_channel(self, channel: Channel) -> Channel:
        self.channels[channel.id] = channel
        self.notify_channel(ChangeKind.CHANNEL, channel.id, opened=True)
        return channel
