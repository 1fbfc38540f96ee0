"""Code checks: parses, does not parse, or not checked."""

import pytest

from worker.render import code_checks
from worker.render.languages import find_language
from worker.render.model import CodeBlock


def check_text(text: str, tag: str = "python") -> str:
    """Return the verdict on a closed block."""
    return code_checks.check_code(CodeBlock(text, find_language(tag)))


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
    assert code_checks.check_code(CodeBlock("def f(", find_language("python"), unclosed=True)) == (
        "unfinished, not checked"
    )


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


def test_many_verdicts_make_one_short_line() -> None:
    """Equal verdicts are counted; beyond eight kinds only their number is shown."""
    same = [CodeBlock("x", find_language("python"), check_result="parses")] * 3
    kinds = [
        CodeBlock("x", find_language("python"), check_result=f"does not parse (line {n})")
        for n in range(20)
    ]

    assert code_checks.summarize_checks([*same, CodeBlock("x", check_result="not checked")]) == (
        "python: parses ×3 · code: not checked"
    )
    assert code_checks.summarize_checks(kinds).endswith(" · 12 more")
    assert code_checks.summarize_checks([CodeBlock("a table", is_table=True)]) == ""
