"""A place where messages are: a channel, a private channel, a direct or a group message."""

from dataclasses import dataclass, field
from enum import StrEnum

from fakeslack.errors import Json


class Kind(StrEnum):
    """What sort of place it is, in the words of Slack's `channel_type`."""

    CHANNEL = "channel"
    GROUP = "group"
    IM = "im"
    MPIM = "mpim"

    @property
    def subscription(self) -> str:
        """The event an app subscribes to for messages here."""
        return f"message.{self.value}s" if self in {Kind.CHANNEL, Kind.GROUP} else f"message.{self}"

    @property
    def scope(self) -> str:
        """The family of scopes that reading here needs, such as `channels` in `channels:read`."""
        return f"{self.value}s" if self in {Kind.CHANNEL, Kind.GROUP} else self.value


@dataclass(slots=True)
class Channel:
    """One place and who is in it, in the order they came; `shared` with another organisation."""

    id: str
    name: str
    kind: Kind = Kind.CHANNEL
    members: list[str] = field(default_factory=list)
    archived: bool = False
    shared: bool = False

    def visible_to(self, person: str) -> bool:
        """Whether `person` can know of this place: everybody of a channel, else its members."""
        return self.kind is Kind.CHANNEL or person in self.members

    def as_slack(self, viewer: str) -> Json:
        """Return the channel object of `conversations.info` as `viewer` sees it."""
        body: Json = {
            "id": self.id,
            "created": 1700000000,
            "is_archived": self.archived,
            "is_channel": self.kind is Kind.CHANNEL,
            "is_group": self.kind is Kind.GROUP,
            "is_im": self.kind is Kind.IM,
            "is_mpim": self.kind is Kind.MPIM,
            "is_private": self.kind is not Kind.CHANNEL,
            "is_general": self.name == "general",
            "is_shared": self.shared,
            "is_ext_shared": self.shared,
            "is_org_shared": False,
            "is_member": viewer in self.members,
        }
        if self.kind is Kind.IM:
            others = [member for member in self.members if member != viewer]
            return body | {"user": others[0] if others else viewer}
        return body | {
            "name": self.name,
            "name_normalized": self.name,
            "topic": {"value": "", "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
        }


def residents_channels(everybody: list[str]) -> list[Channel]:
    """Return the two channels that exist from the start, with `everybody` in them."""
    return [
        Channel("C0GENERAL1", "general", members=list(everybody)),
        Channel("C0PYTHON01", "python", members=list(everybody)),
    ]
