"""Catalogues of gettext: for each language a compiled file, read once."""

import gettext
from functools import cache
from pathlib import Path
from typing import Final

from contract.language.languages import Language

DOMAIN: Final = "starchat"
"""Name of the catalogue's files."""
LOCALE_DIRECTORY: Final = Path(__file__).parent / "locale"


@cache
def load_catalogue(language: Language) -> gettext.NullTranslations:
    """Return the catalogue of a language. English has none: its sentences are the keys."""
    if language is Language.ENGLISH:
        return gettext.NullTranslations()
    return gettext.translation(DOMAIN, LOCALE_DIRECTORY, [language], fallback=True)
