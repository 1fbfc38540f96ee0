"""
Lengths at every limit: Slack's in characters, the job's in bytes, the model's in tokens.

A digit is one token in StarChat's tokenizer and in the tests' small one, so that the borders
lie at the same place in both.
"""

from collections.abc import Iterator
from typing import Final

from tests.adversarial.case import Case, Door, End, asked, cases

CATEGORY: Final = "length"

LONGEST: Final = 8192 - 64 - 9
"""Tokens of the longest question: what a window has beside a least reply and the scaffold."""

FITS: Final = (1, 2, 80, 2_999, 3_000, 3_001, 3_999, 4_000, 4_001, 8_000, LONGEST - 1, LONGEST)
EXCEEDS: Final = (
    *(LONGEST + 1, 8_191, 8_192, 8_193, 11_999, 12_000, 12_001, 39_999, 40_000, 40_001),
    *(100_000, 262_144, 300_000),
)

LONG: Final = {
    "one-word": "x7" * 20_000,
    "lines": "7\n" * 20_000,
    "columns": "7\t" * 20_000,
    "astral": "𝕏" * 20_000,
    "most-bytes": "𝕏" * 100_000,
    "code": "```\n" + "x = 7\n" * 7_000 + "```",
    "mentions": "<@U0ADA00001> " * 3_000,
    "entities": "&lt;7" * 10_000,
    "commas": ", " * 20_000,
    "one-line-of-json": '{"a": 7}' * 4_000,
}
MODEST: Final = {
    "long-word": "x" * 1_000,
    "many-short-lines": "7\n" * 1_000,
    "narrow-table": "| 7 |\n" * 300,
    "hundred-mentions": "<@U0ADA00001> " * 100 + "who?",
    "blank-lines-inside": "a" + "\n" * 3_000 + "b",
}


def corpus() -> Iterator[Case]:
    """Return the category's cases."""
    for sizes, end in ((FITS, End.ANSWER), (EXCEEDS, End.REFUSE)):
        digits = {f"{size}-digits": asked("7" * size) for size in sizes}
        yield from cases(CATEGORY, Door.TEXT, end, digits)
    yield from cases(CATEGORY, Door.TEXT, End.REFUSE, {n: asked(t) for n, t in LONG.items()})
    yield from cases(CATEGORY, Door.TEXT, End.ANSWER, {n: asked(t) for n, t in MODEST.items()})
