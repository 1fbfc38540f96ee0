"""Ways in on fakeslack's page: the shortcut of a message, and suggested prompts."""

import pytest
from playwright.sync_api import expect

from testing.browser import BrowserPage, open_chromium
from testing.workspace import ADA, GENERAL, LIN, SAM, Workspace

pytestmark = pytest.mark.usefixtures("bot", "redis")


def test_person_asks_about_a_message(workspace: Workspace) -> None:
    """The menu of the message leads to a form, and the question comes into its thread."""
    root = workspace.post_message(LIN, GENERAL, "TypeError: 'int' object is not iterable")
    with open_chromium() as browser:
        ada = BrowserPage(browser, workspace, ADA).open_channel()
        ada.press_tool(ada.find_message("TypeError"), "More actions")
        ada.page.get_by_role("menuitem", name="Ask StarChat about this").click()
        form = ada.page.get_by_role("dialog", name="Ask StarChat")
        question = form.get_by_label("Your question")
        expect(question).to_have_value("Explain this error and suggest a fix.")
        question.fill("?")
        form.get_by_role("button", name="Ask", exact=True).click()
        expect(form.get_by_role("alert")).to_have_text("Please write a question.")
        question.fill("Why can't I loop over <b>5</b>?")
        form.get_by_role("button", name="Ask", exact=True).click()
        expect(form).to_have_count(0)

        lin = BrowserPage(browser, workspace, LIN).open_channel(GENERAL, root)
        asked = lin.find_message("Ada asks about this message:", lin.thread_column)
        expect(asked).to_contain_text("Why can't I loop over <b>5</b>?")
        assert not lin.console_errors


def test_person_chooses_a_suggested_prompt(workspace: Workspace) -> None:
    """The direct message offers them when it is opened, and sends the one that is chosen."""
    with open_chromium() as browser:
        sam = BrowserPage(browser, workspace, SAM).open_channel()
        sam.find_sidebar_entry("StarChat").click()
        prompts = sam.channel_column.get_by_role("group", name="Suggested prompts")
        expect(prompts.get_by_role("button")).to_have_count(4)
        prompts.get_by_role("button", name="Explain an idea").click()
        expect(sam.find_message("What is a mutex")).to_be_visible()
        # They stay: Slack pins them above the conversation.
        prompts.get_by_role("button", name="See what I can do").click()
        expect(sam.find_message("help", sam.channel_column)).to_be_visible()
