"""Code that is not fenced as CommonMark wants it: its lines and their white space are kept."""

from pathlib import Path
from typing import Final

import pytest

from contract.language import Language
from testing.slack_parser import extract_code_lines, find_problems, model_text
from worker.render import Message, ReplyFacts, compose_final, compose_growing

FACTS: Final = ReplyFacts("StarChat-β", "stop", 256)
CORPUS: Final = Path(__file__).with_name("imperfect_fences.txt")


def read_corpus() -> dict[str, tuple[str, list[str]]]:
    """Return the reply and its lines of code by name."""
    _, *entries = CORPUS.read_text("utf-8").removesuffix("\n").split("\n=== ")
    parsed = {}
    for entry in entries:
        name, rest = entry.split("\n", 1)
        reply, code = rest.split("\n--- code\n", 1)
        parsed[name] = reply, code.split("\n")
    return parsed


REPLIES: Final = read_corpus()


@pytest.mark.parametrize("name", REPLIES)
def test_imperfect_fences_change_no_line_of_code(name: str) -> None:
    """A fence may share its line with words or code, or be missing."""
    reply, code = REPLIES[name]

    parts = compose_final(reply, facts=FACTS)

    assert extract_code_lines(parts) == code
    assert all(find_problems(part) == [] for part in parts if isinstance(part, Message))
    if "Done." in reply:
        assert model_text(parts).endswith("Done.")


@pytest.mark.parametrize("name", REPLIES)
def test_imperfect_fences_can_grow(name: str) -> None:
    """Every beginning of such a reply can be shown."""
    reply, _ = REPLIES[name]

    for end in range(0, len(reply), 7):
        assert find_problems(compose_growing(reply[:end], Language.ENGLISH)) == []


def test_corpus_is_large_enough() -> None:
    """At least 60 replies."""
    assert len(REPLIES) >= 60


@pytest.mark.parametrize(
    "reply",
    [
        "The mark ``` opens a block.",
        "if you want this:\n- do that\n- and that",
        "Use it with care:\nthe second line of a paragraph.",
        "Let me explain (in short).\nThat is all.",
        "# Title\nwords of a paragraph",
        "Use ```x``` here.",
    ],
)
def test_prose_is_not_taken_for_code(reply: str) -> None:
    """A word that also begins a line of code is no code."""
    assert extract_code_lines(compose_final(reply, facts=FACTS)) == []


def test_backticks_before_an_unknown_word_are_text() -> None:
    """Only a language, or a fence that pairs up, opens a block behind words."""
    (part,) = compose_final("Write three marks: ```frobnicate\nand go on.", facts=FACTS)
    assert isinstance(part, Message)
    assert extract_code_lines([part]) == []
