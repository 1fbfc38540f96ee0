"""Words about a channel's rules: each rule in plain words, the prompt literally."""

import pytest

from bot.rules.channel_rules import DEFAULT_RULES, ChannelRules, WhoMayAsk
from bot.rules.texts import ASKED_BEFORE, LABELS, describe_rules, describe_save, describe_undone
from contract.job import Streaming
from contract.language import Language
from testing.language_checks import find_english


def test_channel_without_rules() -> None:
    """It says who may ask, and that there is no further prompt."""
    words = describe_rules(DEFAULT_RULES)

    assert str(words.text) == (
        "*This channel has no rules of its own*\n• Everyone here may ask me.\n"
        "• I'm told nothing in this channel beyond my operator's own instructions."
    )
    assert words.more_blocks == []


def test_each_rule_is_told() -> None:
    """The prompt is preformatted, so that no sign of it has an effect."""
    prompt = "*bold* <@U1A> ```x```"
    rules = ChannelRules(
        who=WhoMayAsk.LIST,
        users=("U1A", "U2A"),
        prompt=prompt,
        max_new_tokens=1024,
        temperature=0,
        top_k=40,
        top_p=0.9,
        candidates=4,
        without_mention=True,
        streaming=Streaming.OFF,
        language=Language.CHINESE,
        asked_before=True,
    )
    words = describe_rules(rules, {"who", "users"})

    assert str(words.text).splitlines() == [
        "*This channel's rules*",
        "• Only these may ask me: <@U1A>, <@U2A>.",
        "• A reply has at most 1,024 tokens.",
        "• A reply with code is the best of up to 4 candidates, by checks of the code.",
        "• Sampling: temperature 0, top-k 40, top-p 0.9.",
        "• I answer each new message of a person here, without a mention too.",
        "• A reply appears when it is complete.",
        "• I speak 简体中文 here.",
        f"• {ASKED_BEFORE}",
        "• My operator has set these in `channels.toml`: who may ask, list of people.",
        "• In this channel I'm also told this, after my operator's own instructions:",
    ]
    [block] = words.more_blocks
    assert block["elements"][0]["elements"] == [{"type": "text", "text": prompt}]


def test_long_list_of_people_is_cut() -> None:
    """The text fits a block of Slack's, however long the ids are."""
    people = tuple(f"U{n:063d}" for n in range(100))
    words = describe_rules(ChannelRules(who=WhoMayAsk.LIST, users=people), LABELS)

    assert " and 70 more." in str(words.text)
    assert len(str(words.text)) < 3_000


def test_group_and_closed_channel_are_told() -> None:
    """Slack shows the group's name; a closed channel says so."""
    group = describe_rules(ChannelRules(who=WhoMayAsk.GROUP, group="S1A"))
    closed = describe_rules(ChannelRules(who=WhoMayAsk.NO_ONE, streaming=Streaming.EDITS))

    assert "• Only members of <!subteam^S1A> may ask me." in str(group.text)
    assert "• I answer no questions here." in str(closed.text)
    assert "• A reply appears while I write it." in str(closed.text)
    assert set(LABELS) == set(ChannelRules.model_fields)


@pytest.mark.parametrize("language", Language)
def test_changes_are_told_in_each_language(language: Language) -> None:
    """The names of the rules are translated too, in the order of the rules."""
    saved, undone = describe_save(("top_k", "who")), describe_undone(("language",))

    assert str(saved).startswith("I changed this channel's rules: who may ask, top-k. ")
    assert "language" in str(undone)
    texts = [{"text": words.translate(language)} for words in (saved, undone)]
    assert (find_english(texts) == []) == (language is Language.CHINESE)
