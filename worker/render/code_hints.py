"""Sentences about the hints below a message."""

from collections.abc import Iterable
from typing import Final

from contract.language import PluralPhrase, Translatable
from worker.render.name_hints import NameHint
from worker.render.safety_hints import SafetyHint

MAX_SHOWN: Final = 5
"""Hints below one message."""


def describe_hints(hints: Iterable[NameHint | SafetyHint]) -> list[Translatable]:
    """Return a sentence for each of the first hints, each matter once, and one about the rest."""
    firsts: dict[str, NameHint | SafetyHint] = {}
    for hint in hints:
        firsts.setdefault(hint.key, hint)
    sentences = [hint.describe() for hint in [*firsts.values()][:MAX_SHOWN]]
    if num_more := len(firsts) - len(sentences):
        sentences.append(PluralPhrase("{count} more hint.", "{count} more hints.", num_more))
    return sentences
