"""Parsers of data formats. None of them builds foreign objects or expands an entity."""

import json
import re
from typing import Final

from worker.checks.findings import BROKEN, FINE, Finding

JSON_REASONS: Final = (
    (re.compile(r"Unterminated string"), "open-string"),
    (re.compile(r"Expecting ',' delimiter"), "comma"),
    (re.compile(r"Expecting ':' delimiter"), "colon"),
    (re.compile(r"Expecting property name|trailing comma"), "key"),
    (re.compile(r"Expecting value"), "value"),
    (re.compile(r"Extra data"), "trailing"),
    (re.compile(r"Invalid control character"), "character"),
    (re.compile(r"Invalid \\"), "escape"),
)


def check_json(text: str) -> Finding:
    """Return whether the text is one JSON value."""
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        return Finding(BROKEN, line=error.lineno, why=_find_reason(JSON_REASONS, error.msg))
    return FINE


def _refuse_constant(name: str) -> object:
    """Refuse `NaN` and infinity: Python reads them, and they are no JSON. Raises `ValueError`."""
    raise ValueError(name)


def _find_reason(reasons: tuple[tuple[re.Pattern[str], str], ...], message: str) -> str:
    return next((name for pattern, name in reasons if pattern.search(message)), "")
