"""A place where messages are: a channel, a private channel, a direct or a group message."""

from dataclasses import dataclass, field
from enum import StrEnum

from fakeslack.errors import Json


class ChannelType(StrEnum):
    """What sort of place it is, in the words of Slack's `channel_type`."""

    CHANNEL = "channel"
    GROUP = "group"
    IM = "im"
    MPIM = "mpim"

    @property
    def message_event(self) -> str:
        """The event an app subscribes to for messages here."""
        return (
            f"message.{self.value}s"
            if self in {ChannelType.CHANNEL, ChannelType.GROUP}
            else f"message.{self}"
        )

    @property
    def scope_family(self) -> str:
        """The family of scopes that reading here needs, such as `channels` in `channels:read`."""
        return f"{self.value}s" if self in {ChannelType.CHANNEL, ChannelType.GROUP} else self.value


@dataclass(slots=True)
class Channel:
    """One place and who is in it, in the order they came; `shared` with another organisation."""

    id: str
    name: str
    channel_type: ChannelType = ChannelType.CHANNEL
    members: list[str] = field(default_factory=list)
    is_archived: bool = False
    is_shared: bool = False

    def is_visible_to(self, person: str) -> bool:
        """Whether `person` can know of this place: everybody of a channel, else its members."""
        return self.channel_type is ChannelType.CHANNEL or person in self.members

    def as_slack(self, viewer: str) -> Json:
        """Return the channel object of `conversations.info` as `viewer` sees it."""
        body: Json = {
            "id": self.id,
            "created": 1700000000,
            "is_archived": self.is_archived,
            "is_channel": self.channel_type is ChannelType.CHANNEL,
            "is_group": self.channel_type is ChannelType.GROUP,
            "is_im": self.channel_type is ChannelType.IM,
            "is_mpim": self.channel_type is ChannelType.MPIM,
            "is_private": self.channel_type is not ChannelType.CHANNEL,
            "is_general": self.name == "general",
            "is_shared": self.is_shared,
            "is_ext_shared": self.is_shared,
            "is_org_shared": False,
            "is_member": viewer in self.members,
        }
        if self.channel_type is ChannelType.IM:
            others = [member for member in self.members if member != viewer]
            return body | {"user": others[0] if others else viewer}
        return body | {
            "name": self.name,
            "name_normalized": self.name,
            "topic": {"value": "", "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
        }


def default_channels(member_ids: list[str]) -> list[Channel]:
    """Return the two channels that exist from the start, with `everybody` in them."""
    return [
        Channel("C0GENERAL1", "general", members=list(member_ids)),
        Channel("C0PYTHON01", "python", members=list(member_ids)),
    ]
