"""
Grammars: programming languages whose syntax tree-sitter checks.

A grammar knows a language less well than its compiler does. So a tree with errors is not enough to
call code broken: for most languages, brackets that do not match must be among them.
"""

import functools
import importlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from tree_sitter import Language, Node, Parser

from worker.checks.findings import BROKEN, FINE, NOT_CHECKED, Finding

BRACKETS: Final = {"(": ")", "[": "]", "{": "}"}
REASONS: Final = {"(": "open-paren", "[": "open-bracket", "{": "open-brace"}
ENDS: Final = frozenset({"fi", "done", "esac", "then", "do", ")", "}", "]", '"'})
"""Words and signs that a shell's command lacks where tree-sitter says so."""
PROMPT: Final = re.compile(r"^\$ ((?:.*\\\n)*.*)", re.MULTILINE)
"""A command behind a prompt, with the lines that a backslash joins to it."""
PROMPT_SIGN: Final = re.compile(r"^\$ ", re.MULTILINE)
DIRECTIVE: Final = re.compile(r"^[ \t]*#[ \t]*(?:define|if|el|end|undef)", re.MULTILINE)
"""A line of the C preprocessor: brackets may match only after it has run."""
MAX_CHARACTERS: Final = 16_000
"""Length up to which a grammar is asked that is not strict: some crash over repeated signs."""
HOLE: Final = "§"
"""Place of the code in a context."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """
    One language: the wheel's module, the names of its grammars, and contexts of fragments.

    `is_strict` says that every error in a tree is one of the code, as far as we have measured.
    """

    module: str
    functions: tuple[str, ...] = ("language",)
    contexts: tuple[str, ...] = ()
    is_strict: bool = False
    has_brackets: bool = True
    """Whether brackets match in valid code; those of a shell's patterns and of markup need not."""


PHP_PAGE: Final = "php page"
"""PHP between tags; to this grammar, text without tags is no code."""
CURLY: Final = ("void f() { § ; }",)
GRAMMARS: Final[Mapping[str, Grammar]] = MappingProxyType(
    {
        "bash": Grammar("tree_sitter_bash", has_brackets=False),
        "c": Grammar("tree_sitter_c", contexts=CURLY),
        "cpp": Grammar("tree_sitter_cpp", contexts=(*CURLY, "class A { § };")),
        "csharp": Grammar("tree_sitter_c_sharp", contexts=(*CURLY, "class A { § }")),
        "css": Grammar("tree_sitter_css", contexts=("a { § }",)),
        "go": Grammar("tree_sitter_go", contexts=("func f() { § }",), is_strict=True),
        "haskell": Grammar("tree_sitter_haskell"),
        "html": Grammar("tree_sitter_html", has_brackets=False),
        "java": Grammar("tree_sitter_java", contexts=("class A { § }",), is_strict=True),
        "javascript": Grammar(
            "tree_sitter_javascript", contexts=("class A { § }", "x = { § }"), is_strict=True
        ),
        "julia": Grammar("tree_sitter_julia"),
        "kotlin": Grammar("tree_sitter_kotlin", contexts=("class A { § }",)),
        "lua": Grammar("tree_sitter_lua"),
        "php": Grammar(
            "tree_sitter_php", ("language_php_only",), ("class A { § }",), is_strict=True
        ),
        PHP_PAGE: Grammar("tree_sitter_php", ("language_php",), is_strict=True),
        "ruby": Grammar("tree_sitter_ruby"),
        "rust": Grammar(
            "tree_sitter_rust",
            contexts=("fn f() { § }", "impl A { § }", "match x { § }"),
            is_strict=True,
        ),
        "scala": Grammar("tree_sitter_scala"),
        "swift": Grammar("tree_sitter_swift", contexts=("class A { § }",)),
        "typescript": Grammar(
            "tree_sitter_typescript",
            ("language_typescript", "language_tsx"),
            ("class A { § }", "let x = { § }", "type A = { § }"),
            is_strict=True,
        ),
    }
)


def check_grammar(name: str, text: str) -> Finding:
    """Return whether the code parses, alone or in a context that makes a fragment whole."""
    if name == "bash":
        text = _select_commands(text)
    grammar = GRAMMARS[PHP_PAGE if name == "php" and "<?" in text else name]
    if len(text) > MAX_CHARACTERS and not grammar.is_strict:
        return NOT_CHECKED
    parsers = [_load_parser(grammar.module, function) for function in grammar.functions]
    for context in (HOLE, *grammar.contexts):
        before, _, after = context.partition(HOLE)
        whole = f"{before}{text}\n{after}".encode("utf-8", "replace")
        if not all(parser.parse(whole).root_node.has_error for parser in parsers):
            return FINE
    return _explain_error(
        grammar, parsers[0].parse(f"{text}\n".encode("utf-8", "replace")).root_node
    )


def _select_commands(text: str) -> str:
    """Return the lines with a prompt, without it, if there are any: the others are output."""
    commands = PROMPT.findall(text)
    return "\n".join(commands) if commands else text


def parse_tree(name: str, text: str) -> Node:
    """Return the root of the code's tree, with errors where it does not parse."""
    grammar = GRAMMARS[name]
    parser = _load_parser(grammar.module, grammar.functions[-1])
    # A prompt is no part of a command.
    return parser.parse(PROMPT_SIGN.sub("  ", text).encode("utf-8", "replace")).root_node


@functools.cache
def _load_parser(module: str, function: str) -> Parser:
    return Parser(Language(getattr(importlib.import_module(module), function)()))


def _explain_error(grammar: Grammar, root: Node) -> Finding:
    if grammar.has_brackets:
        if DIRECTIVE.search(root.text.decode("utf-8", "replace") if root.text else ""):
            return NOT_CHECKED
        finding = _find_bracket(root)
    else:
        finding = _find_missing_end(root)
    if finding is not None or not grammar.is_strict:
        return finding or NOT_CHECKED
    rows = [
        node.start_point.row
        for node in walk_tree(root)
        if node.is_missing or (node.is_error and node.start_point.row == node.end_point.row)
    ]
    return Finding(BROKEN, line=rows[0] + 1 if rows else 0)


def _find_bracket(root: Node) -> Finding | None:
    """Return the first bracket that closes nothing, else the last one that nothing closes."""
    opened: list[tuple[str, int]] = []
    for node in walk_tree(root):
        if node.is_named or node.is_missing or not node.type:
            continue
        line = node.start_point.row + 1
        # An interpolation begins with `${` or `#{`.
        if node.type[-1] in BRACKETS:
            opened.append((node.type[-1], line))
        elif node.type in BRACKETS.values() and (
            not opened or BRACKETS[opened.pop()[0]] != node.type
        ):
            return Finding(BROKEN, line=line, why="unmatched")
    return Finding(BROKEN, line=opened[-1][1], why=REASONS[opened[-1][0]]) if opened else None


def _find_missing_end(root: Node) -> Finding | None:
    ends = [node for node in walk_tree(root) if node.is_missing and node.type in ENDS]
    return Finding(BROKEN, line=ends[0].start_point.row + 1, why="end") if ends else None


def walk_tree(root: Node) -> Iterator[Node]:
    """Yield the nodes in the order of the text, without recursion."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack += reversed(node.children)
