"""Statements at the top level of Python code."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

MAIN_NAME: Final = "if __name__"
"""Name of the statement that runs a program."""
UNNAMED: Final = "_"
"""Name of functions that are not called by it: several have it."""
ELLIPSIS: Final = "..."
"""Statement in place of others that the model has left out."""


class Kind(Enum):
    """Kind of a statement."""

    IMPORT = auto()
    DEFINITION = auto()
    """A function or class."""
    VARIABLE = auto()
    """Another statement with a name: an assignment, or `MAIN_NAME`."""
    OTHER = auto()


NAMED: Final = frozenset({Kind.DEFINITION, Kind.VARIABLE})


@dataclass(frozen=True, slots=True)
class Statement:
    """
    A statement at the top level, with the comments directly above it.

    `lead` are the lines before it. `name` is its text if it defines no name.
    """

    lead: str
    body: str
    kind: Kind
    name: str
    members: frozenset[str] = frozenset()
    """Names that a class defines in its body."""
    has_gap: bool = False
    """Whether `...` is in place of lines of its body."""


def read_statement(node: ast.stmt, lead: Sequence[str], body: Sequence[str]) -> Statement:
    """Return a statement by its lines and those before it."""
    text = "".join(body)
    members, has_gap = frozenset[str](), False
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            kind, name = Kind.DEFINITION, node.name
            has_gap = _has_ellipsis(node.body)
            members = _find_members(node) if isinstance(node, ast.ClassDef) else members
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            kind = Kind.VARIABLE
        case ast.If(test=ast.Compare(left=ast.Name(id="__name__"))):
            kind, name = Kind.VARIABLE, MAIN_NAME
        case ast.Import() | ast.ImportFrom():
            kind, name = Kind.IMPORT, text.strip()
        case _:
            kind, name = Kind.OTHER, text.strip()
    return Statement("".join(lead), text, kind, name, members, has_gap)


def _find_members(node: ast.ClassDef) -> frozenset[str]:
    """Return the names that a class defines; a method of which only `...` is there is none."""
    names: set[str] = set()
    for one in node.body:
        match one:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names |= set() if _has_ellipsis(one.body) else {one.name}
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case _:
                pass
    return frozenset(names)


def _has_ellipsis(body: Sequence[ast.stmt]) -> bool:
    """Return whether `...` is one of the statements."""
    return any(
        isinstance(one, ast.Expr)
        and isinstance(one.value, ast.Constant)
        and one.value.value is Ellipsis
        for one in body
    )


def is_string(statement: Statement) -> bool:
    """Return whether a statement is a string alone, such as a docstring."""
    return statement.name.lstrip("rRuU")[:1] in {'"', "'"}
