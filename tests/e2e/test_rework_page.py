"""Work on replies on fakeslack's page: the buttons of finished replies, and of private ones."""

import contextlib
import re
from collections.abc import Iterator
from functools import partial

from playwright.sync_api import expect

from bot.asked_before.terms import read_terms
from bot.records.asked_questions import find_like_answers
from bot.records.database import Records
from contract.job import Thread
from testing.browser import BrowserPage, open_chromium
from testing.memorizing_model import ENDLESS, GREET, REVERSE
from testing.polling import poll_until
from testing.product import Product, find_answers
from testing.queue_inspector import TEAM
from testing.worker_harness import context_text, reply_metadata
from testing.workspace import (
    ADA,
    GENERAL,
    LIN,
    PYTHON,
    SAM,
    STARCHAT,
    Json,
    RefusedError,
)
from worker.checks import python_code

WAIT_MILLISECONDS = 180_000
"""Maximum wait for a reply: a busy machine generates slowly."""
MAX_ASKS = 8
"""Replies that may end before they are stopped, or whose code may stay unchecked."""


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


def ask_until_checked(product: Product) -> str:
    """Ask for code; return the `ts` of the question. On a busy machine, code may stay unchecked."""
    for _ in range(MAX_ASKS):
        ts, replies = product.ask_question(f"@StarChat {REVERSE}", GENERAL)
        if f"{python_code.PYTHON}: parses" in context_text(replies):
            return ts
    raise AssertionError("no code was checked")


def test_person_reads_the_verdict_on_code(product: Product) -> None:
    """It is below the reply, for everybody, and in the asker's *Details*."""
    ts = ask_until_checked(product)
    with open_chromium() as browser:
        lin = BrowserPage(browser, product.workspace, LIN).open_channel(GENERAL, ts)
        expect(
            lin.thread_column.get_by_text(f"{python_code.PYTHON}: parses", exact=True)
        ).to_be_visible()
        footer = lin.thread_column.get_by_text("Its code was parsed, but not run or reviewed.")
        expect(footer).to_be_visible()
        ada = BrowserPage(browser, product.workspace, ADA).open_channel(GENERAL, ts)
        ada.thread_column.get_by_role("button", name="Details", exact=True).click()
        expect(
            ada.thread_column.get_by_text(f"Checks: {python_code.PYTHON}: parses")
        ).to_be_visible()
        expect(ada.thread_column.get_by_text("code without a hint isn't safe")).to_be_visible()


def ask_until_stopped(product: Product) -> str:
    """Stop a growing reply; return the `ts` of its question. A reply may end before its stop."""
    for _ in range(MAX_ASKS):
        ts = product.workspace.post_message(ADA, GENERAL, f"@StarChat {ENDLESS}")
        shown = product.workspace.wait_for_messages(
            lambda messages, ts=ts: any(  # type: ignore[misc]
                reply_metadata(m).get("state") != "placeholder" for m in find_answers(messages, ts)
            ),
            GENERAL,
            ts,
        )
        reply = find_answers(shown, ts)[0]["ts"]
        click = {"user": ADA, "channel": GENERAL, "ts": reply, "action_id": "stop_reply"}
        with contextlib.suppress(RefusedError):
            product.workspace.post_json("_page/click", click)
        if "Stopped by" in context_text(product.wait_for_answer(GENERAL, ts, ts)):
            return ts
    raise AssertionError("no reply was stopped")


def test_person_continues_a_reply_that_was_stopped(product: Product) -> None:
    """The text grows in the same message, as the same turn."""
    ts = ask_until_stopped(product)
    with open_chromium() as browser:
        thread = (
            BrowserPage(browser, product.workspace, ADA).open_channel(GENERAL, ts).thread_column
        )
        thread.get_by_role("button", name="Continue", exact=True).click()
        expect(thread.get_by_text("Stopped by")).to_have_count(0, timeout=WAIT_MILLISECONDS)
        expect(thread.get_by_text("It may be wrong")).to_be_visible(timeout=WAIT_MILLISECONDS)
        expect(thread.get_by_text("and so on").first).to_be_visible()


