"""Code checks: parses, does not parse, or not checked."""

import pytest

from contract.code_verdicts import CodeVerdict, VerdictKind, describe_verdicts
from worker.render import code_checks
from worker.render.languages import _LANGUAGE_BY_TAG, find_language
from worker.render.model import CodeBlock


def check_text(text: str, tag: str = "python") -> str:
    """Return the verdict on a closed block."""
    verdict = code_checks.check_code(CodeBlock(text, find_language(tag)))
    return str(verdict.describe()).partition(": ")[2]


@pytest.mark.parametrize(
    ("text", "tag", "said"),
    [
        ("def f():\n    return 1", "python", "parses"),
        ("    indented = 1\n    more = 2", "py", "parses"),
        ("x = '\\d'", "python", "parses"),
        ("x = (\n1\n", "python", "does not parse (line 1)"),
        ("x = 1\ny = = 2", "python3", "does not parse (line 2)"),
        ("print 'hello'", "python", "does not parse (line 1)"),
        (">>> x = 1\n1", "python", "not checked"),
        ("", "python", "not checked"),
        ("x", "", "not checked"),
        ("echo $(", "bash", "not checked"),
        ('{"a": [1, 2.5, null]}', "json", "parses"),
        ('{"a": 1,\n "b": }', "json", "does not parse (line 2)"),
        ("1" * 5_000, "json", "not checked"),
    ],
)
def test_only_python_and_json_are_checked(text: str, tag: str, said: str) -> None:
    """The verdict says no more than a parser knows."""
    assert check_text(text, tag) == said


def test_unclosed_code_is_not_checked() -> None:
    """A block that the token limit cut off says nothing about the whole."""
    verdict = code_checks.check_code(CodeBlock("def f(", find_language("python"), unclosed=True))
    assert str(verdict.describe()) == "python: unfinished, not checked"


@pytest.mark.parametrize(
    "text",
    ["-" * 40_000 + "1", "x" + "[0]" * 13_000, "a." * 19_000 + "a", "lambda:" * 5_000,
     "1+" * 20_000 + "1", "if x: pass\n" + "elif x: pass\n" * 3_000, "x = 1\n" * 10_000],
)  # fmt: skip
def test_hostile_python_is_not_checked(text: str) -> None:
    """Deep nesting and very long code are refused."""
    assert check_text(text) == "not checked"


def test_hostile_json_is_not_checked() -> None:
    """Deep nesting is refused for JSON too."""
    assert check_text("[" * 39_000, "json") == "not checked"


def summarize(blocks: list[CodeBlock]) -> str:
    """Return the verdicts on blocks as a line."""
    return str(describe_verdicts(code_checks.count_verdicts(blocks)))


def test_many_verdicts_make_one_short_line() -> None:
    """Equal verdicts are counted; beyond eight kinds only their number is shown."""
    python = find_language("python")
    broken = CodeVerdict(kind=VerdictKind.BROKEN, code="python")
    same = [
        CodeBlock("x", python, verdict=broken.model_copy(update={"kind": VerdictKind.PARSES}))
    ] * 3
    kinds = [
        CodeBlock("x", python, verdict=broken.model_copy(update={"line": n})) for n in range(20)
    ]
    unknown = CodeBlock("x", verdict=CodeVerdict(kind=VerdictKind.UNCHECKED))

    assert summarize([*same, unknown]) == "python: parses ×3 · code: not checked"
    assert summarize(kinds).startswith("python: does not parse · python: does not parse (line 1)")
    assert summarize(kinds).endswith(" · 12 more")
    assert summarize([CodeBlock("a table", is_table=True)]) == ""


def test_each_known_language_has_a_name_that_a_verdict_can_hold() -> None:
    """A name that is too long would end a reply."""
    for language in _LANGUAGE_BY_TAG.values():
        verdict = code_checks.check_code(CodeBlock("x", language))
        assert verdict.code == language.name
