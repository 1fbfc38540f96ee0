"""Workspace processes, browser windows and a manual clock for the tests of fakeslack."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from testing.browser import BrowserPage, open_chromium
from testing.workspace import ADA, DEPLOYBOT, LIN, SAM, STARCHAT, Workspace

EVERYBODY = [ADA, LIN, SAM, STARCHAT, DEPLOYBOT]
CHANNEL_NUMBERS = itertools.count(1)

OpenReader = Callable[..., BrowserPage]


class ManualClock:
    """Clock that a test advances."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def slack() -> Iterator[Workspace]:
    """A fresh workspace process."""
    with Workspace() as workspace:
        yield workspace


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, one for each module: its driver can't run during asyncio tests."""
    with open_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def workspace(browser: Browser) -> Iterator[Workspace]:
    """One workspace for all tests of a module; each test uses its own channel."""
    with Workspace() as workspace:
        yield workspace


@pytest.fixture
def channel_id(workspace: Workspace) -> str:
    """A new channel with everyone in it."""
    created = workspace.send_control(
        "create", name=f"room-{next(CHANNEL_NUMBERS)}", members=EVERYBODY
    )
    return str(created["channel"])


@pytest.fixture
def open_reader(browser: Browser, request: pytest.FixtureRequest) -> Iterator[OpenReader]:
    """Open browser windows; fail if a console reported an error."""
    readers: list[BrowserPage] = []

    def open_window(slack: Workspace, person: str = ADA, **context: Any) -> BrowserPage:
        readers.append(BrowserPage(browser, slack, person, **context))
        return readers[-1]

    yield open_window
    for reader in readers:
        reader.close_window()
    assert [reader.console_errors for reader in readers] == [[] for _ in readers]
