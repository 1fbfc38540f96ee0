"""Python source as its top-level statements, which later code replaces by name."""

import ast
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Self

from bot.current_code.python_statement import (
    ELLIPSIS,
    MAIN_NAME,
    NAMED,
    UNNAMED,
    Kind,
    Statement,
    is_string,
    read_statement,
)

MAX_PARSED_CHARACTERS: Final = 128 * 1024
"""Longer code is not parsed."""
PARSE_ERRORS: Final = (SyntaxError, ValueError, RecursionError, MemoryError)


@dataclass(frozen=True)
class PythonSource:
    """Python source; its statements and its `tail` joined are its text."""

    statements: tuple[Statement, ...]
    tail: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse a text; `None` if it is not divided into lines of statements."""
        if len(text) > MAX_PARSED_CHARACTERS or "\r" in text.replace("\r\n", ""):
            return None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                nodes = ast.parse(text).body
        except PARSE_ERRORS:
            return None
        lines = [f"{line}\n" for line in text.split("\n")]
        lines[-1] = lines[-1][:-1]
        statements: list[Statement] = []
        end = 0
        for node in nodes:
            decorators = getattr(node, "decorator_list", [])
            first = min([node.lineno, *(one.lineno for one in decorators)]) - 1
            last = node.end_lineno or node.lineno
            if first < end:
                return None
            start = _find_comments(lines, end, first) if statements else first
            statements.append(read_statement(node, lines[end:start], lines[start:last]))
            end = last
        return cls(tuple(statements), "".join(lines[end:]))

    @property
    def text(self) -> str:
        """The source."""
        parts = (part for one in self.statements for part in (one.lead, one.body))
        return "".join(parts) + self.tail

    @cached_property
    def names(self) -> frozenset[str]:
        """All names that statements define."""
        return frozenset(self.bodies)

    @cached_property
    def bodies(self) -> dict[str, str]:
        """Text of each named statement by its name, without empty lines around it."""
        return {one.name: one.body.strip() for one in self.statements if one.kind in NAMED}

    @cached_property
    def definitions(self) -> tuple[str, ...]:
        """Names of functions and classes, in order."""
        return tuple(one.name for one in self.statements if one.kind is Kind.DEFINITION)

    @cached_property
    def other_texts(self) -> frozenset[str]:
        """Texts of statements that define no name, imports included."""
        return frozenset(one.name for one in self.statements if one.kind not in NAMED)

    @property
    def is_library(self) -> bool:
        """Whether the source defines names and runs nothing."""
        runs = any(one.kind is Kind.OTHER and not is_string(one) for one in self.statements)
        return bool(self.names) and not runs and MAIN_NAME not in self.names

    def drop_examples(self) -> Self | None:
        """Return the source without what runs behind its definitions; `None` if that is nothing."""
        end = self._find_end()
        return type(self)(self.statements[:end], "") if 0 < end < len(self.statements) else None

    def replace_by(self, later: Self, *, is_posted: bool) -> Self | None:
        """
        Return this source with the statements of a later one; `None` if it is unclear how.

        The later source replaces it whole if it has all of it, or is a program by its own run
        part. Else its statements take the places of those with their names. A posted source is
        never replaced by one that may be an example.
        """
        if self._has_gap_in(later):
            return None
        has_all = self.names <= later.names and self._count_names() <= later._count_names()
        if has_all and self.other_texts <= later.other_texts:
            return later
        if later.names and self._can_merge(later):
            return self._merge(later)
        has_imports = any(one.kind is Kind.IMPORT for one in later.statements)
        needs_imports = any(one.kind is Kind.IMPORT for one in self.statements)
        is_program = has_imports or not needs_imports
        is_whole = has_all and is_program and not is_posted
        return later if is_whole else None

    def _has_gap_in(self, later: Self) -> bool:
        """Return whether a later source leaves out bodies that this one has."""
        known = {one.name: one for one in self.statements if one.kind in NAMED}
        return ELLIPSIS in later.other_texts - self.other_texts or any(
            one.has_gap > known[one.name].has_gap or not known[one.name].members <= one.members
            for one in later.statements
            if one.kind in NAMED and one.name in known
        )

    def _count_names(self) -> Counter[str]:
        return Counter(one.name for one in self.statements if one.kind in NAMED)

    def _can_merge(self, later: Self) -> bool:
        """Return whether each statement of a later source has one place here."""
        named = [one.name for one in later.statements if one.kind in NAMED]
        own = self._count_names()
        others = {one.name for one in later.statements if one.kind is Kind.OTHER}
        is_unique = len(set(named)) == len(named) and all(own[name] <= 1 for name in named)
        is_clear = is_unique and UNNAMED not in named
        return is_clear and others <= self.other_texts

    def _merge(self, later: Self) -> Self:
        statements = list(self.statements)
        places = {one.name: index for index, one in enumerate(statements) if one.kind in NAMED}
        added: dict[int, list[Statement]] = {}
        given = [*map(_take_comments, later.statements[:1]), *later.statements[1:]]
        for statement, place in _find_places(given, places, self._find_end()):
            if statement.name in places:
                known = statements[place]
                body = _match_line_end(statement.body, known.body)
                statements[place] = replace(statement, lead=known.lead, body=body)
            else:
                added.setdefault(place, []).append(statement)
        new_imports = [
            one
            for one in later.statements
            if one.kind is Kind.IMPORT and one.name not in self.other_texts
        ]
        line_end = "\r\n" if "\r\n" in self.text else "\n"
        return type(self)(
            tuple(_join_statements(statements, added, new_imports, line_end)), self.tail
        )

    def _find_end(self) -> int:
        """Return the place of new definitions: before the statements that run the program."""
        end = len(self.statements)
        while end and (
            self.statements[end - 1].kind is Kind.OTHER
            or self.statements[end - 1].name == MAIN_NAME
        ):
            end -= 1
        return end


def _find_comments(lines: Sequence[str], end: int, first: int) -> int:
    """Return the index of the first comment directly above a statement."""
    while first > end and lines[first - 1].startswith("#"):
        first -= 1
    return first


def _take_comments(statement: Statement) -> Statement:
    """Return a source's first statement with the comments above it, which may be a heading."""
    lines = statement.lead.splitlines(keepends=True)
    start = _find_comments(lines, 0, len(lines))
    body = "".join(lines[start:]) + statement.body
    return replace(statement, lead="".join(lines[:start]), body=body)


