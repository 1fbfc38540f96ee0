"""Visibility of channels: whether all who can read a question can read an earlier answer too."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

SHARED_FLAGS: Final = ("is_shared", "is_ext_shared", "is_org_shared", "is_pending_ext_shared")


class ChannelFacts(NamedTuple):
    """What Slack's `conversations.info` says of a channel now."""

    id: str
    is_direct: bool
    """Whether it is a direct message or a group message; also if Slack does not say."""
    is_public: bool
    is_shared: bool
    """Whether people of another workspace or organization may read it."""

    @classmethod
    def from_slack(cls, channel: str, raw: Mapping[str, Any]) -> Self:
        """Parse a channel object. What is missing makes less visible."""
        is_direct = raw.get("is_im") is not False or raw.get("is_mpim") is not False
        is_public = raw.get("is_channel") is True and raw.get("is_private") is False
        is_shared = any(raw.get(flag) for flag in SHARED_FLAGS) or "is_shared" not in raw
        return cls(channel, is_direct, is_public and not is_direct, is_shared)


def may_link(asking: ChannelFacts, earlier: ChannelFacts, *, is_member: bool) -> bool:
    """
    Return whether a reply in `asking` may link to one in `earlier`, both of one workspace.

    `is_member` is whether the asker is a full member of the workspace, and no guest.
    """
    if asking.is_direct or earlier.is_direct:
        return False
    if asking.id == earlier.id:
        return True
    return earlier.is_public and is_member and not asking.is_shared
