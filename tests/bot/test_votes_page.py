"""Votes on fakeslack's page: a person votes, gives a reason, and says that the code ran."""

from pathlib import Path

import pytest
from playwright.sync_api import expect
from redis import Redis
from slack_sdk import WebClient

from testing.browser import BrowserPage, open_chromium
from testing.workspace import GENERAL, LIN, Workspace
from tests.bot.handlers.vote_steps import post_reply

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("bot")]


def test_person_votes_and_explains(
    workspace: Workspace, redis: Redis, web: WebClient, tmp_path: Path
) -> None:
    """The form closes, and everyone sees for whom the code ran."""
    ts, _ = post_reply(workspace, redis, web)
    with open_chromium() as browser:
        lin = BrowserPage(browser, workspace, LIN).open_channel(GENERAL, ts)
        thread = lin.thread_column
        thread.get_by_role("button", name="Bad answer").click()
        form = lin.page.get_by_role("dialog")
        expect(form.get_by_text("Why was this a bad answer?")).to_be_visible()
        lin.page.screenshot(path=tmp_path / "form.png")
        form.get_by_label("Doesn't run").check()
        form.get_by_role("button", name="Send").click()
        expect(form).to_have_count(0)
        thread.get_by_role("button", name="It ran").click()
        expect(thread.get_by_text("✓ ran for Lin")).to_be_visible(timeout=60_000)
        lin.page.screenshot(path=tmp_path / "line.png")
        assert lin.console_errors == []