def list_texts(messages: list[Json]) -> list[Json]:
    """Return the blocks of a reply that hold its text."""
    return [b for m in messages for b in m["blocks"] if b["type"] == "rich_text"]


def test_person_shares_a_private_answer(product: Product) -> None:
    """The answer is Ada's alone, until the button posts it, whole and once, in the channel."""
    workspace = product.workspace
    direct = workspace.open_dm(ADA, STARCHAT)
    with open_chromium() as browser:
        ada = BrowserPage(browser, workspace, ADA).open_channel(GENERAL)
        ada.write_message(f"/starchat ask {REVERSE}")
        expect(ada.find_message("I'm answering in your direct message")).to_be_visible()
        ada.find_sidebar_entry("StarChat").click()
        question = ada.find_message("You asked in #general:")
        expect(question).to_contain_text(REVERSE)
        root = question.get_attribute("data-ts") or ""
        private = product.wait_for_answer(direct, root, root)
        question.get_by_role("button", name="Share in channel").click()
        expect(question).to_contain_text("Shared in #general.")

        lin = BrowserPage(browser, workspace, LIN).open_channel(GENERAL)
        shared = lin.find_message("Ada shares a question and my answer:")
        expect(shared).to_contain_text(REVERSE)
        ts = shared.get_attribute("data-ts") or ""
        public = product.wait_for_answer(GENERAL, ts, ts)
        assert list_texts(public) == list_texts(private) != []
        expect(question.get_by_role("button", name="Share in channel")).to_have_count(0)


@contextlib.contextmanager
def marked_answer(product: Product, text: str) -> Iterator[re.Pattern[str]]:
    """
    Let Lin ask, and Sam tell that the code ran; yield the address of the reply.

    Lin's question is deleted at the end, so that no other test is led to its answer.
    """
    question, replies = product.ask_question(f"@StarChat {text}", PYTHON, user=LIN)
    reply = replies[0]["ts"]
    click = {"user": SAM, "channel": PYTHON, "ts": reply, "action_id": "code_ran"}
    product.workspace.post_json("_page/click", click)
    records, terms = Records(product.workspace.database_url), read_terms(text)
    assert terms is not None
    find = partial(
        find_like_answers, thread=Thread(team=TEAM, channel=PYTHON, ts="1.0"), ts="1.0", terms=terms
    )
    try:
        poll_until(lambda: records.read(find), description="the question and its vote")
        yield re.compile(f"/archives/{PYTHON}/p{reply.replace('.', '')}")
    finally:
        product.workspace.delete_message(LIN, PYTHON, question)
        poll_until(lambda: not records.read(find), description="the end of the question")
        records.close_database()


def test_person_is_pointed_to_an_earlier_answer(product: Product) -> None:
    """It leads there; a colleague has the question answered anyway, in the same message."""
    workspace = product.workspace
    with marked_answer(product, REVERSE) as link:
        ts, [message] = product.ask_question(f"@StarChat {REVERSE}", PYTHON)
        assert reply_metadata(message)["state"] == "pointer"
        with open_chromium() as browser:
            ada = BrowserPage(browser, workspace, ADA).open_channel(PYTHON, ts)
            pointer = ada.find_message("asked much the same on", ada.thread_column)
            expect(pointer).to_contain_text("Lin asked much the same on")
            expect(pointer).to_contain_text("1 colleague marked the answer ✓ → see that answer.")
            expect(pointer.get_by_role("link", name="see that answer")).to_have_attribute(
                "href", link
            )
            expect(pointer.get_by_role("button", name="Answer anyway")).to_be_visible()
            expect(pointer.get_by_role("button", name="Regenerate")).to_have_count(0)

            lin = BrowserPage(browser, workspace, LIN).open_channel(PYTHON, ts)
            lin.thread_column.get_by_role("button", name="Answer anyway").click()
            regenerate = ada.thread_column.get_by_role("button", name="Regenerate", exact=True)
            expect(regenerate).to_be_visible(timeout=WAIT_MILLISECONDS)
            expect(pointer).to_have_count(0)
            expect(ada.thread_column.get_by_role("button", name="Answer anyway")).to_have_count(0)
