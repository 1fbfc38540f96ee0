"""
Texts at every length limit: Slack's in characters, the job's in bytes, the model's in tokens.

A digit is one token in StarChat's tokenizer and in the tests' small one, so that both have the
same limits.
"""

from collections.abc import Iterator
from typing import Final

from tests.adversarial.case import Case, CaseOutcome, EntryPoint, build_cases, mention_bot

CATEGORY: Final = "length"

MAX_QUESTION_TOKENS: Final = 8192 - 64 - 9
"""Maximum tokens of a question: the window without a minimal reply and the chat format."""

FITTING_LENGTHS: Final = (
    1,
    2,
    80,
    2_999,
    3_000,
    3_001,
    3_999,
    4_000,
    4_001,
    8_000,
    MAX_QUESTION_TOKENS - 1,
    MAX_QUESTION_TOKENS,
)
EXCESSIVE_LENGTHS: Final = (
    *(MAX_QUESTION_TOKENS + 1, 8_191, 8_192, 8_193, 11_999, 12_000, 12_001, 39_999, 40_000, 40_001),
    *(100_000, 262_144, 300_000),
)

LONG_TEXTS: Final = {
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
SHORT_TEXTS: Final = {
    "long-word": "x" * 1_000,
    "many-short-lines": "7\n" * 1_000,
    "narrow-table": "| 7 |\n" * 300,
    "hundred-mentions": "<@U0ADA00001> " * 100 + "who?",
    "blank-lines-inside": "a" + "\n" * 3_000 + "b",
}


def generate_cases() -> Iterator[Case]:
    """Return the category's cases."""
    for sizes, outcome in (
        (FITTING_LENGTHS, CaseOutcome.ANSWER),
        (EXCESSIVE_LENGTHS, CaseOutcome.REFUSE),
    ):
        digits = {f"{size}-digits": mention_bot("7" * size) for size in sizes}
        yield from build_cases(CATEGORY, EntryPoint.TEXT, outcome, digits)
    yield from build_cases(
        CATEGORY,
        EntryPoint.TEXT,
        CaseOutcome.REFUSE,
        {n: mention_bot(t) for n, t in LONG_TEXTS.items()},
    )
    yield from build_cases(
        CATEGORY,
        EntryPoint.TEXT,
        CaseOutcome.ANSWER,
        {n: mention_bot(t) for n, t in SHORT_TEXTS.items()},
    )
