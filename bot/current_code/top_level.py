"""Names at the top level of code in languages other than Python, found line by line."""

import re
from typing import Final

MAX_LINE_CHARACTERS: Final = 200
"""Characters of a line that are searched."""
MODIFIERS: Final = (
    r"(?:(?:export|default|declare|public|private|protected|internal|static|final|abstract|async"
    r"|sealed|partial|pub(?:\([a-z]{1,9}\))?|unsafe|open|data|local|suspend)\s++){0,6}"
)
DEFINITION: Final = re.compile(
    rf"{MODIFIERS}(?:(?:class|interface|enum(?:\s++class)?|struct|trait|object|record|module"
    r"|namespace|function\*?|fn|func|fun|def|sub|type|union|protocol)\s++)"
    r"(?:\([^()]{0,80}\)\s*+)?([A-Za-z_$][\w$.]*+)"
)
ARROW: Final = re.compile(
    rf"{MODIFIERS}(?:const|let|var)\s++([A-Za-z_$][\w$]*+)[^=]{{0,80}}+=\s*+"
    r"(?:async\b|function\b|class\b|\(|[A-Za-z_$][\w$]*+\s*+=>)"
)
VARIABLE: Final = re.compile(rf"{MODIFIERS}(?:const|let|var|val)\s++([A-Za-z_$][\w$]*+)")
SHELL_FUNCTION: Final = re.compile(r"([A-Za-z_][\w-]*+)\s*+\(\)\s*+\{")
TABLE: Final = re.compile(
    r"create\s++(?:or\s++replace\s++)?(?:temp(?:orary)?\s++|unique\s++)?"
    r"(?:table|view|function|procedure|trigger|index)\s++(?:if\s++not\s++exists\s++)?"
    r"[`\"\[]?([A-Za-z_][\w.$]*+)",
    re.IGNORECASE,
)
METHOD: Final = re.compile(
    r"(?:[\w<>\[\],.?&*:~]++\s++){0,5}([A-Za-z_$~\#][\w$]*+)\s*+\([^;{}]{0,160}\)[^;{}=]{0,80}+\{"
)
CONTROL_WORDS: Final = frozenset({"catch", "for", "if", "switch", "while"})
"""Words before parentheses and a block that define nothing."""
HEAD: Final = re.compile(r"[A-Za-z_$@][^\n]*+")
"""A line at the top level that begins a statement."""
GENERIC_NAMES: Final = frozenset({"main", "Main", "Program", "test", "run", "solution"})
"""Names that unrelated programs share."""


def find_names(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the variables and the definitions at the top level of code, each in order."""
    variables: dict[str, None] = {}
    definitions: dict[str, None] = {}
    for line in text.split("\n"):
        head = line[:MAX_LINE_CHARACTERS]
        name = _find_definition(head)
        if name:
            definitions[name] = None
        elif found := VARIABLE.match(head):
            variables[found[1]] = None
    return tuple(variables), tuple(definitions)


def find_members(text: str) -> frozenset[str]:
    """Return the names that indented lines define, such as those of methods."""
    lines = (line[:MAX_LINE_CHARACTERS] for line in text.split("\n") if line[:1].isspace())
    found = (_find_definition(line.strip()) or _find_method(line.strip()) for line in lines)
    return frozenset(found) - {""}


def find_heads(text: str) -> frozenset[str]:
    """Return the lines at the top level that begin a statement and name nothing."""
    lines = (line.rstrip() for line in text.split("\n") if HEAD.match(line))
    return frozenset(line for line in lines if not _names_something(line[:MAX_LINE_CHARACTERS]))


def _names_something(line: str) -> bool:
    return bool(_find_definition(line)) or VARIABLE.match(line) is not None


def _find_definition(line: str) -> str:
    if not line[:1].strip():
        return ""
    for pattern in (DEFINITION, ARROW, SHELL_FUNCTION, TABLE):
        if found := pattern.match(line):
            return str(found[1])
    return ""


def _find_method(line: str) -> str:
    found = METHOD.match(line)
    return "" if found is None or found[1] in CONTROL_WORDS else found[1]
