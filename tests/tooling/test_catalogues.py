"""Catalogues: complete, compiled, and with the placeholders and plural forms of the source."""

import io
import re
from collections.abc import Sequence
from gettext import GNUTranslations
from string import Formatter
from typing import Final

import pytest
from babel.messages.catalog import Message

from contract.language.languages import Language
from scripts import catalogues

HAN: Final = r"[\u4e00-\u9fff]"


def list_messages(language: Language) -> list[Message]:
    """Return the entries of a language's catalogue."""
    return [message for message in catalogues.read_catalogue(language) if message.id]


def list_forms(texts: str | Sequence[str] | None) -> list[str]:
    """Return the plural forms of an entry, or its only text."""
    return [texts] if isinstance(texts, str) else list(texts or ())


def read_placeholders(text: str) -> set[tuple[str, str]]:
    """Return each placeholder of a text with its format."""
    fields = Formatter().parse(text)
    return {(name, spec or "") for _, name, spec, _ in fields if name is not None}


@pytest.mark.parametrize("language", catalogues.TRANSLATED)
def test_catalogue_has_exactly_the_phrases_of_the_source(language: Language) -> None:
    """`make catalogues` was run after the last change of a sentence or of a translation."""
    path = catalogues.locate_catalogue(language)
    text = path.read_bytes()

    assert text == catalogues.render_catalogue(language, catalogues.update_catalogue(language))
    with path.with_suffix(".mo").open("rb") as file:
        compiled = GNUTranslations(file)
    wanted = GNUTranslations(io.BytesIO(catalogues.compile_catalogue(text)))
    # The empty key is the header, which names Babel's version.
    texts, wanted_texts = (vars(one)["_catalog"] | {"": ""} for one in (compiled, wanted))
    assert texts == wanted_texts


@pytest.mark.parametrize("language", catalogues.TRANSLATED)
def test_each_phrase_is_translated(language: Language) -> None:
    """Each sentence has a translation that a person has seen, in each plural form."""
    catalog = catalogues.read_catalogue(language)

    for message in list_messages(language):
        forms = list_forms(message.string)
        assert all(forms), f"make catalogues, then translate {message.id!r}"
        assert not message.fuzzy, message.id
        assert len(forms) == (catalog.num_plurals if message.pluralizable else 1), message.id


@pytest.mark.parametrize("language", catalogues.TRANSLATED)
def test_translations_have_the_placeholders_of_the_source(language: Language) -> None:
    """A translation can be filled in: the same names, and no attribute or index of a value."""
    for message in list_messages(language):
        ids, forms = list_forms(message.id), list_forms(message.string)
        wanted = read_placeholders(ids[-1])
        assert all(name.isidentifier() for name, _ in wanted), message.id
        # The singular may say "one" instead of the number.
        assert wanted - read_placeholders(ids[0]) <= {
            ("count", ""),
            ("count", ":,"),
            ("count", ","),
        }
        for form in forms:
            assert {name for name, _ in read_placeholders(form)} == {name for name, _ in wanted}


@pytest.mark.parametrize("language", catalogues.TRANSLATED)
def test_translations_keep_commands_and_markup(language: Language) -> None:
    """What is typed literally stays: code spans, commands and the number of bold words."""
    for message in list_messages(language):
        id_ = list_forms(message.id)[-1]
        for form in list_forms(message.string):
            for mark in ("`", "*"):
                assert form.count(mark) == id_.count(mark), id_


@pytest.mark.parametrize(
    "source",
    ["Phrase(name)", "Phrase(f'a {b}')", "Phrase('')", "PluralPhrase('a', b, 1)", "Phrase()"],
)
def test_phrase_without_literal_text_is_refused(source: str) -> None:
    """No catalogue could hold it. The error has file and line."""
    with pytest.raises(catalogues.NotLiteralError, match=r"a\.py:1"):
        list(catalogues.find_phrases(source, "a.py"))


def test_phrases_are_found_wherever_they_are_written() -> None:
    """Adjacent literals are one text, and a phrase inside another one is found."""
    source = "Phrase('a '\n 'b', c=PluralPhrase('d', 'e', 1))"

    assert list(catalogues.find_phrases(source, "a.py")) == ["a b", ("d", "e")]


def test_chinese_is_set_as_readers_expect() -> None:
    """A space between Chinese and Latin words, and punctuation of full width."""
    crowded = re.compile(rf"{HAN}[A-Za-z0-9]|[A-Za-z0-9]{HAN}|{HAN} *[,;:!?]")
    found = [
        form
        for message in list_messages(Language.CHINESE)
        for form in list_forms(message.string)
        if crowded.search(form)
    ]

    assert found == []
