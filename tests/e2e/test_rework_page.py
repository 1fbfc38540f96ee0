"""Work on replies on fakeslack's page: a person presses the buttons below a finished reply."""

from playwright.sync_api import expect

from testing.browser import BrowserPage, open_chromium
from testing.memorizing_model import ENDLESS, GREET
from testing.product import Product
from testing.workspace import ADA, GENERAL, LIN

WAIT_MILLISECONDS = 180_000
"""Maximum wait for a reply: a busy machine generates slowly."""


def test_person_works_on_a_finished_reply(product: Product) -> None:
    """*Regenerate*, *Previous* and *Details* are there for Ada, and hidden from Lin."""
    ts, _ = product.ask_question(f"@StarChat {GREET}", GENERAL)
    with open_chromium() as browser:
        ada = BrowserPage(browser, product.workspace, ADA).open_channel(GENERAL, ts)
        buttons = {
            name: ada.thread_column.get_by_role("button", name=name, exact=True)
            for name in ("Regenerate", "Previous", "Details", "Continue")
        }
        expect(buttons["Previous"]).to_have_count(0)
        buttons["Regenerate"].click()
        expect(buttons["Previous"]).to_be_visible(timeout=WAIT_MILLISECONDS)
        buttons["Previous"].click()
        expect(buttons["Regenerate"]).to_be_visible(timeout=WAIT_MILLISECONDS)
        expect(buttons["Continue"]).to_have_count(0)
        buttons["Details"].click()
        expect(ada.thread_column.get_by_text("Sampling: greedy")).to_be_visible()
        lin = BrowserPage(browser, product.workspace, LIN).open_channel(GENERAL, ts)
        expect(lin.thread_column.get_by_text("It may be wrong")).to_be_visible()
        for name in buttons:
            expect(lin.thread_column.get_by_role("button", name=name, exact=True)).to_have_count(0)


def test_person_continues_a_reply_that_was_stopped(product: Product) -> None:
    """The text grows in the same message, as the same turn."""
    ts = product.workspace.post_message(ADA, GENERAL, f"@StarChat {ENDLESS}")
    with open_chromium() as browser:
        ada = BrowserPage(browser, product.workspace, ADA).open_channel(GENERAL, ts)
        thread = ada.thread_column
        thread.get_by_role("button", name="Stop this reply").click(timeout=WAIT_MILLISECONDS)
        expect(thread.get_by_text("Stopped by")).to_be_visible(timeout=WAIT_MILLISECONDS)
        thread.get_by_role("button", name="Continue", exact=True).click()
        expect(thread.get_by_text("Stopped by")).to_have_count(0, timeout=WAIT_MILLISECONDS)
        expect(thread.get_by_text("It may be wrong")).to_be_visible(timeout=WAIT_MILLISECONDS)
        expect(thread.get_by_text("and so on and so on")).to_be_visible()
