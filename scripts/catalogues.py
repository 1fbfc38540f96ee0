"""
Catalogues of translations: `make catalogues` collects the phrases of the source, and compiles.

`contract/language/locale/LANGUAGE/LC_MESSAGES/starchat.po` is edited by hand, `starchat.mo` is what
the processes read. There is no template file: the source is one.
"""

import ast
import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from contract.language.catalogues import DOMAIN, LOCALE_DIRECTORY
from contract.language.languages import Language

REPOSITORY: Final = Path(__file__).parents[1]
PACKAGES: Final = ("bot", "contract", "worker")
"""Packages whose phrases people read."""
NUM_TEXTS: Final = {"Phrase": 1, "PluralPhrase": 2}
"""Literal texts of each marker."""
FIXED_TIME: Final = datetime(2026, 1, 1, tzinfo=UTC)
TRANSLATED: Final = tuple(language for language in Language if language is not Language.ENGLISH)


class NotLiteralError(ValueError):
    """A phrase of the source is no literal text, so that no catalogue can hold it."""


def find_phrases(source: str, name: str) -> Iterator[str | tuple[str, str]]:
    """
    Yield the phrases of a source file, of plural ones both forms.

    Raises `NotLiteralError`, with `name` and line, if one is no literal.
    """
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=marker), args=args) if marker in NUM_TEXTS:
                texts = args[: NUM_TEXTS[marker]]
            case _:
                continue
        literals = [
            arg.value
            for arg in texts
            if isinstance(arg, ast.Constant) and isinstance(arg.value, str) and arg.value
        ]
        if len(literals) < NUM_TEXTS[marker]:
            raise NotLiteralError(f"{name}:{node.lineno}: {marker} needs literal texts")
        yield literals[0] if len(literals) == 1 else (literals[0], literals[1])


def collect_phrases() -> Catalog:
    """Return an empty catalogue of all phrases of the source, with their files."""
    catalog = Catalog(fuzzy=False)
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            name = str(path.relative_to(REPOSITORY))
            for phrase in find_phrases(path.read_text("utf-8"), name):
                catalog.add(phrase, locations=[(name, 0)])
    return catalog


def locate_catalogue(language: Language) -> Path:
    """Return the path of a language's catalogue for people."""
    return LOCALE_DIRECTORY / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def read_catalogue(language: Language) -> Catalog:
    """Return a language's catalogue, empty if there is none."""
    path = locate_catalogue(language)
    if not path.exists():
        return Catalog(locale=language.value, fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=language.value)


def update_catalogue(language: Language) -> Catalog:
    """Return a language's catalogue with exactly the phrases of the source."""
    old, new = read_catalogue(language), Catalog(locale=language.value, fuzzy=False)
    for message in collect_phrases():
        if message.id:
            known = old.get(message.id)
            translation = known.string if known is not None and not known.fuzzy else None
            new.add(message.id, translation, message.locations)
    return new


def render_catalogue(language: Language, catalog: Catalog) -> bytes:
    """Return a catalogue as the text of a `.po` file. It has no date, so that it is repeatable."""
    header = [
        "# Translations of the sentences that people read. After a change: make catalogues",
        'msgid ""',
        'msgstr ""',
        f'"Language: {language}\\n"',
        f'"Plural-Forms: {catalog.plural_forms}\\n"',
        '"MIME-Version: 1.0\\n"',
        '"Content-Type: text/plain; charset=utf-8\\n"',
        '"Content-Transfer-Encoding: 8bit\\n"',
        "",
        "",
    ]
    body = io.BytesIO()
    write_po(body, catalog, width=100, sort_output=True, omit_header=True, include_lineno=False)
    return "\n".join(header).encode() + body.getvalue()


def compile_catalogue(text: bytes) -> bytes:
    """Return the `.mo` file of a `.po` file."""
    catalog, compiled = read_po(io.BytesIO(text)), io.BytesIO()
    # The file has these times in its header, and changes only with its texts.
    catalog.creation_date = catalog.revision_date = FIXED_TIME
    write_mo(compiled, catalog)
    return compiled.getvalue()


def main() -> int:
    """Update and compile all catalogues; return 1 if one lacks a translation."""
    num_missing = 0
    for language in TRANSLATED:
        catalog, path = update_catalogue(language), locate_catalogue(language)
        text = render_catalogue(language, catalog)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
        path.with_suffix(".mo").write_bytes(compile_catalogue(text))
        missing = [m.id for m in catalog if m.id and not (m.string and all(m.string))]
        num_missing += len(missing)
        print(f"{language.value}: {len(catalog)} phrases, {len(missing)} not translated")
    return 1 if num_missing else 0


if __name__ == "__main__":
    sys.exit(main())
