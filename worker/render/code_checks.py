"""Says whether code parses, by the parsers of the standard library; nothing is ever run."""

import ast
import json
import textwrap
import warnings
from collections import Counter
from collections.abc import Iterable
from typing import Final

from worker.render.pieces import CodeBlock, Piece

MAX_CODE_CHARACTERS: Final = 40_000
"""Longer code is not checked."""
MAX_VERDICTS: Final = 8
"""So many verdicts stand in one line."""

NOT_CHECKED: Final = "not checked"
PARSES: Final = "parses"


def check_code(code: CodeBlock) -> str:
    """Return what a parser says of one block."""
    if code.unclosed:
        return "unfinished, not checked"
    check = {"python": _check_python, "json": _check_json}.get(code.language.name)
    if check is None or len(code.text) > MAX_CODE_CHARACTERS or not code.text.strip():
        return NOT_CHECKED
    try:
        return check(code.text)
    except (MemoryError, RecursionError, ValueError):
        # Hostile nesting or an endless number: it says nothing about the code.
        return NOT_CHECKED


def summarize_checks(pieces: Iterable[Piece]) -> str:
    """Return the verdicts on a message's code as one line; empty where it has no code."""
    blocks = [piece for piece in pieces if isinstance(piece, CodeBlock)]
    verdicts = [
        (block.language.name or "code", block.check_result)
        for block in blocks
        if block.check_result
    ]
    counts = Counter(verdicts)
    sentences = [
        f"{name}: {words}" + (f" ×{times}" if times > 1 else "")
        for (name, words), times in counts.items()
    ]
    more = [f"{len(sentences) - MAX_VERDICTS} more"] if len(sentences) > MAX_VERDICTS else []
    return " · ".join(sentences[:MAX_VERDICTS] + more)


def _check_python(text: str) -> str:
    if text.lstrip().startswith(">>>"):
        return NOT_CHECKED
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(textwrap.dedent(text))
    except SyntaxError as error:
        return f"does not parse (line {error.lineno})" if error.lineno else "does not parse"
    return PARSES


def _check_json(text: str) -> str:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"does not parse (line {error.lineno})"
    return PARSES
