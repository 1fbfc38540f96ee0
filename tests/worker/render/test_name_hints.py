"""Hints about names as a reader sees them."""

import pytest
from pydantic import ValidationError

from contract.language import Language
from testing.checked_replies import compose_checked
from worker.checks.names import hints
from worker.render.code_hints import MAX_SHOWN, describe_hints
from worker.render.model import Message, ReplyFacts
from worker.render.name_hints import SENTENCES, HintKind, NameHint

FACTS = ReplyFacts("m", "stop", 256)


def list_notes(text: str) -> list[str]:
    """Return the sentences below a reply."""
    [message] = compose_checked(text, facts=FACTS).parts
    assert isinstance(message, Message)
    return [
        element["text"]
        for block in message.blocks
        if block["type"] == "context"
        for element in block["elements"]
    ]


def test_hints_are_below_the_reply() -> None:
    """Each is a sentence with its line, after the verdicts."""
    notes = list_notes(
        "```bash\npip install notatall-real-x\n```\n```python\nimport json\njson.loadss('x')\n```"
    )

    assert "Line 1: notatall-real-x isn't in my list of PyPI packages" in notes[1]
    assert "Line 2: json.loadss isn't in my list of Python's standard library" in notes[2]


def test_code_without_a_label_has_hints_too() -> None:
    """Its language is guessed."""
    notes = list_notes("```\nimport json\ndef f(x):\n    return json.loadss(x)\n```")

    assert notes[0].startswith("looks like python")
    assert "json.loadss isn't in my list" in notes[1]


def test_each_name_is_told_once_and_few_of_them() -> None:
    """A name in two blocks has one hint; further names are counted."""
    many = [NameHint(kind=HintKind.NPM, name=f"x{n}", line=n + 1) for n in range(MAX_SHOWN + 2)]
    told = [str(sentence) for sentence in describe_hints([*many, many[0]])]

    assert len(told) == MAX_SHOWN + 1
    assert told[0].startswith("Line 1: x0 ")
    assert told[-1] == "2 more hints."
    assert describe_hints([]) == []


@pytest.mark.parametrize("kind", HintKind)
def test_each_kind_has_a_sentence_in_each_language(kind: HintKind) -> None:
    """The kinds are those of the checks; no sentence says that a name doesn't exist."""
    hint = NameHint(kind=kind, name="a.b", line=3, date="2026-11", since="X 2.0", use="a.c")

    for language in Language:
        words = hint.describe().translate(language)
        assert "a.b" in words
        assert "3" in words
        assert "doesn't exist" not in words
    assert {*SENTENCES} == {*HintKind}
    assert str(hint.model_copy(update={"use": ""}).describe())


def test_kinds_are_those_of_the_checks() -> None:
    """The child process names them by words."""
    assert {hints.IMPORT, hints.CHANGED, hints.NEWER, hints.PYTHON, "pypi", "npm"} == {*HintKind}


@pytest.mark.parametrize("name", ["a b", "a`b", "<!here>", "a&b", "", "x" * 81])
def test_name_of_another_form_is_refused(name: str) -> None:
    """Names come from the model's text."""
    with pytest.raises(ValidationError):
        NameHint(kind=HintKind.NPM, name=name, line=1)
