"""Chromium, and a user's actions on the workspace's page, by Playwright."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from testing.workspace import GENERAL, Workspace

CHROMIUM = Path("/usr/lib/chromium/chromium-headless-shell")
"""Chromium without windows, which needs half the CPU time of `chromium --headless`."""
CHROMIUM_SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE_VIEWPORT = {"width": 1280, "height": 800}
NARROW_VIEWPORT = {"width": 380, "height": 760}
TIMEOUT_MILLISECONDS = 15_000


@contextlib.contextmanager
def open_chromium() -> Iterator[Browser]:
    """Run Chromium. Skips the test if it is not installed."""
    if not CHROMIUM.exists():
        pytest.skip(f"needs Debian's chromium-headless-shell, which is not at {CHROMIUM}")
    expect.set_options(timeout=TIMEOUT_MILLISECONDS)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_SWITCHES))
        yield browser
        browser.close()


class BrowserPage:
    """A user's browser window."""

    def __init__(self, browser: Browser, workspace: Workspace, user: str, **context: Any) -> None:
        self.workspace = workspace
        self._errors: list[str] = []
        self._ignored: list[str] = []
        # Animations would be drawn by the CPU all the time.
        options = {"viewport": WIDE_VIEWPORT, "reduced_motion": "reduce", **context}
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(TIMEOUT_MILLISECONDS)
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda message: self._record_error(message.type, message.text))
        self.page.on("pageerror", lambda error: self._record_error("error", str(error)))
        self.user = user

    def _record_error(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self._errors.append(text)

    @property
    def console_errors(self) -> list[str]:
        """The console's warnings and errors, without those that are ignored."""
        return [error for error in self._errors if not any(i in error for i in self._ignored)]

    def open_channel(self, channel: str = GENERAL, thread_ts: str = "") -> "BrowserPage":
        """Open a channel, or a thread in it, and wait until the page has loaded all of it."""
        self.page.goto(f"{self.workspace.url}/#/{self.user}/{channel}/{thread_ts}".rstrip("/"))
        self.channel_composer.wait_for()
        # At the end of loading, the page may give the composer the focus.
        self.page.locator("main[aria-busy=false]").wait_for()
        return self

    def ignore_errors(self, expected: str) -> None:
        """Ignore console errors that contain `expected`, which the browser may still report."""
        self._ignored.append(expected)

    def stop_timers(self) -> None:
        """Let no timer of the page end until `run_timers`, as `setTimeout` starts them from now."""
        self.page.clock.install()
        self.page.clock.pause_at(datetime.now(UTC) + timedelta(hours=1))

    def run_timers(self, milliseconds: int) -> None:
        """Let this time pass for the page's timers."""
        self.page.clock.run_for(milliseconds)

    def close_window(self) -> None:
        """Close the browser window."""
        self.context.close()

    # -- locators

    @property
    def channel_column(self) -> Locator:
        """The channel's column."""
        return self.page.get_by_role("main")

    @property
    def thread_column(self) -> Locator:
        """The thread's column."""
        return self.page.locator("#thread")

    @property
    def channel_composer(self) -> Locator:
        """The composer of the channel."""
        return self.channel_column.locator("form.composer textarea")

    @property
    def reply_composer(self) -> Locator:
        """The composer of the thread."""
        return self.thread_column.locator("form.composer textarea")

    @property
    def sidebar(self) -> Locator:
        """The sidebar."""
        return self.page.locator("#sidebar")

    def find_message(self, text: str, column: Locator | None = None) -> Locator:
        """Return the last message with this text."""
        rows = (column or self.channel_column).locator("article.message")
        return rows.filter(has_text=text).last

    def find_sidebar_entry(self, name: str) -> Locator:
        """Return a channel or direct message of the sidebar."""
        return self.sidebar.locator(".entry").filter(
            has=self.page.get_by_text(name, exact=True),
        )

    # -- actions

    def write_message(self, text: str, composer: Locator | None = None) -> None:
        """Type a message and press Enter."""
        field = composer or self.channel_composer
        field.fill(text)
        field.press("Enter")

    def press_tool(self, row: Locator, tool: str) -> None:
        """Press one of a message's buttons, which it shows under the pointer."""
        row.hover()
        row.get_by_role("button", name=tool).click()

    def run_script(self, script: str, argument: Any = None) -> Any:
        """Run JavaScript in the page and return its result."""
        return self.page.evaluate(script, argument)
