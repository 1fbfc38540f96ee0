"""Spelled controls: a control token in plain letters ends a reply, except in code."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.answering.stop_conditions.stop_checker import StopChecker
from worker.answering.stop_conditions.turn_labels import NO_LABELS
from worker.render.model import CutReason

STOP_STRINGS = ("<|end|>", "<|user|>", "<|system|>", "</s>", "<|", "<<|")
ROLE_STRINGS = ("<|end|>", "<|user|>", "<|system|>")


def read_growing(checker: StopChecker, parts: list[str]) -> tuple[str, list[str], bool]:
    """Return the text, what a reader saw while it grew, and whether it was cut."""
    text, shown = "", list[str]()
    for part in parts:
        text += part
        cut = checker.find_cut(text)
        if cut is not None:
            assert cut.reason is CutReason.SPELLED_CONTROL
            return text[: cut.length], [*shown, text[: cut.length]], True
        shown.append(checker.settled_text(text))
    return text, shown, False


@given(
    parts=st.lists(st.sampled_from([*STOP_STRINGS, "<", "|", "<|e", "/", "s>", "a", " "])).map(
        lambda parts: parts[:12]
    )
)
def test_no_part_of_a_token_is_shown(parts: list[str]) -> None:
    """Prose ends before the first token; what was shown is never taken back."""
    text = "".join(parts)
    found = re.search("|".join(map(re.escape, STOP_STRINGS)), text)

    whole, shown, is_cut = read_growing(StopChecker(NO_LABELS, STOP_STRINGS), parts)

    assert whole == (text[: found.start()] if found else text)
    assert is_cut is bool(found)
    assert all(whole.startswith(seen) for seen in shown)


@pytest.mark.parametrize(
    "text",
    [
        "```\n<|system|>\nYou help.<|end|>\n```\nSo it is.",
        "```py\nprint('<|user|>')\n",
        "> ```\n> <|user|>\n> ```\n",
        "- Do:\n\n  ```\n  <|user|>\n  ```\n",
        "Write this:```text\n<|user|>\n```",
        "The token `<|user|>` begins a turn.",
        "The token ``<|user|>`` and `<|end|>` too.",
        "$ python chat.py <|user|>\n<|end|>\n\nIt works.",
    ],
)
def test_code_stays_whole(text: str) -> None:
    """A reply about chat formats spells tokens in code blocks, sessions and inline code."""
    assert read_growing(StopChecker(NO_LABELS, ROLE_STRINGS), list(text))[2] is False


@pytest.mark.parametrize(
    "before",
    ["", "Yes.", "Yes.\n", "```\n<|user|>\n```\nYes. ", "Use `a` or `b`: ", "x = 1\ny = 2\n\nYes."],
)
def test_prose_ends_at_a_token(before: str) -> None:
    """Also after code that spells one, and below code."""
    text, _, is_cut = read_growing(StopChecker(NO_LABELS, ROLE_STRINGS), list(before + "<|end|> a"))

    assert (text, is_cut) == (before, True)


def test_beginning_of_a_token_is_shown_if_it_is_none() -> None:
    """It is held back only while it may become a token."""
    _, shown, _ = read_growing(StopChecker(NO_LABELS, ROLE_STRINGS), ["a <|en", "ough <|us"])

    assert shown == ["a ", "a <|enough "]
