"""Channels: public and private channels, direct messages and group messages."""

from dataclasses import dataclass, field
from enum import StrEnum

from fakeslack.errors import Json


class ChannelType(StrEnum):
    """Slack's `channel_type`."""

    CHANNEL = "channel"
    GROUP = "group"
    IM = "im"
    MPIM = "mpim"

    @property
    def message_event(self) -> str:
        """The event subscription for messages in such a channel."""
        return (
            f"message.{self.value}s"
            if self in {ChannelType.CHANNEL, ChannelType.GROUP}
            else f"message.{self}"
        )

    @property
    def scope_family(self) -> str:
        """The scope family for reading such a channel, such as `channels` in `channels:read`."""
        return f"{self.value}s" if self in {ChannelType.CHANNEL, ChannelType.GROUP} else self.value


@dataclass(slots=True)
class Channel:
    """One channel; `members` are in order of joining, `is_shared` means Slack Connect."""

    id: str
    name: str
    channel_type: ChannelType = ChannelType.CHANNEL
    members: list[str] = field(default_factory=list)
    is_archived: bool = False
    is_shared: bool = False
    creator: str = ""
    """The first member, if it is not given."""

    def __post_init__(self) -> None:
        if not self.creator and self.members:
            self.creator = self.members[0]

    def is_visible_to(self, person: str) -> bool:
        """Whether `person` may see the channel: everyone sees public ones, members see others."""
        return self.channel_type is ChannelType.CHANNEL or person in self.members

    def as_slack(self, viewer: str) -> Json:
        """Return the channel object of `conversations.info` as seen by `viewer`."""
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
            "creator": self.creator,
            "name": self.name,
            "name_normalized": self.name,
            "topic": {"value": "", "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
        }


def default_channels(member_ids: list[str]) -> list[Channel]:
    """Return the two initial channels with these members."""
    return [
        Channel("C0GENERAL1", "general", members=list(member_ids)),
        Channel("C0PYTHON01", "python", members=list(member_ids)),
    ]
