"""Code checks: whether a code block parses. Uses the standard library's parsers; runs nothing."""

import ast
import json
import textwrap
import warnings
from collections import Counter
from collections.abc import Iterable
from typing import Final

from worker.render.model import CodeBlock, Piece

MAX_CODE_CHARACTERS: Final = 40_000
"""Longer code is not checked."""
MAX_VERDICTS: Final = 8
"""Verdicts shown in one line."""

NOT_CHECKED: Final = "not checked"
PARSES: Final = "parses"


def check_code(code: CodeBlock) -> str:
    """Return a parser's verdict on one code block."""
    if code.unclosed:
        return "unfinished, not checked"
    check = {"python": _check_python, "json": _check_json}.get(code.language.name)
    if check is None or len(code.text) > MAX_CODE_CHARACTERS or not code.text.strip():
        return NOT_CHECKED
    try:
        return check(code.text)
    except (MemoryError, RecursionError, ValueError):
        # Hostile nesting or a huge number: the parser gave up, so the code may still be valid.
        return NOT_CHECKED


def summarize_checks(pieces: Iterable[Piece]) -> str:
    """Return the verdicts on a message's code blocks as one line; empty if it has none."""
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
