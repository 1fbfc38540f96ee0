"""Stop on fakeslack's page: a person presses the button of a waiting question."""

import pytest
from playwright.sync_api import expect
from redis import Redis
from slack_sdk import WebClient

from testing.browser import BrowserPage, open_chromium
from testing.queue_inspector import pending_job_ids
from testing.workspace import ADA, GENERAL, Workspace
from tests.bot.handlers.edit_steps import ask_as_ada

pytestmark = pytest.mark.usefixtures("bot")


def test_person_stops_a_waiting_question(
    workspace: Workspace, redis: Redis, web: WebClient
) -> None:
    """Both buttons are there, also after a reload; a press ends the question in its thread."""
    ts = ask_as_ada(workspace, redis, "@StarChat how do I reverse a list?")
    web.agents_sessions_setStatus(channel_id=GENERAL, thread_ts=ts, status="processing")
    with open_chromium() as browser:
        ada = BrowserPage(browser, workspace, ADA).open_channel(GENERAL, ts)
        thread = ada.thread_column
        expect(thread.get_by_role("button", name="Stop", exact=True)).to_have_count(1)
        button = thread.get_by_role("button", name="Stop this reply")
        expect(button).to_be_visible()
        ada.page.reload()
        expect(thread.get_by_role("button", name="Stop", exact=True)).to_have_count(1)
        button.click()
        expect(thread.get_by_text("Stopped by Ada.")).to_be_visible()
        expect(button).to_have_count(0)

    assert pending_job_ids(redis) == []
