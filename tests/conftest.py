"""In CI a test that is skipped for want of Debian's redis-server or chromium has failed."""

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

# How long an example takes says more about what else runs on the machine than about the product.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")

LONG = ("worker/test_", "chaos", "e2e", "worker/engine", "corpus", "project")
"""Where the long files are. They begin first, so that none of them is left alone at the end."""
INSTALLED = ("redis", "browser")
"""Markers of tests whose programs `.ci/run` installs."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files first."""
    items.sort(key=lambda item: not item.nodeid.removeprefix("tests/").startswith(LONG))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn such a skip into a failure."""
    report = yield
    needed = [name for name in INSTALLED if item.get_closest_marker(name)]
    if report.skipped and needed and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but .ci/run installs what it needs: {', '.join(needed)}"
    return report
