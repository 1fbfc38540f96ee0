"""Code checks: whether a code block parses. Uses the standard library's parsers; runs nothing."""

import ast
import json
import re
import textwrap
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from typing import Final

from worker.render.model import CodeBlock, Piece

MAX_CODE_TOKENS: Final = 5_000
"""Longer code is not checked: a parser holds the interpreter for about 3 µs per token."""
MAX_TOKENS_PER_REPLY: Final = 9_000
"""Tokens of code that are checked in one reply."""
CODE_TOKEN: Final = re.compile(r"\w++|[^\w\s]")
MAX_VERDICTS: Final = 8
"""Verdicts shown in one line."""

NOT_CHECKED: Final = "not checked"
PARSES: Final = "parses"


def attach_checks(pieces: Iterable[Piece]) -> list[Piece]:
    """Return the pieces, each code block with a verdict, until the work limit is reached."""
    remaining_tokens = MAX_TOKENS_PER_REPLY
    checked: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, CodeBlock) and not piece.is_table:
            verdict = check_code(piece, remaining_tokens)
            if verdict != NOT_CHECKED:
                remaining_tokens -= _count_tokens(piece.text)
            checked.append(replace(piece, check_result=verdict))
        else:
            checked.append(piece)
    return checked


def check_code(code: CodeBlock, max_tokens: int = MAX_CODE_TOKENS) -> str:
    """Return a parser's verdict on one code block of at most `max_tokens` tokens."""
    if code.unclosed:
        return "unfinished, not checked"
    check = {"python": _check_python, "json": _check_json}.get(code.language.name)
    if check is None or not 0 < _count_tokens(code.text) <= min(max_tokens, MAX_CODE_TOKENS):
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


def _count_tokens(text: str) -> int:
    """Return about how many tokens a parser would read; more than the maximum counts as that."""
    return sum(1 for _ in islice(CODE_TOKEN.finditer(text), MAX_CODE_TOKENS + 1))


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
