"""Adversarial inputs of every kind, each with its expected outcome; generated in every run."""

from tests.adversarial import (
    characters,
    control_tokens,
    emptiness,
    entries,
    envelopes,
    lengths,
    markup,
    outputs,
    threads,
    words,
)
from tests.adversarial.case import Case

CASE_GENERATORS = (
    emptiness.generate_cases,
    lengths.generate_cases,
    characters.generate_cases,
    markup.generate_cases,
    control_tokens.generate_cases,
    words.generate_cases,
    outputs.generate_cases,
    envelopes.generate_cases,
    threads.generate_cases,
    entries.generate_cases,
)


def build_all_cases() -> list[Case]:
    """Return all cases in a fixed order."""
    return [case for corpus in CASE_GENERATORS for case in corpus()]
