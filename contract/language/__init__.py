"""Languages of the sentences that people read: phrases, and the catalogues that translate them."""

from contract.language.languages import Language, choose_language
from contract.language.phrases import JoinedPhrases, Phrase, PluralPhrase, Translatable

__all__ = [
    "JoinedPhrases",
    "Language",
    "Phrase",
    "PluralPhrase",
    "Translatable",
    "choose_language",
]
