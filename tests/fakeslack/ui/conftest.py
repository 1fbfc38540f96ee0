"""A browser window that can import the page's JavaScript modules."""

from typing import Any

import pytest

from testing.browser import BrowserPage
from testing.workspace import ADA, GENERAL, Workspace


@pytest.fixture(scope="module")
def module_reader(browser: Any, workspace: Workspace) -> Any:
    """A window that can import the page's modules."""
    reader = BrowserPage(browser, workspace, ADA).open_channel(GENERAL)
    yield reader
    reader.close_window()
