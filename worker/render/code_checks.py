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

from contract.code_verdicts import MAX_NUMBER, CodeVerdict, VerdictKind
from worker.render.model import CodeBlock, Piece

MAX_CODE_TOKENS: Final = 5_000
"""Longer code is not checked: a parser holds the interpreter for about 3 µs per token."""
MAX_TOKENS_PER_REPLY: Final = 9_000
"""Tokens of code that are checked in one reply."""
CODE_TOKEN: Final = re.compile(r"\w++|[^\w\s]")


def attach_checks(pieces: Iterable[Piece]) -> list[Piece]:
    """Return the pieces, each code block with a verdict, until the work limit is reached."""
    remaining_tokens = MAX_TOKENS_PER_REPLY
    checked: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, CodeBlock) and not piece.is_table:
            verdict = check_code(piece, remaining_tokens)
            if verdict.kind is not VerdictKind.UNCHECKED:
                remaining_tokens -= _count_tokens(piece.text)
            checked.append(replace(piece, verdict=verdict))
        else:
            checked.append(piece)
    return checked


def check_code(code: CodeBlock, max_tokens: int = MAX_CODE_TOKENS) -> CodeVerdict:
    """Return a parser's verdict on one code block of at most `max_tokens` tokens."""
    kind, line = _parse_code(code, max_tokens)
    return CodeVerdict(kind=kind, code=code.language.name, line=min(MAX_NUMBER, max(0, line)))


def count_verdicts(pieces: Iterable[Piece]) -> tuple[CodeVerdict, ...]:
    """Return the verdicts on a message's code blocks, equal ones as one."""
    counts = Counter(
        piece.verdict
        for piece in pieces
        if isinstance(piece, CodeBlock) and piece.verdict is not None
    )
    return tuple(
        verdict.model_copy(update={"blocks": min(MAX_NUMBER, blocks)})
        for verdict, blocks in counts.items()
    )


def _parse_code(code: CodeBlock, max_tokens: int) -> tuple[VerdictKind, int]:
    """Return what a parser says, and the line that does not parse; 0 if there is none."""
    if code.unclosed:
        return VerdictKind.UNFINISHED, 0
    parse = {"python": _parse_python, "json": _parse_json}.get(code.language.name)
    if parse is None or not 0 < _count_tokens(code.text) <= min(max_tokens, MAX_CODE_TOKENS):
        return VerdictKind.UNCHECKED, 0
    try:
        return parse(code.text)
    except (MemoryError, RecursionError, ValueError):
        # Hostile nesting or a huge number: the parser gave up, so the code may still be valid.
        return VerdictKind.UNCHECKED, 0


def _count_tokens(text: str) -> int:
    """Return about how many tokens a parser would read; more than the maximum counts as that."""
    return sum(1 for _ in islice(CODE_TOKEN.finditer(text), MAX_CODE_TOKENS + 1))


def _parse_python(text: str) -> tuple[VerdictKind, int]:
    if text.lstrip().startswith(">>>"):
        return VerdictKind.UNCHECKED, 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(textwrap.dedent(text))
    except SyntaxError as error:
        return VerdictKind.BROKEN, error.lineno or 0
    return VerdictKind.PARSES, 0


def _parse_json(text: str) -> tuple[VerdictKind, int]:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return VerdictKind.BROKEN, error.lineno
    return VerdictKind.PARSES, 0
