"""
Pytest plugin for the `unit` marker: tests without processes, servers, connections or models.

A test is a unit test if its file imports none of `RESOURCE_MODULES` and its fixtures call none of
`RESOURCE_NAMES`. `-m unit` skips all other files before their import, and fails every test that
starts a process or opens a connection. Property tests are too slow to be unit tests.
`-m 'not unit'` skips the files that hold unit tests alone.
"""

import ast
import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import is_hypothesis_test

Function = ast.FunctionDef | ast.AsyncFunctionDef
TEST_DIRECTORY: Final = Path(__file__).parents[1] / "tests"
TEST_FILES: Final = "test_*.py"
OTHER_TEST_WORDS: Final = ("hypothesis", ".repeats", ".slow", "getfixturevalue")
"""Parts of the text of each file with tests that take too long, or request fixtures by a call."""
RESOURCE_MODULES: Final = frozenset(
    {
        *("aiohttp", "multiprocessing", "playwright", "redis", "socket", "subprocess"),
        *("accelerate", "safetensors", "torch", "transformers"),
        *("contract.connection_guard", "finetune.functional.sandbox"),
        "tests.finetune.train.sample_dialogues",
        *("bench", "chaos.cluster", "chaos.matrix", "chaos.run", "demo.processes", "demo.valkey"),
        *("testing.bolt_app", "testing.browser", "testing.checkpoints"),
        *("testing.fork_server", "testing.inference_process", "testing.inference_server"),
        *(
            "testing.http_proxy",
            "testing.in_process_engine",
            "testing.processes",
            "testing.product",
        ),
        *("testing.postgres_server", "testing.redis_server", "testing.reply_harness"),
        "testing.worker_harness",
        *("testing.workspace", "tests.adversarial", "worker.checks.pool", "worker.engine.loading"),
    }
)
"""Modules that start processes and servers, open connections or load models."""
RESOURCE_NAMES: Final = frozenset(
    {
        "forked_engine_environment",
        *("GuardedRedis", "LoadedCheckpoint", "Process", "Product", "RedisServer"),
        *("PostgresServer", "WorkerHarness", "Workspace", "_provide_database", "open_chromium"),
    }
)
"""Classes and functions that do so in fixtures."""
FORBIDDEN_EVENTS: Final = frozenset(
    {"os.fork", "os.posix_spawn", "socket.bind", "socket.connect", "subprocess.Popen"}
)
"""Audit events of processes and connections (Python's table of audit events)."""


def pytest_configure(config: pytest.Config) -> None:
    """Forbid processes and connections in a run of unit tests only."""
    if config.option.markexpr == "unit":
        sys.addaudithook(_forbid_resources)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip files and folders without selected tests before their import, which may take seconds."""
    if config.option.markexpr == "unit":
        is_skipped = imports_resources
    elif "not unit" in config.option.markexpr:
        is_skipped = holds_unit_tests_only
    else:
        return None
    if collection_path.is_dir():
        return all(map(is_skipped, collection_path.rglob(TEST_FILES))) or None
    return (collection_path.match(TEST_FILES) and is_skipped(collection_path)) or None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a unit test; property tests and tests of thousands of repetitions take too long."""
    if "unit" not in item.config.option.markexpr:
        return  # reading all files takes seconds
    is_long = any(map(item.get_closest_marker, ("repeats", "slow")))
    is_long = is_long or is_hypothesis_test(getattr(item, "obj", None))
    if not is_long and not imports_resources(item.path) and not _requests_resources(item):
        item.add_marker("unit")
    elif holds_unit_tests_only(item.path):
        raise pytest.UsageError(f"{item.nodeid}: no unit test, and a run of the others skips it")


@functools.cache
def imports_resources(path: Path) -> bool:
    """Whether a test file imports a module that starts processes, connects or loads models."""
    return any(
        name == resource or name.startswith(f"{resource}.")
        for name in _list_imports(_read_tree(path))
        for resource in RESOURCE_MODULES
    )


@functools.cache
def holds_unit_tests_only(path: Path) -> bool:
    """
    Whether each test of a file is a unit test, as far as its text shows without an import.

    Neither the file nor a fixture that its tests request, directly or not, needs resources.
    """
    text = path.read_text("utf-8")
    if imports_resources(path) or any(
        word in text for word in (*OTHER_TEST_WORDS, *RESOURCE_NAMES)
    ):
        return False
    requested = set[str]().union(*map(_list_fixtures, _list_functions(_read_tree(path), "test_")))
    return not requested & _find_resource_fixtures()


def list_imported_modules() -> list[str]:
    """Return the modules that test files other than those of unit tests alone import first."""
    files = [path for path in TEST_DIRECTORY.rglob("*.py") if not holds_unit_tests_only(path)]
    found = set[str]()
    for node in (node for path in files for node in _read_tree(path).body):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module))
    return sorted(name for name in found if name.partition(".")[0] != "tests")


@functools.cache
def _find_resource_fixtures() -> frozenset[str]:
    """Return the names of all fixtures in conftest and plugin files that need resources."""
    fixtures = [
        (node.name, _list_fixtures(node) | _list_names(node) & RESOURCE_NAMES)
        for path in (*TEST_DIRECTORY.rglob("conftest.py"), *Path(__file__).parent.glob("*.py"))
        for node in _list_functions(_read_tree(path))
    ]
    found, before = set(RESOURCE_NAMES), 0
    while len(found) > before:
        before = len(found)
        found |= {name for name, requested in fixtures if requested & found}
    return frozenset(found)


def _list_functions(tree: ast.Module, prefix: str = "\0") -> Iterator[Function]:
    """Yield functions with a decorator, as fixtures have one, or with a name of this prefix."""
    for node in ast.walk(tree):
        if isinstance(node, Function) and (node.decorator_list or node.name.startswith(prefix)):
            yield node


def _list_fixtures(function: Function) -> set[str]:
    """Return the names that a test or fixture may request: parameters, and decorators' words."""
    words = (found for decorator in function.decorator_list for found in ast.walk(decorator))
    return {parameter.arg for parameter in function.args.args} | {
        str(word.value) for word in words if isinstance(word, ast.Constant)
    }


def _list_names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


@functools.cache
def _read_tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _list_imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _requests_resources(item: Any) -> bool:
    """Whether any fixture of a test, direct or not, starts a process or loads a model."""
    definitions = item._fixtureinfo.name2fixturedefs.values()
    codes = [getattr(found[-1].func, "__code__", None) for found in definitions]
    return any(RESOURCE_NAMES & set(code.co_names) for code in codes if code)


def _forbid_resources(event: str, arguments: tuple[Any, ...]) -> None:
    if event in FORBIDDEN_EVENTS:
        raise RuntimeError(f"a unit test must not cause the audit event {event}: {arguments!r}")
