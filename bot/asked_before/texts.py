"""Sentences about links to earlier answers."""

from typing import Final

from contract.language import Phrase

QUESTION_WITHDRAWN: Final = Phrase(
    "From now on I link no one from a like question to this answer. Votes on it still count."
)
