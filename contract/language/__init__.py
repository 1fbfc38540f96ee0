"""Languages of the sentences that people read: phrases, and the catalogues that translate them."""

from contract.language.languages import LANGUAGE_NAMES, Language, choose_language
from contract.language.phrases import JoinedPhrases, Phrase, PluralPhrase, Translatable

__all__ = [
    "LANGUAGE_NAMES",
    "JoinedPhrases",
    "Language",
    "Phrase",
    "PluralPhrase",
    "Translatable",
    "choose_language",
]
