"""Work: the renderer's work grows with the reply's length at most, and is bounded."""

import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from types import FrameType
from typing import Any, Final

import pytest

from contract.language import Language
from testing.worst_replies import generate_worst_replies
from worker import render
from worker.answering import stop_conditions
from worker.answering.stop_conditions.stop_checker import StopChecker
from worker.answering.stop_conditions.turn_labels import TurnLabels
from worker.render import ReplyFacts, compose_final, compose_growing
from worker.render.work_limits import MAX_REPLY_CHARACTERS

FACTS: Final = ReplyFacts("m", "length", 8_191, ("see https://a.com/",))
SHORT, LONG = 250, 1_000
SETUP_CALLS: Final = 500
"""Function calls that any reply costs."""
COSTLY: Final = (
    "a run of spaces in a fence's line",
    "rows shorter than a wide header",
    "lazy lines of a deep quote",
    "nested blocks in a Markdown block",
    "statements of Python",
    "1. a\\n- b\\n",
)
"""Names of worst cases that are tried at full length."""
MAX_CALLS: Final = 260_000
"""Function calls for the longest reply. A quiet core makes ten million in a second."""
MAX_EDIT_CALLS: Final = 150_000
"""Function calls for one edit of a growing reply."""


def count_calls(action: Callable[[], object]) -> int:
    """Return the number of calls of Python and C functions that an action makes."""
    calls = 0

    def count_event(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count_event)
    try:
        action()
    finally:
        sys.setprofile(None)
    return calls


def count_final(text: str) -> int:
    """Return the calls for a finished reply."""
    return count_calls(lambda: compose_final(text, facts=FACTS))


def test_work_grows_no_faster_than_the_reply() -> None:
    """Four times the text costs about four times the calls; quadratic work would cost sixteen."""
    long_replies = generate_worst_replies(LONG)
    ratios = {
        name: count_final(long_replies[name]) / (count_final(text) + SETUP_CALLS)
        for name, text in generate_worst_replies(SHORT).items()
    }

    assert {name: ratio for name, ratio in ratios.items() if ratio > 1.25 * LONG / SHORT} == {}


@pytest.mark.parametrize("name", COSTLY)
def test_work_for_the_longest_reply_is_bounded(name: str) -> None:
    """The pattern that a reply repeats makes no difference to the bound."""
    text = generate_worst_replies(MAX_REPLY_CHARACTERS)[name]

    assert count_final(text) <= MAX_CALLS
    assert count_calls(lambda: compose_growing(text, Language.ENGLISH)) <= MAX_EDIT_CALLS


def count_checks(text: str) -> int:
    """Return the calls of the stop conditions while a reply grows by ten characters a step."""
    checker = StopChecker(TurnLabels(frozenset({"Ada"})), ("<|system|>", "<|end|>"))
    ends = range(10, len(text) + 1, 10)
    return count_calls(lambda: all(checker.find_cut(text[:end]) is None for end in ends))


def test_stop_conditions_grow_no_faster_than_the_reply() -> None:
    """A reply is checked at each of its steps, but each line only once."""
    units = {"a `<|end|>` b\n": "", "Ada: x\n": "x\n\n", "a?\n\nAda: so\nb: c\n": "x\n"}
    hostile = {
        length: generate_worst_replies(length)
        | {unit: before + unit * (length // len(unit)) for unit, before in units.items()}
        for length in (SHORT, LONG)
    }
    ratios = {
        name: count_checks(hostile[LONG][name]) / (count_checks(text) + SETUP_CALLS)
        for name, text in hostile[SHORT].items()
    }

    assert {name: ratio for name, ratio in ratios.items() if ratio > 1.25 * LONG / SHORT} == {}


def find_patterns() -> Iterator[tuple[str, "re.Pattern[str]"]]:
    """Yield every pattern that reads the model's text by its name."""
    for module_info in chain.from_iterable(
        pkgutil.walk_packages(package.__path__, package.__name__ + ".")
        for package in (render, stop_conditions)
    ):
        module = importlib.import_module(module_info.name)
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                yield f"{module_info.name}.{name}", value


def find_backtracking(parsed: Sequence[tuple[Any, Any]], *, is_last: bool) -> Iterator[str]:
    """Yield each unbounded repeat that may give back what it has matched."""
    for index, (operator, argument) in enumerate(parsed):
        at_end = is_last and index == len(parsed) - 1
        if operator in {op.MAX_REPEAT, op.MIN_REPEAT}:
            _, maximum, inner = argument
            if maximum is op.MAXREPEAT and not at_end:
                yield f"unbounded {operator} at {index}"
            yield from find_backtracking(inner, is_last=False)
        elif operator is op.SUBPATTERN:
            yield from find_backtracking(argument[-1], is_last=at_end)
        elif operator is op.BRANCH:
            for branch in argument[1]:
                yield from find_backtracking(branch, is_last=at_end)
        elif operator in {op.ASSERT, op.ASSERT_NOT}:
            yield from find_backtracking(argument[1], is_last=True)


@pytest.mark.parametrize(("name", "pattern"), list(find_patterns()))
def test_no_pattern_of_the_renderer_backtracks_without_a_bound(
    name: str, pattern: "re.Pattern[str]"
) -> None:
    """A pattern that backtracks is quadratic, and no other thread runs until it has ended."""
    parsed = _parser.parse(pattern.pattern, pattern.flags)

    assert list(find_backtracking(parsed, is_last=True)) == []


def test_backtracking_is_found() -> None:
    """The check of patterns sees the fence pattern that once stopped a worker."""
    parsed = _parser.parse(r"~{3,}+[ \t]*(?P<info>.*?)[ \t]*\Z")

    assert len(list(find_backtracking(parsed, is_last=True))) == 3
