"""How all tests run: which come first, what is not measured, and what a skip means in CI."""

import os
import sys
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import is_hypothesis_test, settings

# How long an example takes says more about what else runs on the machine than about the product.
settings.register_profile("shared", deadline=None)
# Whether a change may land is no matter of luck: CI tries the same examples each time.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "shared")

pytest_plugins = ["testing.fixtures"]

LONG_TEST_PATHS = ("worker/", "chaos", "e2e", "adversarial", "demo", "tooling")
"""Where the long files are. They begin first, so that none of them is left alone at the end."""
INSTALLED_MARKERS = ("redis", "browser")
"""Markers of tests whose programs `.ci/run` installs."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files first."""
    items.sort(key=lambda item: not item.nodeid.removeprefix("tests/").startswith(LONG_TEST_PATHS))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """
    Measure no coverage where the same lines run thousands of times.

    To trace them takes as long as to run them; each has a test that runs it once, too.
    """
    if not _is_repetitive(item):
        return (yield)
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracer)


@pytest.fixture(scope="module", autouse=True)
def _disable_process_tracing(request: pytest.FixtureRequest) -> Iterator[None]:
    """Trace no processes either, where that holds for a whole file."""
    with pytest.MonkeyPatch.context() as patch:
        if request.node.get_closest_marker("repeats"):
            for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
                patch.delenv(name)
        yield


def _is_repetitive(item: pytest.Item) -> bool:
    test = getattr(item, "obj", None)
    return item.get_closest_marker("repeats") is not None or is_hypothesis_test(test)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip for want of such a program into a failure: `.ci/run` has installed it."""
    report = yield
    needed = [name for name in INSTALLED_MARKERS if item.get_closest_marker(name)]
    if report.skipped and needed and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but .ci/run installs what it needs: {', '.join(needed)}"
    return report
