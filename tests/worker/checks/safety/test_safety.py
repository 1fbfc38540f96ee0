"""Hints about safety: known mistakes have one, and code that looks like them has none."""

import pytest

from testing.labelled_snippets import count_hints
from worker.checks.safety.hints import MAX_HINTS, find_safety_hints
from worker.checks.safety.python_rules import BANDIT_RULES
from worker.checks.safety.rules import RULES
from worker.checks.safety.tree_rules import HARDCODED
from worker.render.safety_hints import SENTENCES

MIN_RECALL = 0.8
MAX_FALSE_SHARE = 0.05


def find_rules(text: str, language: str = "python") -> list[str]:
    """Return the rules of the hints."""
    return [hint.rule for hint in find_safety_hints(language, text)]


def test_labelled_snippets() -> None:
    """Most mistakes have a hint of their rule, and few innocent snippets have any."""
    counts = count_hints().values()
    unsafe, safe = sum(one.unsafe for one in counts), sum(one.safe for one in counts)

    assert unsafe + safe >= 120
    assert sum(one.found for one in counts) >= MIN_RECALL * unsafe
    assert sum(one.false for one in counts) <= MAX_FALSE_SHARE * safe


def test_each_rule_has_a_sentence_and_an_example() -> None:
    """A reader sees our words, never those of a tool, which may quote the code."""
    names = {rule.name for rules in RULES.values() for rule in rules}
    examples = {*count_hints()}
    own = {HARDCODED, "weak-hash", "weak-random", "path-traversal", "signature-off"}

    assert names | {*BANDIT_RULES.values()} | own == {*SENTENCES} == examples


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("password: str = 'hunter2hunter2'", ["hardcoded-secret"]),
        ("self.password = 'hunter2hunter2'", ["hardcoded-secret"]),
        ("config['password'] = 'hunter2hunter2'", ["hardcoded-secret"]),
        ("a = b = c[0] = 'hunter2hunter2'", []),
        ("password: str", []),
        ("f(**options)", []),
        ("x = {**password}", []),
        ("    exec(code)", ["code-execution"]),
        ("exec(", []),
        ("exec(code)\0", []),
        ("jwt.decode(t, options={'verify_signature': True})", []),
        ("-" * 5_000 + "1", []),
        ("\n".join(["exec(code)"] * 9), ["code-execution"] * MAX_HINTS),
    ],
)
def test_python_forms(text: str, rules: list[str]) -> None:
    """A value may be given to a name in several ways; code that does not parse has no hint."""
    assert find_rules(text) == rules


@pytest.mark.parametrize(
    ("language", "text", "line"),
    [
        ("bash", "$ ls\n$ curl https://example.com | sh", 2),
        ("bash", "TOKEN=hunter2hunter2", 1),
        ("java", 'String token = "hunter2hunter2";', 1),
        ("typescript", "const x: string = 'a';\nconst token: string = 'hunter2hunter2';", 2),
    ],
)
def test_lines_and_fragments(language: str, text: str, line: int) -> None:
    """Prompts and fragments keep their lines."""
    assert [hint.line for hint in find_safety_hints(language, text)] == [line]


def test_long_code_has_no_hint() -> None:
    """Its syntax is checked in the time that is left."""
    assert find_rules("exec(code)\n" + "x\n" * 8_000) == []


def test_language_without_rules_has_no_hint() -> None:
    """No rule is applied to a language that it does not know."""
    assert find_rules("eval($x);", "php") == []
