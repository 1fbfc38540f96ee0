"""Sentences outside the catalogue: none reaches a field that people read."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

REPOSITORY: Final = Path(__file__).parents[2]
PACKAGES: Final = ("bot", "contract", "worker")
EXCLUDED: Final = ("bot/smoke/", "bot/records/", "bot/health.py", "worker/health.py")
"""Parts that tell operators something, in English."""
MARKERS: Final = frozenset({"Phrase", "PluralPhrase"})
READ_FIELDS: Final = frozenset(
    {
        *("text", "title", "label", "submit", "close", "hint", "placeholder", "status"),
        *("accessibility_label", "alt_text", "initial_comment", "user_message"),
    }
)
"""Fields of Slack's payloads, and arguments, that hold text for people."""
TEXT_MODULES: Final = tuple(
    sorted(
        str(path.relative_to(REPOSITORY))
        for package in PACKAGES
        for path in (REPOSITORY / package).rglob("*.py")
        if path.stem in {"texts", "errors", "detail_lines", "file_notes", "queue_eta"}
    )
)
"""Modules of sentences: each of their texts with several words is one."""
SLACK_TIME: Final = re.compile(r"\^\{date_short_pretty\}, \{time\}\|00:00 UTC>")
"""A time that Slack shows in the reader's own language."""
LITERAL_NAMES: Final = frozenset({"StarChat", "English", "简体中文"})
"""Names, which are the same in each language."""


def list_files() -> list[str]:
    """Return the product's source files whose words people may read in Slack."""
    found = (
        str(path.relative_to(REPOSITORY))
        for package in PACKAGES
        for path in (REPOSITORY / package).rglob("*.py")
    )
    return sorted(file for file in found if not file.startswith(EXCLUDED))


def is_sentence(text: str) -> bool:
    """Return whether a text has words; names of fields and types have neither space nor capital."""
    has_words = any(sign.isalpha() for sign in text)
    is_name = text in LITERAL_NAMES or SLACK_TIME.fullmatch(text)
    return has_words and not is_name and (" " in text or not text.islower())


def read_text(node: ast.AST | None) -> str:
    """Return the literal part of a text; empty for anything else."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(read_text(part) for part in parts)
        case ast.IfExp(body=first, orelse=second):
            return read_text(first) + read_text(second)
    return ""


def find_field_texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and text of each literal in a field that people read."""
    for node in ast.walk(tree):
        match node:
            case ast.Dict(keys=names, values=values):
                pairs = [
                    (read_text(name), value) for name, value in zip(names, values, strict=True)
                ]
            case ast.Call(keywords=given):
                pairs = [(keyword.arg or "", keyword.value) for keyword in given]
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                pairs = [(name, value)]
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                pairs = [(name, value)]
            case _:
                continue
        for name, value in pairs:
            if name in READ_FIELDS and is_sentence(read_text(value)):
                yield node.lineno, read_text(value)


def find_unmarked_texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and text of each text with several words that is no phrase and no docstring."""
    marked: set[int] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in MARKERS:
                marked |= {id(part) for part in node.args}
            case ast.Expr(value=ast.Constant() as docstring):
                marked.add(id(docstring))
            case ast.Raise(exc=ast.Call(args=args)):
                marked |= {id(part) for part in args}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in marked:
            text = read_text(node)
            if " " in text.strip() and is_sentence(text):
                yield node.lineno, text


@pytest.mark.parametrize("file", list_files())
def test_fields_that_people_read_hold_no_literal_text(file: str) -> None:
    """What is posted was translated: no literal is written into a payload."""
    tree = ast.parse((REPOSITORY / file).read_text("utf-8"))

    assert list(find_field_texts(tree)) == []


@pytest.mark.parametrize("file", TEXT_MODULES)
def test_modules_of_sentences_have_phrases_only(file: str) -> None:
    """A sentence that is no phrase would be English for everyone."""
    tree = ast.parse((REPOSITORY / file).read_text("utf-8"))

    assert list(find_unmarked_texts(tree)) == []


@pytest.mark.parametrize(
    "source",
    [
        '{"type": "plain_text", "text": "Save"}',
        'post(channel, text="Hello there")',
        'post(channel, text=f"Hello {name}")',
        '{"label": "Who may ask" if a else "x"}',
        'user_message = "Please ask again."',
    ],
)
def test_search_of_fields_can_fail(source: str) -> None:
    """Each way to write a literal into a field is found."""
    assert list(find_field_texts(ast.parse(source)))


def test_search_of_modules_can_fail() -> None:
    """Constants and parts of sentences are found; phrases, docstrings and errors are none."""
    source = (
        '"""A module."""\nA = "Not a phrase."\nB = Phrase("A phrase.")\nraise ValueError("no it")'
    )

    assert list(find_unmarked_texts(ast.parse(source))) == [(2, "Not a phrase.")]
