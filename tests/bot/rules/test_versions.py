"""Stored rules of a channel: read back as they were, or refused."""

import pytest

from bot.rules.channel_rules import ChannelRules
from bot.rules.versions import RulesUnreadableError, parse_rules


def test_stored_rules_are_read_back() -> None:
    """Each rule has the value that was saved."""
    rules = ChannelRules(max_new_tokens=100)

    assert parse_rules(rules.model_dump_json()) == rules


@pytest.mark.parametrize("text", ["", "{", "null", '{"who": "someone"}', '{"newer": 1}'])
def test_malformed_rules_are_unreadable(text: str) -> None:
    """Rules of a newer version too, so that no one asks by a guess."""
    with pytest.raises(RulesUnreadableError):
        parse_rules(text)
