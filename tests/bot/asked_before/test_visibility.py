"""Visibility: no link leads out of a private channel, a direct message or to an outsider."""

from itertools import product
from typing import Any

import pytest

from bot.asked_before.visibility import SHARED_FLAGS, ChannelFacts, may_link

PUBLIC = {
    "is_channel": True, "is_im": False, "is_mpim": False, "is_private": False, "is_shared": False,
}  # fmt: skip
PRIVATE = PUBLIC | {"is_channel": False, "is_private": True}
DIRECT = PRIVATE | {"is_im": True}
GROUP_MESSAGE = PRIVATE | {"is_mpim": True}


def parse(raw: dict[str, Any], channel: str = "C1") -> ChannelFacts:
    """Return the facts of a channel object."""
    return ChannelFacts.from_slack(channel, raw)


def test_links_stay_in_the_channel_or_lead_to_a_public_one() -> None:
    """Every pair of channels, for members and outsiders."""
    kinds = {"public": PUBLIC, "private": PRIVATE, "im": DIRECT, "mpim": GROUP_MESSAGE, "": {}}
    shared = {flag: PUBLIC | {flag: True} for flag in SHARED_FLAGS}
    kinds |= shared | {"archived": PUBLIC | {"is_archived": True}}
    public = {"public", "archived", *SHARED_FLAGS}
    for (asking, one), (earlier, other) in product(kinds.items(), repeat=2):
        for is_member in (True, False):
            expected = is_member and asking in {"public", "private", "archived"}
            expected = expected and earlier in public
            assert may_link(parse(one), parse(other, "C2"), is_member=is_member) == expected
    for name, raw in kinds.items():
        is_channel = name in public | {"private"}
        assert may_link(parse(raw), parse(raw), is_member=False) == is_channel


@pytest.mark.parametrize("flag", PUBLIC)
def test_what_slack_does_not_say_makes_less_visible(flag: str) -> None:
    """A channel object without one of its flags allows no more."""
    raw = {name: value for name, value in PUBLIC.items() if name != flag}

    assert not (may_link(parse(raw), parse(raw, "C2"), is_member=True))
