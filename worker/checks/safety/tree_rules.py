"""Search of a syntax tree of tree-sitter for places that match rules."""

import re
from collections.abc import Iterator
from typing import Final

from tree_sitter import Node

from worker.checks.grammars import parse_tree, walk_tree
from worker.checks.safety.rules import (
    ASSIGNED_TEXT,
    ASSIGNMENTS,
    MAX_NODE_CHARACTERS,
    RULES,
    Rule,
    is_secret_text,
    join_near_lines,
)

HARDCODED: Final = "hardcoded-secret"
MAX_LINE_CHARACTERS: Final = 200
QUOTES: Final = re.compile(r"[\"'`]")


def list_places(language: str, text: str) -> Iterator[tuple[str, int]]:
    """Yield rule and line of each place in code of a language of `RULES`."""
    rules = RULES[language]
    types = frozenset().union(*(rule.types for rule in rules)) | ASSIGNMENTS[language]
    lines = [line[:MAX_LINE_CHARACTERS] for line in text.split("\n")]
    for node in walk_tree(parse_tree(language, text)):
        if node.type not in types:
            continue
        code = (node.text or b"")[:MAX_NODE_CHARACTERS].decode("utf-8", "replace")
        row = node.start_point.row
        near = join_near_lines(lines, row)
        yield from ((rule.name, row + 1) for rule in rules if _matches(rule, node, code, near))
        if node.type in ASSIGNMENTS[language] and _holds_secret(code, language):
            yield HARDCODED, row + 1


def _matches(rule: Rule, node: Node, code: str, near: str) -> bool:
    return (
        node.type in rule.types
        and rule.pattern.search(code) is not None
        and (rule.near is None or rule.near.search(near) is not None)
        and (rule.unless is None or rule.unless.search(code) is None)
    )


def _holds_secret(code: str, language: str) -> bool:
    found = ASSIGNED_TEXT.match(code)
    # Only a shell needs no quotes.
    has_quotes = QUOTES.search(code) is not None or language == "bash"
    return found is not None and has_quotes and is_secret_text(found[1], found[2])
