"""Hints about safety as a reader sees them."""

import pytest
from pydantic import ValidationError

from contract.language import Language
from worker.render.code_hints import describe_hints
from worker.render.safety_hints import SENTENCES, SafetyHint


@pytest.mark.parametrize("rule", SENTENCES)
def test_each_rule_has_a_sentence_in_each_language(rule: str) -> None:
    """It names the line, and says nothing about the rest of the code."""
    for language in Language:
        words = SafetyHint(rule=rule, line=7).describe().translate(language)
        assert "7" in words
        assert "safe" not in words


@pytest.mark.parametrize(("rule", "line"), [("of-a-later-worker", 1), ("tls-off", 0), ("", 1)])
def test_unknown_rule_is_refused(rule: str, line: int) -> None:
    """A child process answers with what it read from a model's code."""
    with pytest.raises(ValidationError):
        SafetyHint(rule=rule, line=line)


def test_each_rule_has_one_sentence_below_a_message() -> None:
    """The first line of each is named."""
    hints = [SafetyHint(rule="tls-off", line=line) for line in (3, 9)]

    [sentence] = describe_hints(hints)
    assert str(sentence).startswith("Line 3: ")
