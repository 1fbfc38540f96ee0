"""Adversarial inputs of every kind, each with its expected outcome; generated in every run."""

from tests.adversarial import (
    control_tokens,
    empty_messages,
    envelopes,
    injections,
    lengths,
    markup,
    model_outputs,
    odd_threads,
    queue_entries,
    unicode_texts,
)
from tests.adversarial.case import Case

CASE_GENERATORS = (
    empty_messages.generate_cases,
    lengths.generate_cases,
    unicode_texts.generate_cases,
    markup.generate_cases,
    control_tokens.generate_cases,
    injections.generate_cases,
    model_outputs.generate_cases,
    envelopes.generate_cases,
    odd_threads.generate_cases,
    queue_entries.generate_cases,
)


def build_all_cases() -> list[Case]:
    """Return all cases in a fixed order."""
    return [case for generate in CASE_GENERATORS for case in generate()]
