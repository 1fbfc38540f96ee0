"""Parsers: parses, does not parse, or not checked."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from contract.code_languages import find_language
from contract.code_verdicts import REASONS
from testing.checked_replies import check_block
from worker.checks import data_formats, grammars, parsers, python_code
from worker.render.model import CodeBlock

SAMPLES: dict[str, Any] = tomllib.loads(Path(__file__).with_name("samples.toml").read_text("utf-8"))


def check_text(text: str, tag: str = "python") -> str:
    """Return the verdict on a closed block."""
    return str(check_block(CodeBlock(text, find_language(tag))).describe()).partition(": ")[2]


@pytest.mark.parametrize(
    ("text", "tag", "said"),
    [
        ("def f():\n    return 1", "python", "parses"),
        ("    indented = 1\n    more = 2", "py", "parses"),
        ("x = '\\d'", "python", "parses"),
        ("else:\n    x = 1", "python", "parses"),
        ("except ValueError as error:\n    raise", "python", "parses"),
        ("else:\nx = 1", "python", "does not parse (line 1)"),
        ("x = (\n1\n", "python", "does not parse (line 1: '(' was never closed)"),
        ("x = {", "python", "does not parse (line 1: '{' was never closed)"),
        ("x = 'a", "python", "does not parse (line 1: a string was never closed)"),
        ("x = 1\ny = = 2", "python3", "does not parse (line 2)"),
        ("print 'hello'", "python", "does not parse (line 1: missing parentheses in a call)"),
        (">>> x = 1\n1", "python", "not checked"),
        ("!pip install x\nimport x", "python", "not checked"),
        ("def f(...):\n    pass", "python", "not checked"),
        ("x = <your name>", "python", "not checked"),
        ("x = 1\x00", "python", "not checked"),
        ("", "python", "not checked"),
        ("x", "", "not checked"),
        ("x", "diff", "not checked"),
        ('{"a": [1, 2.5, null]}', "json", "parses"),
        ('{"a": 1,\n "b": }', "json", "does not parse (line 2: expected a value)"),
        ('{"a": NaN}', "json", "not checked"),
        ("{\n  ...\n}", "json", "not checked"),
        ("1" * 5_000, "json", "not checked"),
        ('{"a": 1}\n{"a": 2}\n', "json", "parses"),
        ('{"a": 1}\n{"a": }\n', "json", "does not parse (line 2: more text after the end)"),
        ("a = 1\n[b]\nc = 'x'", "toml", "parses"),
        ("a = 1\na = 2", "toml", "does not parse (line 2: a name is given twice)"),
        ("a =\n", "toml", "does not parse (line 1: expected a value)"),
        ("a = 'b", "toml", "does not parse (line 1: a string was never closed)"),
        ("a = [1", "toml", "does not parse (line 1: '[' was never closed)"),
        ("[a", "toml", "does not parse (line 1)"),
        ("a: [1, 2]\n---\nb: !x y", "yaml", "parses"),
        ("a: b: c", "yaml", "does not parse (line 1: ':' is not allowed there)"),
        ("a:\n  b: 1\n\tc: 2", "yaml", "does not parse (line 3: a tab is not allowed there)"),
        ("a: @b", "yaml", "does not parse (line 1: a character that is not allowed there)"),
        ("a: {{ b }}: c", "yaml", "not checked"),
        ("a: \x01", "yaml", "does not parse"),
        ("<a><b/></a>", "xml", "parses"),
        ("\n<?xml version='1.0' encoding='latin-1'?>\n<a>é</a>", "xml", "parses"),
        ("<?xml version='1.0'?><a/>\n<b/>", "xml", "parses"),
        ("words <b/>", "xml", "parses"),
        ("\n<a>\n</b>", "xml", "does not parse (line 3: opening and closing tag differ)"),
        ("<a/>\n<b>", "xml", "does not parse (line 2)"),
        ("<a>&nbsp;</a>", "xml", "not checked"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "xml", "not checked"),
        ("<!DOCTYPE a SYSTEM 'http://a/b.dtd'><a/>", "xml", "parses"),
    ],
)
def test_verdict_says_no_more_than_a_parser_knows(text: str, tag: str, said: str) -> None:
    """A sketch, a console and a fragment are not called broken."""
    assert check_text(text, tag) == said


@pytest.mark.parametrize("language", SAMPLES)
def test_samples_get_their_verdicts(language: str) -> None:
    """Whole files, fragments, broken code and sketches, in each language that is checked."""
    samples = SAMPLES[language]
    expected = dict.fromkeys(samples["good"], "parses")
    expected |= {text: f"does not parse ({said})" for text, said in samples["broken"]}
    expected |= dict.fromkeys(samples["sketch"], "not checked")

    assert {text: check_text(text.rstrip("\n"), language) for text in expected} == expected


def test_each_language_has_samples() -> None:
    """There are at least 15 grammars beside Python's and four data formats."""
    assert {*parsers.PARSERS} - {grammars.PHP_PAGE} == {*SAMPLES}
    assert len(SAMPLES) >= 15 + 5


@pytest.mark.parametrize(
    "text",
    ["-" * 40_000 + "1", "x" + "[0]" * 13_000, "a." * 19_000 + "a", "lambda:" * 5_000,
     "1+" * 20_000 + "1", "(" * 300 + ")" * 300],
)  # fmt: skip
def test_hostile_python_is_not_checked(text: str) -> None:
    """A parser that gives up says nothing about the code."""
    assert check_text(text) == "not checked"


def test_hostile_json_is_not_checked() -> None:
    """Deep nesting is refused for JSON too."""
    assert check_text("[" * 39_000, "json") == "not checked"


@pytest.mark.parametrize(("tag", "said"), [("cpp", "not checked"), ("go", "parses")])
def test_long_code_is_left_to_exact_grammars(tag: str, said: str) -> None:
    """The others crash over some repeated signs."""
    assert check_text("// comment\n" * 2_000 + "var x int\n", tag) == said


def test_each_reason_has_words() -> None:
    """A name without words would not be shown."""
    tables = (
        *(python_code.REASONS, data_formats.JSON_REASONS, data_formats.TOML_REASONS),
        *(data_formats.YAML_REASONS, data_formats.XML_REASONS),
    )
    names = {name for table in tables for _, name in table} | {*grammars.REASONS.values()}
    assert names | {"end", "unmatched"} <= REASONS.keys()