def _find_places(
    later: Sequence[Statement], places: dict[str, int], end: int
) -> Iterable[tuple[Statement, int]]:
    """
    Return the named statements of a later source, each with its place in the earlier one.

    A new statement goes before the next one that is known, else behind the one before it.
    """
    found: list[tuple[Statement, int]] = []
    following: int | None = None
    for statement in reversed([one for one in later if one.kind in NAMED]):
        following = places.get(statement.name, following)
        found.append((statement, -1 if following is None else following))
    found.reverse()
    previous = None
    for index, (statement, place) in enumerate(found):
        if place < 0:
            found[index] = statement, end if previous is None else previous + 1
        elif statement.name in places:
            previous = place
    return found


def _match_line_end(body: str, known: str) -> str:
    return body if body.endswith("\n") or not known.endswith("\n") else f"{body}\n"


def _join_statements(
    statements: Sequence[Statement],
    added: dict[int, list[Statement]],
    imports: Sequence[Statement],
    line_end: str,
) -> list[Statement]:
    """Return statements with new ones before their places, and new imports with the others."""
    first, last = _find_import_places(statements)
    new = {place: list[Statement]() for place in (first, last, *added)}
    for one in imports:
        new[first if one.name.startswith("from __future__") else last].append(one)
    for place, definitions in added.items():
        new[place] += definitions
    joined: list[Statement] = []
    for index in range(len(statements) + 1):
        for one in new.get(index, ()):
            joined.append(_space_statement(one, joined, line_end))
        if index < len(statements):
            known = statements[index]
            is_moved = bool(new.get(index)) and not known.lead
            joined.append(_space_statement(known, joined, line_end) if is_moved else known)
    return joined


def _find_import_places(statements: Sequence[Statement]) -> tuple[int, int]:
    """Return the place behind a docstring, and the one behind the first imports."""
    first = int(bool(statements) and statements[0].kind is Kind.OTHER and is_string(statements[0]))
    last = first
    while last < len(statements) and statements[last].kind is Kind.IMPORT:
        last += 1
    return first, last


def _space_statement(one: Statement, before: Sequence[Statement], line_end: str) -> Statement:
    """Return a statement that was put behind others, with empty lines around a definition."""
    lead = line_end * 2 if before and one.kind is Kind.DEFINITION else ""
    if before and not before[-1].body.endswith("\n"):
        lead += line_end
    body = one.body if one.body.endswith("\n") else f"{one.body}{line_end}"
    return replace(one, lead=lead, body=body)
