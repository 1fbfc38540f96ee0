"""Test run: shared fixtures, order of the files, coverage, and skips in CI."""

import gc
import os
import sys
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import is_hypothesis_test, settings

from testing.environment import TRACE_PROCESSES
from testing.fork_server import share_servers

# No deadline: the duration of an example depends on other load of the machine.
settings.register_profile("shared", deadline=None)
# CI tries the same examples each time: a failure must not depend on chance.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "shared")

pytest_plugins = ["testing.fixtures", "testing.databases", "testing.unit_tests"]

TRACERS = pytest.StashKey[tuple[Any, Any]]()
"""Coverage's trace functions in a process of a parallel run, for the main and other threads."""
TEST_DIRECTORY = Path(__file__).parent
LONG_TEST_PATHS = ("worker/", "chaos", "e2e", "adversarial", "demo", "tooling")
"""Paths of slow files. They run first, so that none of them runs alone at the end."""
THOROUGH_TEST_PATHS = (
    *("adversarial/", "bench/test_engine", "chaos/test_broken_bots", "chaos/test_scenarios"),
    *("bot/test_settings_page", "bot/test_votes_page", "demo/test_demo", "demo/test_valkey"),
    *("e2e/test_canaries", "e2e/test_rework_page", "e2e/test_smoke", "fakeslack/ui/test_page"),
    *("worker/answering/test_continuations", "worker/answering/test_cut_replies"),
    "worker/answering/test_reworks",
    *("worker/engine/cuda_graphs/test_compiled", "worker/engine/cuda_graphs/test_captured_steps"),
    *("worker/engine/cuda_graphs/test_fake_cuda", "worker/engine/cuda_graphs/test_runner"),
    *("worker/engine/cuda_graphs/test_operation_budgets", "worker/engine/test_child"),
    *("worker/engine/test_distribution", "worker/engine/test_neighbours"),
    *("worker/engine/test_speculative", "worker/engine/test_turns"),
    *("worker/test_process_lifecycle", "worker/test_process_recovery"),
    "worker/test_process_refusals",
)
"""
Paths of files that take half of the time: the page in Chromium, fresh processes, many examples.

`--quick` leaves them out. `make test` does so, `.ci/run` and `make thorough` do not.
"""
INSTALLED_MARKERS = ("redis", "browser", "postgres", "gcc")
"""Markers of tests whose programs `.ci/run` installs."""
MEASURED_TEST_PATHS = (
    *("contract/test_connection_guard", "contract/test_job", "contract/test_listening_socket"),
    *("contract/test_logs", "contract/test_process_memory", "contract/test_thread_pool"),
    *("worker/answering/test_languages", "worker/engine/core/", "worker/prompt/"),
)
"""
Paths of tests that cover lines of pure modules which no unit test covers.

`.ci/run` bounds the coverage of these modules.
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--quick`."""
    parser.addoption("--quick", action="store_true", help="leave out THOROUGH_TEST_PATHS")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out thorough tests before their import."""
    if not config.option.quick or not collection_path.is_relative_to(TEST_DIRECTORY):
        return None
    path = collection_path.relative_to(TEST_DIRECTORY).as_posix()
    return f"{path}/".startswith(THOROUGH_TEST_PATHS) or None


def pytest_configure(config: pytest.Config) -> None:
    """
    Start one set of fork servers for all processes of a parallel run, which are forks too.

    Such a fork is not traced while it collects tests: its server has imported their modules.
    """
    if hasattr(config, "workerinput"):
        config.stash[TRACERS] = sys.gettrace(), threading.gettrace()
        _set_tracers(None, None)
    elif config.getoption("numprocesses", None):
        config.option.tx = [share_servers()] * len(config.option.tx)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow files first."""
    items.sort(key=lambda item: not item.nodeid.removeprefix("tests/").startswith(LONG_TEST_PATHS))


def pytest_collection_finish() -> None:
    """Keep modules and collected tests out of all garbage collections, each a second of a core."""
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """
    Trace unit tests and a few more, and none that runs the same lines thousands of times.

    Tracing would double the time of the others. `make coverage` traces all but the repeated ones.
    """
    before = sys.gettrace(), threading.gettrace()
    is_traced = _is_measured(item) or os.environ.get(TRACE_PROCESSES)
    if is_traced and not _is_repetitive(item):
        _set_tracers(*item.config.stash.get(TRACERS, before))
    else:
        _set_tracers(None, None)
    try:
        return (yield)
    finally:
        _set_tracers(*before)


def _set_tracers(tracer: Any, thread_tracer: Any) -> None:
    sys.settrace(tracer)
    threading.settrace(thread_tracer)


@pytest.fixture(scope="module", autouse=True)
def _disable_process_tracing(request: pytest.FixtureRequest) -> Iterator[None]:
    """Switch coverage off in child processes of a file marked `repeats`."""
    with pytest.MonkeyPatch.context() as patch:
        if request.node.get_closest_marker("repeats"):
            for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
                patch.delenv(name)
        yield


def _is_measured(item: pytest.Item) -> bool:
    is_unit = item.get_closest_marker("unit") is not None
    return is_unit or item.nodeid.removeprefix("tests/").startswith(MEASURED_TEST_PATHS)


def _is_repetitive(item: pytest.Item) -> bool:
    test = getattr(item, "obj", None)
    return item.get_closest_marker("repeats") is not None or is_hypothesis_test(test)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip of such a test into a failure in CI, where `.ci/run` installs its program."""
    report = yield
    needed = [name for name in INSTALLED_MARKERS if item.get_closest_marker(name)]
    if report.skipped and needed and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but .ci/run installs what it needs: {', '.join(needed)}"
    return report
