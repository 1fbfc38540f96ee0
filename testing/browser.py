"""Debian's chromium, and what a reader does with the page in it, for tests."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from testing.workspace import GENERAL, Workspace

CHROMIUM = Path("/usr/bin/chromium")
SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE = {"width": 1280, "height": 800}
NARROW = {"width": 380, "height": 760}
PATIENCE = 15_000


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Run chromium; skips the test where it is not installed."""
    if not CHROMIUM.exists():
        pytest.skip(f"needs Debian's chromium, which is not at {CHROMIUM}")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES))
        yield browser
        browser.close()


class Reader:
    """Somebody who has the page open; `complaints` is what the console had against it."""

    def __init__(self, browser: Browser, slack: Workspace, person: str, **context: Any) -> None:
        self.slack = slack
        self.complaints: list[str] = []
        self.context = browser.new_context(**{"viewport": WIDE, **context})
        self.context.set_default_timeout(PATIENCE)
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda said: self._complain(said.type, said.text))
        self.page.on("pageerror", lambda error: self._complain("error", str(error)))
        self.person = person

    def _complain(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(text)

    def open(self, channel: str = GENERAL, thread_ts: str = "") -> "Reader":
        """Open a channel, or a thread in it, and wait until it can be written to."""
        self.page.goto(f"{self.slack.url}/#/{self.person}/{channel}/{thread_ts}".rstrip("/"))
        self.composer.wait_for()
        return self

    def forgive(self, part: str) -> None:
        """Take complaints that hold `part` as expected: the browser writes of every refusal."""
        self.complaints = [said for said in self.complaints if part not in said]

    def close(self) -> None:
        """Close the window."""
        self.context.close()

    # -- where things are

    @property
    def channel(self) -> Locator:
        """The channel's column."""
        return self.page.get_by_role("main")

    @property
    def thread(self) -> Locator:
        """The thread's column."""
        return self.page.locator("#thread")

    @property
    def composer(self) -> Locator:
        """Where a message to the channel is written."""
        return self.channel.locator("form.composer textarea")

    @property
    def reply_composer(self) -> Locator:
        """Where a reply in the thread is written."""
        return self.thread.locator("form.composer textarea")

    @property
    def sidebar(self) -> Locator:
        """The sidebar."""
        return self.page.locator("#sidebar")

    def row(self, text: str, column: Locator | None = None) -> Locator:
        """The last message with this text."""
        rows = (column or self.channel).locator("article.message")
        return rows.filter(has_text=text).last

    def entry(self, name: str) -> Locator:
        """A channel or a direct message in the sidebar."""
        return self.sidebar.locator(".entry").filter(
            has=self.page.get_by_text(name, exact=True),
        )

    # -- what a reader does

    def write(self, text: str, composer: Locator | None = None) -> None:
        """Type a message and press Enter."""
        field = composer or self.composer
        field.fill(text)
        field.press("Enter")

    def use(self, row: Locator, tool: str) -> None:
        """Press one of the buttons that a message shows when the pointer is on it."""
        row.hover()
        row.get_by_role("button", name=tool).click()

    def run(self, script: str, argument: Any = None) -> Any:
        """Run JavaScript in the page; returns what it returns."""
        return self.page.evaluate(script, argument)
