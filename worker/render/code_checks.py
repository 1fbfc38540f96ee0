"""Says whether code parses, by the parsers of the standard library; nothing is ever run."""

import ast
import json
import textwrap
import warnings
from collections import Counter
from collections.abc import Iterable
from typing import Final

from worker.render.pieces import Code, Piece

LONGEST: Final = 40_000
"""Longer code is not checked."""
SHOWN: Final = 8
"""So many verdicts stand in one line."""

UNCHECKED: Final = "not checked"
PARSES: Final = "parses"


def verdict(code: Code) -> str:
    """Return what a parser says of one block."""
    if code.open:
        return "unfinished, not checked"
    check = {"python": _python, "json": _json}.get(code.language.name)
    if check is None or len(code.text) > LONGEST or not code.text.strip():
        return UNCHECKED
    try:
        return check(code.text)
    except (MemoryError, RecursionError, ValueError):
        # Hostile nesting or an endless number: it says nothing about the code.
        return UNCHECKED


def line(pieces: Iterable[Piece]) -> str:
    """Return the verdicts on a message's code as one line; empty where it has no code."""
    blocks = [piece for piece in pieces if isinstance(piece, Code)]
    judged = [(block.language.name or "code", block.verdict) for block in blocks if block.verdict]
    counted = Counter(judged)
    said = [
        f"{name}: {words}" + (f" ×{times}" if times > 1 else "")
        for (name, words), times in counted.items()
    ]
    more = [f"{len(said) - SHOWN} more"] if len(said) > SHOWN else []
    return " · ".join(said[:SHOWN] + more)


def _python(text: str) -> str:
    if text.lstrip().startswith(">>>"):
        return UNCHECKED
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(textwrap.dedent(text))
    except SyntaxError as error:
        return f"does not parse (line {error.lineno})" if error.lineno else "does not parse"
    return PARSES


def _json(text: str) -> str:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"does not parse (line {error.lineno})"
    return PARSES
