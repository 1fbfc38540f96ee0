"""Sources of files: Python by its statements, other code as a whole."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from bot.current_code import top_level
from bot.current_code.blocks import CodeBlock
from bot.current_code.python_source import PythonSource
from contract.code_languages import PLAIN_TEXT, Language, find_language

LANGUAGES_WITHOUT_NAMES: Final = frozenset(
    {
        *("console", "css", "csv", "diff", "dockerfile", "html", "ini", "json", "latex"),
        *("makefile", "markdown", "nginx", "pycon", "sass", "toml", "xml", "yaml"),
    }
)
"""Languages whose top level defines nothing by which a block is known again."""


@dataclass(frozen=True)
class PlainSource:
    """Code that is replaced whole; `has_names` is whether its language defines names."""

    text: str
    has_names: bool = True

    @property
    def definitions(self) -> tuple[str, ...]:
        """Names of functions, classes and types, in order."""
        return self._name_lists[1]

    @cached_property
    def names(self) -> frozenset[str]:
        """All names at the top level."""
        return frozenset((*self._name_lists[0], *self._name_lists[1]))

    @cached_property
    def bodies(self) -> dict[str, str]:
        """The whole text for each name, without empty lines around it."""
        return dict.fromkeys(self.names, self.text.strip("\n"))

    @cached_property
    def _name_lists(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return top_level.find_names(self.text) if self.has_names else ((), ())


Source = PythonSource | PlainSource


def read_source(block: CodeBlock) -> Source:
    """Return the source of a block; code without a language may be Python with definitions."""
    is_unknown = block.language is PLAIN_TEXT and not block.is_labelled
    if is_unknown or block.language.name == "python":
        parsed = PythonSource.parse(block.code)
        if parsed is not None and (not is_unknown or parsed.definitions):
            return parsed
    is_text = block.language is PLAIN_TEXT and block.is_labelled
    return PlainSource(
        block.code, not is_text and block.language.name not in LANGUAGES_WITHOUT_NAMES
    )


def read_language(block: CodeBlock, source: Source) -> Language:
    """Return the language of a block, as its label, its file or its parser tells it."""
    is_python = block.language is PLAIN_TEXT and isinstance(source, PythonSource)
    return find_language("python") if is_python else block.language


def list_keys(source: Source) -> tuple[str, ...]:
    """Return the names by which code without a file's name is known again, in order."""
    return tuple(name for name in source.definitions if name not in top_level.GENERIC_NAMES)


def drop_examples(known: Source, later: Source) -> Source | None:
    """Return a later source without its examples, if the known one runs nothing either."""
    if isinstance(known, PythonSource) and isinstance(later, PythonSource) and known.is_library:
        return later.drop_examples()
    return None


def replace_source(known: Source, later: Source, *, is_posted: bool) -> Source | None:
    """
    Return a source after a later one; `None` if it is unclear what the later one replaces.

    `is_posted` is whether the known one is what a person posted.
    """
    if isinstance(known, PythonSource) and isinstance(later, PythonSource):
        return known.replace_by(later, is_posted=is_posted)
    if not known.names <= later.names or _is_part(known, later):
        return None
    if is_posted and known.names:
        heads = top_level.find_heads(known.text)
        return later if heads <= top_level.find_heads(later.text) else None
    return later


def _is_part(known: Source, later: Source) -> bool:
    """
    Return whether a later source may be a part of what it would replace.

    It lacks a method, or has no names by which to tell and less than half of the lines.
    """
    if known.names:
        return not top_level.find_members(known.text) <= top_level.find_members(later.text)
    lines = Counter(line.strip() for line in known.text.split("\n") if line.strip())
    kept = lines & Counter(line.strip() for line in later.text.split("\n"))
    return lines.total() > 1 and 2 * kept.total() < lines.total()
