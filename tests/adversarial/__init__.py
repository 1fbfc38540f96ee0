"""Bad inputs of every kind, each with the one end that it must have; made anew at each run."""

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

CORPORA = (
    emptiness.corpus,
    lengths.corpus,
    characters.corpus,
    markup.corpus,
    control_tokens.corpus,
    words.corpus,
    outputs.corpus,
    envelopes.corpus,
    threads.corpus,
    entries.corpus,
)


def everything() -> list[Case]:
    """Return all cases, always the same in the same order."""
    return [case for corpus in CORPORA for case in corpus()]
