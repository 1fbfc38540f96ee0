"""Language rules: banned words, module docstrings, names of functions and constants, file sizes."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pytest

REPOSITORY: Final = Path(__file__).parents[2]
PRODUCT: Final = ("bot", "worker", "contract", "fakeslack", "demo", "bench", "scripts", "finetune")
SUPPORT: Final = ("testing", "chaos")
PACKAGES: Final = (*PRODUCT, *SUPPORT, "tests")
BANNED: Final = re.compile(
    r"\b(nobody|somebody|whoever|whatever|anew|of ours|of its own|goes on|stands|is told"
    r"|as long as|for ever|meanwhile|thought better)\b",
    re.IGNORECASE,
)
"""Words that hide the actor or the condition of a sentence."""
TEXT_MODULES: Final = ("contract/texts.py", "bot/texts.py", "worker/render/texts.py")
"""Modules of sentences that people read in Slack; all of their strings are checked."""
RIDDLE_OPENING: Final = re.compile(r"(What|Who|How|Where|Whether)\b")
SUPERLATIVE: Final = re.compile(
    r"(MOST|LEAST|LONGEST|LARGEST|SMALLEST|WIDEST|FEW|MANY|SHORTEST|SLOWEST|PATIENCE|ENOUGH|KEPT)(_|$)"
)
IRREGULAR_PARTICIPLES: Final = frozenset(
    {
        *("begun", "built", "chosen", "done", "drawn", "felt", "found", "given", "gone", "grown"),
        *("heard", "held", "kept", "known", "laid", "left", "lost", "made", "meant", "paid"),
        *("said", "seen", "sent", "shown", "taken", "told", "won", "written"),
    }
)
NOT_PARTICIPLES: Final = frozenset({"embed", "feed", "need", "seed", "shed", "speed"})
MAX_FILES_PER_NAME: Final = 8
"""Maximum files that define a function of one name: a protocol and its implementations."""
MAX_TEST_LINES: Final = 300


def list_files(*packages: str, pattern: str = "*.py") -> list[str]:
    """Return the files of packages that match a pattern."""
    found = (path for package in packages for path in (REPOSITORY / package).rglob(pattern))
    return sorted(str(path.relative_to(REPOSITORY)) for path in found)


@dataclass(frozen=True, slots=True)
class FileNames:
    """What the rules read of a file. Its syntax tree is not kept: all trees take a gigabyte."""

    docstring: str
    docstrings: list[str]
    """All docstrings, including those under attributes."""
    strings: list[str]
    functions: list[str]
    constants: list[str]
    """Names that the module's own statements assign."""


@cache
def read_names(file: str) -> FileNames:
    """Parse a file and return what the rules read of it."""
    tree = ast.parse((REPOSITORY / file).read_text("utf-8"))
    names = FileNames(ast.get_docstring(tree) or "", [], [], [], [])
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=value)):
                names.docstrings.append(str(value))
            case ast.Constant(value=value):
                names.strings.append(str(value))
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.functions.append(name)
    names.constants.extend(
        node.id
        for statement in tree.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )
    return names


def find_functions(files: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the file and the name of every function."""
    for file in files:
        for name in read_names(file).functions:
            yield file, name


def is_participle(name: str) -> bool:
    """Whether a public function's name is a bare participle, such as `warmed` or `told`."""
    is_past = name.endswith("ed") or name in IRREGULAR_PARTICIPLES
    return is_past and "_" not in name and name not in NOT_PARTICIPLES


@pytest.mark.parametrize("package", PACKAGES)
def test_docstrings_use_no_banned_word(package: str) -> None:
    """Docstrings name the actor and the condition."""
    found = {
        f"{file}: {word}"
        for file in list_files(package)
        for text in read_names(file).docstrings
        for word in BANNED.findall(text)
    }

    assert found == set()


def test_user_messages_and_documents_use_no_banned_word() -> None:
    """Sentences for people follow the same rule as docstrings."""
    texts = [
        (file, text)
        for file in TEXT_MODULES
        if (REPOSITORY / file).exists()
        for text in read_names(file).strings
    ]
    documents = ["README.md", "CONTRIBUTING.md", "SECURITY.md", *list_files("docs", pattern="*.md")]
    texts += [(file, (REPOSITORY / file).read_text("utf-8")) for file in documents]

    assert {f"{file}: {word}" for file, text in texts for word in BANNED.findall(text)} == set()


def test_module_docstrings_are_no_riddles() -> None:
    """A module names itself: its docstring opens with a noun phrase or an imperative."""
    openings = {file: read_names(file).docstring for file in list_files(*PACKAGES)}

    assert [file for file, text in openings.items() if RIDDLE_OPENING.match(text)] == []


def test_no_public_function_is_named_by_a_participle() -> None:
    """A function's name is an imperative, or a noun for properties."""
    functions = find_functions(list_files(*PRODUCT, *SUPPORT))

    assert [f"{file}: {name}" for file, name in functions if is_participle(name)] == []


def test_no_constant_is_named_by_a_superlative() -> None:
    """A bound is named MAX, MIN or DEFAULT, with the thing and its unit."""
    found = [
        f"{file}: {name}"
        for file in list_files(*PACKAGES)
        for name in read_names(file).constants
        if SUPERLATIVE.match(name)
    ]

    assert found == []


def test_function_names_are_searchable() -> None:
    """Few files define a function of the same name, so that a search finds it."""
    files = defaultdict(set)
    for file, name in find_functions(list_files(*PRODUCT, *SUPPORT)):
        files[name].add(file)
    often = {name for name, where in files.items() if len(where) > MAX_FILES_PER_NAME}

    assert {name for name in often if not name.startswith("__")} == {"main"}


def test_test_files_are_short() -> None:
    """A test file fits into one reading."""
    lines = {
        file: len((REPOSITORY / file).read_bytes().splitlines()) for file in list_files("tests")
    }

    assert {file: count for file, count in lines.items() if count > MAX_TEST_LINES} == {}
