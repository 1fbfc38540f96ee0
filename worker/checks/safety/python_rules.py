"""Rules for Python: bandit's from medium severity on, and a few of our own."""

import ast
import io
import logging
import re
import textwrap
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from bandit.core import config, manager

from worker.checks.python_code import parse_python
from worker.checks.safety.rules import (
    NEAR_LINES,
    NEAR_PASSWORDS,
    NEAR_TOKENS,
    SQL,
    is_secret_text,
    join_near_lines,
)

BANDIT_RULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "B102": "code-execution",
        "B103": "open-permissions",
        "B104": "bind-all",
        "B201": "debug-on",
        "B202": "archive",
        "B301": "unsafe-deserialization",
        "B302": "unsafe-deserialization",
        "B304": "weak-cipher",
        "B305": "weak-cipher",
        "B306": "temp-file",
        "B307": "code-execution",
        "B308": "cross-site",
        "B323": "tls-off",
        "B501": "tls-off",
        "B502": "tls-off",
        "B503": "tls-off",
        "B505": "weak-cipher",
        "B506": "unsafe-deserialization",
        "B507": "ssh-host-key",
        "B602": "command-injection",
        "B605": "command-injection",
        "B608": "sql-concatenation",
        "B609": "command-injection",
        "B610": "sql-concatenation",
        "B611": "sql-concatenation",
        "B614": "unsafe-deserialization",
        "B701": "cross-site",
        "B702": "cross-site",
        "B703": "cross-site",
    }
)
"""
Our rule for each of bandit's tests that counts. The others have too many false alarms.

Bandit's own words may quote the code, so only our rule's name leaves the process.
"""
SHOWN_SEVERITIES: Final = frozenset({"MEDIUM", "HIGH"})
FILE_CALLS: Final = frozenset(
    {"open", "send_file", "FileResponse", "remove", "unlink", "read_text"}
)
REQUEST_DATA: Final = re.compile(
    r"\brequest\.(?:args|form|values|GET|POST|query_params|json|files|match_info)\b"
)
CLEANED_PATH: Final = re.compile(r"secure_filename|basename|\.name\b|is_relative_to|safe_join")
HASHES: Final = frozenset({"md5", "sha1"})
RANDOM_CALLS: Final = frozenset({"randint", "choice", "choices", "random", "randrange"})
MAX_CALL_CHARACTERS: Final = 400
SQL_TEST: Final = "B608"
"""Bandit's test of SQL, which takes `Select an item from` for SQL."""
SQL_STATEMENT: Final = re.compile(SQL, re.DOTALL)


@cache
def load_bandit() -> Any:
    """Return bandit with all its tests, which takes a quarter of a second once."""
    logging.getLogger("bandit").setLevel(logging.CRITICAL)
    return manager.BanditManager(config.BanditConfig(), "file")


def list_places(text: str) -> Iterator[tuple[str, int]]:
    """Yield rule and line of each place in Python code that parses."""
    text = textwrap.dedent(text)
    try:
        tree = parse_python(text)
    except (SyntaxError, ValueError):
        return
    lines = text.split("\n")
    yield from _run_bandit(text, lines)
    for node in ast.walk(tree):
        yield from (("hardcoded-secret", value.lineno) for value in _list_secrets(node))
        if isinstance(node, ast.Call):
            yield from ((rule, node.lineno) for rule in _check_call(node, lines))


def _run_bandit(text: str, lines: list[str]) -> Iterator[tuple[str, int]]:
    checker = load_bandit()
    checker.results = []
    code = io.BytesIO(text.encode("utf-8", "replace"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        checker._parse_file("<stdin>", code, ["<stdin>"])  # noqa: SLF001
    for issue in checker.results:
        rule = BANDIT_RULES.get(issue.test_id)
        near = "\n".join(lines[issue.lineno - 1 : issue.lineno + NEAR_LINES])
        is_english = issue.test_id == SQL_TEST and SQL_STATEMENT.search(near) is None
        if rule and issue.severity in SHOWN_SEVERITIES and not is_english:
            yield rule, int(issue.lineno)


def _list_secrets(node: ast.AST) -> Iterator[ast.Constant]:
    """Yield the places where a node gives a text to a name."""
    pairs: list[tuple[ast.AST | None, ast.AST | None]] = []
    if isinstance(node, ast.Assign):
        pairs = [(target, node.value) for target in node.targets]
    elif isinstance(node, ast.AnnAssign):
        pairs = [(node.target, node.value)]
    elif isinstance(node, ast.Dict):
        pairs = [*zip(node.keys, node.values, strict=True)]
    elif isinstance(node, ast.keyword):
        pairs = [(ast.Name(node.arg or ""), node.value)]
    for target, value in pairs:
        if (
            isinstance(value, ast.Constant)
            and isinstance(value.value, str)
            and is_secret_text(_read_name(target), value.value)
        ):
            yield value


def _read_name(target: ast.AST | None) -> str:
    """Return the last word of what a value is given to: `password` of `self.password`."""
    match target:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=inner):
            return _read_name(inner)
        case ast.Constant(value=str(name)):
            return name
    return ""


def _check_call(node: ast.Call, lines: list[str]) -> Iterator[str]:
    name = _read_name(node.func)
    near = join_near_lines(lines, node.lineno - 1)
    if name in HASHES and NEAR_PASSWORDS.search(near):
        yield "weak-hash"
    if name in RANDOM_CALLS and _read_owner(node.func) == "random" and NEAR_TOKENS.search(near):
        yield "weak-random"
    if name in FILE_CALLS and any(map(_reads_request, node.args)):
        yield "path-traversal"
    if name == "decode" and any(map(_turns_signature_off, ast.walk(node))):
        yield "signature-off"


def _read_owner(function: ast.expr) -> str:
    return _read_name(function.value) if isinstance(function, ast.Attribute) else ""


def _reads_request(argument: ast.expr) -> bool:
    text = ast.unparse(argument)[:MAX_CALL_CHARACTERS]
    return bool(REQUEST_DATA.search(text)) and not CLEANED_PATH.search(text)


def _turns_signature_off(node: ast.AST) -> bool:
    return isinstance(node, ast.Dict) and any(
        _read_name(key) == "verify_signature"
        and isinstance(value, ast.Constant)
        and value.value is False
        for key, value in zip(node.keys, node.values, strict=True)
    )
