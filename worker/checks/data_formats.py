"""Parsers of data formats. None of them builds foreign objects or expands an entity."""

import json
import re
import tomllib
from typing import Final
from xml.parsers import expat

import yaml

from worker.checks.findings import BROKEN, FINE, NOT_CHECKED, Finding, find_reason

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
TOML_REASONS: Final = (
    (re.compile(r"Unterminated string|Expected ['\"]+ \("), "open-string"),
    (re.compile(r"Cannot overwrite|Cannot declare|Duplicate inline"), "twice"),
    (re.compile(r"Expected '=' after"), "assignment"),
    (re.compile(r"Invalid value"), "value"),
    (re.compile(r"Unclosed array"), "open-bracket"),
    (re.compile(r"Unclosed inline table"), "open-brace"),
    (re.compile(r"Expected newline or end of document"), "trailing"),
    (re.compile(r"Unescaped '"), "escape"),
)
TOML_LINE: Final = re.compile(r"\(at line (\d{1,9}), column \d+\)\Z")
YAML_REASONS: Final = (
    (re.compile(r"mapping values are not allowed"), "no-colon"),
    (re.compile(r"cannot start any token"), "character"),
    (re.compile(r"found a tab character"), "tab"),
    (re.compile(r"unexpected end of stream"), "end"),
    (re.compile(r"unknown escape"), "escape"),
)
XML_REASONS: Final = (
    (re.compile(r"mismatched tag"), "tag"),
    (re.compile(r"no element found|unclosed"), "end"),
    (re.compile(r"duplicate attribute"), "twice"),
)
XML_LIMITS: Final = re.compile(r"undefined entity|entity|out of memory|encoding")
"""Messages about what a document type may declare elsewhere, and about expat's own limits."""
XML_FRAGMENT: Final = re.compile(r"junk after document element|syntax error")
XML_DECLARATION: Final = re.compile(r"\s*<\?xml [^>]{0,200}\?>")


def check_json(text: str) -> Finding:
    """Return whether the text is one JSON value."""
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        if _is_json_lines(text):
            return FINE
        return Finding(BROKEN, line=error.lineno, why=find_reason(JSON_REASONS, error.msg))
    return FINE


def check_toml(text: str) -> Finding:
    """Return whether the text is a TOML document."""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        line = TOML_LINE.search(message)
        number = int(line[1]) if line else text.rstrip().count("\n") + 1
        return Finding(BROKEN, line=number, why=find_reason(TOML_REASONS, message))
    return FINE


def check_yaml(text: str) -> Finding:
    """Return whether the text is a stream of YAML documents, by its events: nothing is built."""
    try:
        for _ in yaml.parse(text, yaml.CSafeLoader):
            pass
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        return Finding(BROKEN, line=line, why=find_reason(YAML_REASONS, error.problem or ""))
    except yaml.YAMLError:
        return Finding(BROKEN, why="character")
    return FINE


def check_xml(text: str) -> Finding:
    """Return whether the text is well-formed XML: a document, or elements of one."""
    error = _find_xml_error(text.lstrip())
    if error is not None and XML_FRAGMENT.search(expat.ErrorString(error.code)):
        declaration = XML_DECLARATION.match(text)
        elements = text[declaration.end() if declaration else 0 :]
        error = _find_xml_error(f"<x>{elements}</x>") and error
    if error is None:
        return FINE
    message = expat.ErrorString(error.code)
    if XML_LIMITS.search(message):
        return NOT_CHECKED
    line = error.lineno + text[: len(text) - len(text.lstrip())].count("\n")
    return Finding(BROKEN, line=line, why=find_reason(XML_REASONS, message))


def _find_xml_error(text: str) -> expat.ExpatError | None:
    """Parse without external documents. Raises `ValueError` where an entity is declared."""
    parser = expat.ParserCreate("utf-8")
    parser.EntityDeclHandler = _refuse_entity
    try:
        parser.Parse(text.encode("utf-8", "replace"), True)  # noqa: FBT003 - takes no keywords
    except expat.ExpatError as error:
        return error
    return None


def _refuse_entity(*_: object) -> None:
    raise ValueError("an entity is declared")


def _is_json_lines(text: str) -> bool:
    """Return whether each line is a JSON value, of which there is more than one."""
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        for line in lines:
            json.loads(line, parse_constant=_refuse_constant)
    except ValueError:
        return False
    return len(lines) > 1


def _refuse_constant(name: str) -> object:
    """Refuse `NaN` and infinity: Python reads them, and they are no JSON. Raises `ValueError`."""
    raise ValueError(name)
