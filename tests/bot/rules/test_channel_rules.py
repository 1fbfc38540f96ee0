"""Channel rules: who may ask, and which of them a file overrides."""

import pytest
from pydantic import ValidationError

from bot.rules.channel_rules import DEFAULT_RULES, MAX_USERS, ChannelRules, WhoMayAsk
from contract.job import Streaming
from contract.reply_rules import NO_RULES, ReplyRules

MEMBERS = frozenset({"U1A", "U2A"})


@pytest.mark.parametrize(
    ("rules", "allowed"),
    [
        ({}, {"U1A", "U3A", "B1A"}),
        ({"who": "list", "users": ["U3A", "B1A"]}, {"U3A", "B1A"}),
        ({"who": "group", "group": "S1A"}, {"U1A"}),
        ({"who": "none", "users": ["U3A"]}, set()),
    ],
)
def test_author_is_found_by_each_id(rules: dict[str, object], allowed: set[str]) -> None:
    """A person has one id, another bot several."""
    parsed = ChannelRules.model_validate(rules)

    found = {user for user in ("U1A", "U3A", "B1A") if parsed.allows({user, "UXX"}, MEMBERS)}
    assert found == allowed


@pytest.mark.parametrize(
    "rules",
    [
        {"who": "list"},
        {"who": "group"},
        {"who": "somebody"},
        {"users": ["<@U1A>"]},
        {"users": [f"U{n:05d}" for n in range(MAX_USERS + 1)]},
        {"group": "U1A"},
        {"streaming": "maybe"},
        {"colour": "red"},
    ],
)
def test_incomplete_or_unknown_rules_are_refused(rules: dict[str, object]) -> None:
    """A list needs users, a group its id."""
    with pytest.raises(ValidationError):
        ChannelRules.model_validate(rules)


def test_job_gets_the_rules_for_its_reply() -> None:
    """Who may ask is no matter of the worker."""
    rules = ChannelRules(who=WhoMayAsk.NO_ONE, prompt="Use Go.", top_k=3)

    assert rules.reply_rules == ReplyRules(prompt="Use Go.", top_k=3)
    assert DEFAULT_RULES.reply_rules == NO_RULES


def test_file_overrides_what_it_sets() -> None:
    """Also with a default value; the other rules stay those of Slack."""
    stored = ChannelRules(who=WhoMayAsk.NO_ONE, prompt="Use Go.", streaming=Streaming.OFF)
    file = ChannelRules(who=WhoMayAsk.EVERYONE, top_k=3)
    rules = stored.override_by(file)

    assert file.set_keys == {"who", "top_k"}
    assert rules == ChannelRules(prompt="Use Go.", streaming=Streaming.OFF, top_k=3)
    assert stored.override_by(None) is stored
    assert stored.find_changes(rules) == ("top_k", "who")
