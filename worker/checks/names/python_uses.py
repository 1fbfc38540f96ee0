"""Dotted names in Python code: what it imports, and attributes of what it imports."""

import ast
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from worker.checks.python_code import parse_python

MAX_NODES: Final = 50_000
"""Larger code is not examined."""
LOCAL: Final = "."
"""Prefix of a relative import."""
MISSING_NAME_ERRORS: Final = frozenset({"ImportError", "ModuleNotFoundError", "AttributeError"})
VERSION_NAMES: Final = frozenset({"hasattr", "version_info", "version", "platform", "__version__"})
"""Names in a condition after which code may use what is not there everywhere."""


@dataclass(frozen=True, slots=True)
class DottedName:
    """A name that code imports or uses by what it imports, as `os.path.join`."""

    name: str
    line: int
    is_import: bool


class _Import(NamedTuple):
    """A name that a statement imports; `alias` then means `target`."""

    statement: ast.stmt
    alias: str
    name: str
    target: str


def list_dotted_names(text: str) -> list[DottedName]:
    """
    Return the dotted names that start at an imported module, in order.

    A name that the code binds in another way too is left out. Code that does not parse has none.
    Raises `RecursionError` and `MemoryError` for code that is nested too deep.
    """
    try:
        tree = parse_python(textwrap.dedent(text))
    except (SyntaxError, ValueError):
        return []
    nodes = []
    for node in ast.walk(tree):
        nodes.append(node)
        if len(nodes) > MAX_NODES:
            return []
    imports = [one for node in nodes for one in _list_imports(node)]
    guarded = {id(inner) for node in nodes for inner in _list_guarded_nodes(node)}
    bound = {name for node in nodes for name in _list_bindings(node)}
    aliases = _map_aliases(imports, bound)
    found = [
        DottedName(one.name, one.statement.lineno, is_import=True)
        for one in imports
        if id(one.statement) not in guarded
    ]
    inner = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    for node in nodes:
        if isinstance(node, ast.Attribute) and id(node) not in inner and id(node) not in guarded:
            name = _resolve_attribute(node, aliases)
            if name is not None:
                found.append(DottedName(name, node.lineno, is_import=False))
    return sorted(found, key=lambda one: one.line)


def _map_aliases(imports: list[_Import], bound: set[str]) -> dict[str, str]:
    """Return the dotted name behind each name that means one thing in the whole code."""
    meanings: dict[str, set[str]] = {}
    for found in imports:
        meanings.setdefault(found.alias, set()).add(found.target)
    return {
        alias: targets.pop()
        for alias, targets in meanings.items()
        if len(targets) == 1 and alias not in bound
    }


def _list_imports(node: ast.AST) -> Iterator[_Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            # `import os.path` binds `os`.
            top = alias.name.split(".")[0]
            target = alias.name if alias.asname else top
            yield _Import(node, alias.asname or top, alias.name, target)
    elif isinstance(node, ast.ImportFrom):
        prefix = LOCAL if node.level else ""
        for alias in node.names:
            name = node.module or "" if alias.name == "*" else f"{node.module}.{alias.name}"
            yield _Import(node, alias.asname or alias.name, prefix + name, prefix + name)


def _list_guarded_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of code that expects a name to be missing."""
    if isinstance(node, ast.Try) and any(map(_catches_missing_names, node.handlers)):
        statements = node.body
    elif isinstance(node, ast.If) and _tests_versions(node.test):
        statements = [*node.body, *node.orelse]
    else:
        return
    for statement in statements:
        yield from ast.walk(statement)


def _catches_missing_names(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or any(
        isinstance(node, ast.Name) and node.id in MISSING_NAME_ERRORS
        for node in ast.walk(handler.type)
    )


def _tests_versions(test: ast.expr) -> bool:
    """Whether a condition asks what there is, as `hasattr(os, "fork")`."""
    names = {
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(test)
        if isinstance(node, ast.Name | ast.Attribute)
    }
    return bool(names & VERSION_NAMES)


def _list_bindings(node: ast.AST) -> Iterator[str]:
    """Yield names that a node binds otherwise than by an import."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.ExceptHandler) and node.name:
        yield node.name


def _resolve_attribute(node: ast.Attribute, aliases: dict[str, str]) -> str | None:
    """Return the dotted name of an attribute of an imported name; `None` for any other."""
    parts: list[str] = []
    inner: ast.expr = node
    while isinstance(inner, ast.Attribute):
        parts.append(inner.attr)
        inner = inner.value
    if not isinstance(inner, ast.Name) or inner.id not in aliases:
        return None
    return ".".join([aliases[inner.id], *reversed(parts)])
