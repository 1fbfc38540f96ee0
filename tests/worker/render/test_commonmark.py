"""The CommonMark specification's examples: no word is lost, and no line of code is changed."""

import html
import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import pytest

from testing.slack_parser import extract_code_lines, find_elements, find_problems, model_text
from worker.render import Message, Part, ReplyFacts, compose_final

FACTS: Final = ReplyFacts("StarChat-β", "stop", 256)
EXAMPLES: Final[list[dict[str, Any]]] = json.loads(
    Path(__file__).parent.joinpath("commonmark", "examples.json").read_text("utf-8")
)
"""`markdown` and `html` of each example; see `commonmark/LICENSE`."""
OWN_INDENT: Final = "code keeps the indent that not all of its lines share with the fence"
NOT_FOLLOWED: Final = {
    131: OWN_INDENT,
    132: OWN_INDENT,
    133: OWN_INDENT,
    134: "a fence may have any indent, because models write it so",
    191: "indented lines among HTML are one block of code, with their indent",
}
"""Numbers of examples whose code has other white space, and why."""
WORD: Final = re.compile(r"[^\W_]+")


@dataclass
class ExpectedText(HTMLParser):
    """The words that a browser shows of an example, and its lines of code."""

    words: list[str] = field(default_factory=list)
    code: str = ""
    in_pre: bool = False
    in_code: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.handle_data(dict(attrs).get("alt") or "")
        # A block of code that Markdown made has no attributes, unlike HTML in the source.
        self.in_pre = self.in_pre or (tag == "pre" and not attrs)
        self.in_code = self.in_code or (tag == "code" and self.in_pre)

    def handle_endtag(self, tag: str) -> None:
        if tag == "pre":
            self.in_pre = self.in_code = False

    def handle_data(self, data: str) -> None:
        self.words += WORD.findall(data)
        self.code += data if self.in_code else ""


def read_expected(source: str) -> ExpectedText:
    """Return what a browser shows of HTML."""
    expected = ExpectedText()
    expected.feed(source)
    expected.close()
    return expected


def list_missing_words(expected: list[str], shown: str) -> list[str]:
    """Return the words that do not follow in order. A word may be written with entities."""
    missing, position = [], 0
    for word in expected:
        found = shown.find(word, position)
        if found < 0:
            missing.append(word)
        position = max(position, found + len(word))
    return missing


def shown_text(parts: tuple[Part, ...]) -> str:
    """Return the text of a reply, with the languages of its code first."""
    languages = [
        block.get("language", "") for block in find_elements(parts, "rich_text_preformatted")
    ]
    return " ".join([*languages, model_text(parts)])


def list_changed_lines(expected: list[str], shown: list[str]) -> list[str]:
    """Return the lines of code that are not shown, in order."""
    lines = iter(shown)
    return [line for line in expected if line not in lines]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example["example"]))
def test_example_keeps_its_words_and_code(example: dict[str, Any]) -> None:
    """Marks may stay as written, but what a browser shows is there."""
    expected = read_expected(example["html"])
    parts = compose_final(example["markdown"], facts=FACTS)

    shown = shown_text(parts)
    missing = min(
        list_missing_words(expected.words, shown),
        list_missing_words(expected.words, html.unescape(shown)),
        key=len,
    )
    code = [line for line in expected.code.split("\n") if line.strip()]
    changed = list_changed_lines(code, extract_code_lines(parts))
    assert missing == []
    assert bool(changed) is (example["example"] in NOT_FOLLOWED), changed
    assert [find_problems(part) for part in parts if isinstance(part, Message)] == [[]]


def test_all_examples_are_there() -> None:
    """Version 0.31.2 has 652."""
    assert [example["example"] for example in EXAMPLES] == list(range(1, 653))
