"""Form of a channel's rules, and the Home tab, on fakeslack's page."""

import pytest
from playwright.sync_api import Locator, expect
from redis import Redis

from bot.home.texts import CLEAR_BUTTON, LANGUAGE_TITLE, NO_QUESTIONS
from bot.rules import texts
from contract import keys
from contract.language import Language
from testing.browser import BrowserPage, open_chromium
from testing.queue_inspector import TEAM
from testing.workspace import ADA, GENERAL, LIN, Workspace

pytestmark = pytest.mark.usefixtures("bot", "redis")


def open_form(page: BrowserPage) -> Locator:
    """Open the form; return its dialog."""
    page.write_message("/starchat settings")
    form = page.page.get_by_role("dialog", name="Rules of this channel")
    expect(form.get_by_role("button", name="Save")).to_be_visible()
    return form


def test_home_tab_shows_the_week_and_keeps_a_language(workspace: Workspace, redis: Redis) -> None:
    """A question's link leads to its thread. The chosen language is there at once."""
    ts = workspace.post_message(ADA, GENERAL, "@StarChat what is a mutex?")
    redis.zadd(keys.user_questions(TEAM, ADA), {f"{GENERAL}:{ts}:{ts}": float(ts)})
    with open_chromium() as browser:
        ada = BrowserPage(browser, workspace, ADA).open_channel()
        ada.find_sidebar_entry("StarChat").click()
        ada.page.get_by_role("tab", name="Home").click()
        home = ada.page.get_by_role("tabpanel", name="Home")
        expect(home.get_by_text("Your last seven days:")).to_be_visible()
        link = home.get_by_role("link", name="today")
        with ada.context.expect_page() as opened:
            link.click()
        expect(opened.value.locator("#thread")).to_contain_text("what is a mutex?")
        select = home.get_by_role("combobox")
        expect(select).to_have_value("slack")
        select.select_option("简体中文")
        expect(select).to_have_value("zh_CN")
        expect(home.get_by_text(LANGUAGE_TITLE.translate(Language.CHINESE)[-9:])).to_be_visible()
        select.select_option("slack")
        home.get_by_role("button", name=str(CLEAR_BUTTON)).click()
        expect(home.get_by_text(str(NO_QUESTIONS))).to_be_visible()
        assert ada.console_errors == []


def test_manager_sets_who_may_ask(workspace: Workspace) -> None:
    """The refused person reads why; the rules can be read and taken back."""
    with open_chromium() as browser:
        ada = BrowserPage(browser, workspace, ADA).open_channel()
        form = open_form(ada)
        form.get_by_label("Who may ask", exact=True).select_option("Only the people below")
        form.get_by_role("button", name="Save").click()
        expect(form.get_by_text("It must be a choice of 1 to 100 people.")).to_be_visible()
        form.get_by_label("People who may ask").select_option("Ada")
        form.get_by_label("What I'm told in this channel").fill("Answer in *Go*.")
        form.get_by_role("button", name="Save").click()
        expect(form).to_have_count(0)
        expect(ada.find_message("I changed this channel's rules:")).to_contain_text(
            "who may ask, list of people, what I'm told here"
        )

        lin = BrowserPage(browser, workspace, LIN).open_channel()
        lin.write_message("@StarChat what is a mutex?")
        expect(lin.find_message(str(texts.NOT_ALLOWED)[:40])).to_be_visible()
        lin.write_message("/starchat rules")
        expect(lin.find_message("Only these may ask me: @Ada.")).to_contain_text("Answer in *Go*.")
        lin.write_message("/starchat settings")
        refusal = lin.page.get_by_role("dialog", name="Rules of this channel")
        expect(refusal).to_contain_text("can change its rules")

        ada.write_message("/starchat settings undo")
        expect(ada.find_message("I took the last change")).to_be_visible()
