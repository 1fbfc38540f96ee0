"""Phrases: translated with their values, which are never read as a template."""

import pytest

from contract.language import JoinedPhrases, Language, Phrase, PluralPhrase
from contract.language.catalogues import load_catalogue

HOSTILE_NAMES = ("{count}", "{0.__class__}", "{", "%s %(name)s", "\\n\x00", "🦀{{}}")


@pytest.mark.parametrize("language", Language)
def test_phrase_of_no_catalogue_is_its_english_text(language: Language) -> None:
    """A phrase that a catalogue lacks is readable."""
    assert Phrase("Not in any catalogue: {braces}").translate(language).endswith("{braces}")


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_value_is_inserted_as_it_is(name: str) -> None:
    """Braces in a person's name mean nothing."""
    phrase = Phrase("Only for a test: {name} {count:,}", name=name, count=4000)

    assert phrase.translate(Language.CHINESE) == f"Only for a test: {name} 4,000"
    nested = Phrase("<{phrase}>", phrase=phrase)
    assert nested.translate(Language.CHINESE) == f"<Only for a test: {name} 4,000>"


def test_english_has_two_forms() -> None:
    """One is singular; none and many are plural."""
    texts = [
        str(PluralPhrase("{count} test of {name}", "{count:,} tests of {name}", count, name="x"))
        for count in (0, 1, 2, 1234)
    ]

    assert texts == ["0 tests of x", "1 test of x", "2 tests of x", "1,234 tests of x"]


def test_joined_phrases_leave_empty_ones_out() -> None:
    """Lines and lists consist of phrases and literal texts; their separator is translated too."""
    parts = (Phrase("one"), "", JoinedPhrases(()), "{two}")

    assert JoinedPhrases(parts).translate(Language.ENGLISH) == "one\n{two}"
    assert str(JoinedPhrases(parts, Phrase("; "))) == "one; {two}"


def test_equal_phrases_are_equal() -> None:
    """Phrases are data: tests and caches compare them."""
    assert Phrase("a {b}", b=1) == Phrase("a {b}", b=1) != Phrase("a {b}", b=2)
    assert hash(PluralPhrase("a", "b", 1)) == hash(PluralPhrase("a", "b", 1))


def test_each_language_has_a_catalogue_that_is_read_once() -> None:
    """The compiled file of each language but English is part of the package."""
    catalogues = [load_catalogue(language) for language in Language]

    assert catalogues == [load_catalogue(language) for language in Language]
    assert [c.info().get("language") for c in catalogues] == [None, "zh_CN"]
