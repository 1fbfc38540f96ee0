"""Python's own parser, and the reasons in its messages that a reader may see."""

import ast
import re
import sys
import textwrap
import warnings
from typing import Final

from worker.checks.findings import BROKEN, NOT_CHECKED, PARSES, Finding, find_reason

PYTHON: Final = f"python {sys.version_info.major}.{sys.version_info.minor}"
"""The language with its version: code for a later one may not parse."""
REASONS: Final = (
    (re.compile(r"'\(' was never closed"), "open-paren"),
    (re.compile(r"'\[' was never closed"), "open-bracket"),
    (re.compile(r"'\{' was never closed"), "open-brace"),
    (re.compile(r"unterminated .*string"), "open-string"),
    (re.compile(r"unmatched '|closing parenthesis .* does not match"), "unmatched"),
    (re.compile(r"unexpected indent"), "indent"),
    (re.compile(r"expected an indented block"), "no-indent"),
    (re.compile(r"unindent does not match"), "dedent"),
    (re.compile(r"inconsistent use of tabs"), "tabs"),
    (re.compile(r"expected ':'"), "colon"),
    (re.compile(r"forgot a comma"), "comma"),
    (re.compile(r"Missing parentheses in call"), "call"),
    (re.compile(r"[Mm]aybe you meant '=='"), "equals"),
    (re.compile(r"expected 'except' or 'finally'"), "except"),
    (re.compile(r"invalid (?:non-printable )?character"), "character"),
)
"""Parts of the parser's messages, and our names for them. Other messages are not shown."""
LIMIT_MESSAGES: Final = re.compile(r"too many|overflow|too complex|null bytes|Exceeds the limit")
"""Messages of a parser that gave up: the code may still be valid."""
CLAUSES: Final = (
    (re.compile(r"(?:elif|else)\b"), "if x: pass\n"),
    (re.compile(r"(?:except|finally)\b"), "try: pass\n"),
)
"""First words of a fragment that continues a statement, and a line that may precede them."""
FOREIGN_LINE: Final = re.compile(r"^[ \t]*(?:>>>|In \[|[%!]\w|\$ )", re.MULTILINE)
"""A line of a Python console, of a notebook or of a shell."""


def check_python(text: str) -> Finding:
    """Return whether Python's parser accepts the code; a continued statement is a fragment."""
    text = textwrap.dedent(text)
    if text.lstrip().startswith((">>>", "In [")):
        return NOT_CHECKED
    error = _find_error(text)
    for words, line in CLAUSES:
        if error is not None and words.match(text.lstrip()):
            error = _find_error(line + text.lstrip("\n")) and error
    if error is None:
        return Finding(PARSES, PYTHON)
    if FOREIGN_LINE.search(text) or LIMIT_MESSAGES.search(error.msg):
        return NOT_CHECKED
    why = find_reason(REASONS, error.msg)
    return Finding(BROKEN, PYTHON, error.lineno or 0, why)


def _find_error(text: str) -> SyntaxError | None:
    try:
        parse_python(text)
    except SyntaxError as error:
        return error
    return None


def parse_python(text: str) -> ast.Module:
    """Return the syntax tree, without the parser's warnings. Raises what `ast.parse` does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)
