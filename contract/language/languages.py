"""Languages that the product speaks, chosen by a person's locale in Slack."""

from enum import StrEnum
from typing import Final

MAX_LOCALE_CHARACTERS: Final = 64
"""A longer text is no locale."""
CHINESE_CODE: Final = "zh"


class Language(StrEnum):
    """Language of sentences for people. Values are the names of catalogues."""

    ENGLISH = "en"
    CHINESE = "zh_CN"


LANGUAGE_NAMES: Final = {Language.ENGLISH: "English", Language.CHINESE: "简体中文"}
"""Name of each language in itself, by which its readers find it."""


def choose_language(locale: object) -> Language:
    """
    Return the language for a locale of Slack, such as `zh-CN`.

    All kinds of Chinese get Simplified Chinese. An unknown locale gets English.
    """
    if not isinstance(locale, str) or len(locale) > MAX_LOCALE_CHARACTERS:
        return Language.ENGLISH
    code = locale.strip().replace("_", "-").partition("-")[0]
    return Language.CHINESE if code.lower() == CHINESE_CODE else Language.ENGLISH
