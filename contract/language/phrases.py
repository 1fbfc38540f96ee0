"""
Phrases: sentences for people as data, which become text in the language of their reader.

A phrase is no `str`, so mypy refuses it where text is posted. `make catalogues` finds each literal
`Phrase("…")` and `PluralPhrase("…", "…", …)` of the source.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from contract.language.catalogues import load_catalogue
from contract.language.languages import Language


class Translatable(ABC):
    """Sentence, or several ones, of which the language is open."""

    __slots__ = ()

    @abstractmethod
    def translate(self, language: Language) -> str:
        """Return the text in a language."""

    def __str__(self) -> str:
        return self.translate(Language.ENGLISH)


Value = str | int | float | Translatable
"""Value of a placeholder. It is inserted as it is: braces in a person's name mean nothing."""


@dataclass(frozen=True, slots=True, init=False)
class Phrase(Translatable):
    """English text with named placeholders, such as `{name}` or `{count:,}`, and their values."""

    english: str
    values: tuple[tuple[str, Value], ...]

    def __init__(self, english: str, /, **values: Value) -> None:
        object.__setattr__(self, "english", english)
        object.__setattr__(self, "values", tuple(values.items()))

    def with_values(self, **values: Value) -> Self:
        """Return this phrase with other values."""
        return type(self)(self.english, **values)

    def translate(self, language: Language) -> str:
        """Return the text in a language."""
        text = load_catalogue(language).gettext(self.english)
        return _fill_placeholders(text, dict(self.values), language)


@dataclass(frozen=True, slots=True, init=False)
class PluralPhrase(Translatable):
    """English text in singular and plural; `{count}` is the number that chooses."""

    english: str
    english_plural: str
    count: int
    values: tuple[tuple[str, Value], ...]

    def __init__(self, english: str, english_plural: str, count: int, /, **values: Value) -> None:
        object.__setattr__(self, "english", english)
        object.__setattr__(self, "english_plural", english_plural)
        object.__setattr__(self, "count", count)
        object.__setattr__(self, "values", tuple(values.items()))

    def translate(self, language: Language) -> str:
        """Return the text in a language, in the form that its rules choose for the number."""
        catalogue = load_catalogue(language)
        text = catalogue.ngettext(self.english, self.english_plural, self.count)
        return _fill_placeholders(text, {"count": self.count, **dict(self.values)}, language)


@dataclass(frozen=True, slots=True, init=False)
class JoinedPhrases(Translatable):
    """Phrases and literal texts in a row. Empty ones are left out."""

    parts: tuple[str | Translatable, ...]
    separator: str | Translatable

    def __init__(
        self, parts: Iterable[str | Translatable], separator: str | Translatable = "\n"
    ) -> None:
        object.__setattr__(self, "parts", tuple(parts))
        object.__setattr__(self, "separator", separator)

    def translate(self, language: Language) -> str:
        """Return the text in a language."""
        texts = (str(_translate_value(part, language)) for part in self.parts)
        return str(_translate_value(self.separator, language)).join(filter(None, texts))


def _fill_placeholders(template: str, values: Mapping[str, Value], language: Language) -> str:
    if not values:
        return template
    return template.format(**{k: _translate_value(v, language) for k, v in values.items()})


def _translate_value(value: Value, language: Language) -> Any:
    return value.translate(language) if isinstance(value, Translatable) else value
