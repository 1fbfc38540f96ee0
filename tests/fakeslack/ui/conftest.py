"""A window in which the page's JavaScript modules can be called."""

from typing import Any

import pytest

from testing.browser import BrowserPage
from testing.workspace import ADA, GENERAL, Workspace


@pytest.fixture(scope="module")
def module_reader(browser: Any, workspace: Workspace) -> Any:
    """A window in which the page's modules can be called."""
    reader = BrowserPage(browser, workspace, ADA).open_channel(GENERAL)
    yield reader
    reader.close_window()
