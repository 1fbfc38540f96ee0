"""Buttons below messages: presses, confirmations and failures."""

import queue
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect
from slack_bolt import Ack, App

from testing.bolt_app import run_bolt_app
from testing.workspace import GENERAL, LIN, STARCHAT, Workspace
from tests.fakeslack.conftest import OpenReader

pytestmark = pytest.mark.browser

Json = dict[str, Any]


def plain_text(text: str) -> Json:
    """Return a `plain_text` object."""
    return {"type": "plain_text", "text": text}


AGAIN = {"type": "button", "action_id": "again", "text": plain_text("Again"), "value": "1"}
CAREFUL = {
    "type": "button",
    "action_id": "careful",
    "style": "danger",
    "text": plain_text("Forget all"),
    "confirm": {
        "title": plain_text("Sure?"),
        "text": plain_text("It is gone then."),
        "confirm": plain_text("Do"),
    },
}
THUMBS = {
    "type": "feedback_buttons",
    "action_id": "feedback",
    "positive_button": {"text": plain_text("Good"), "value": "good"},
    "negative_button": {"text": plain_text("Bad"), "value": "bad"},
}
TRASH = {
    "type": "icon_button",
    "icon": "trash",
    "action_id": "trash",
    "text": plain_text("Remove"),
    "visible_to_user_ids": [LIN],
}
BLOCKS = [
    {"type": "actions", "block_id": "b1", "elements": [AGAIN, CAREFUL]},
    {"type": "context_actions", "block_id": "b2", "elements": [THUMBS, TRASH]},
]


@pytest.fixture
def presses(slack: Workspace) -> Iterator["queue.SimpleQueue[tuple[str, Any]]"]:
    """Every press that reaches the app, as action id and value."""
    received: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()

    def add_listeners(app: App) -> None:
        @app.action(re.compile("."))
        def handle_press(ack: Ack, action: Json) -> None:
            # First, so that the next press comes after it: the page waits for `ack`.
            received.put((action["action_id"], action.get("value")))
            ack()

    with run_bolt_app(slack, add_listeners):
        yield received


def test_presses_reach_the_app(
    slack: Workspace, open_reader: OpenReader, presses: "queue.SimpleQueue[tuple[str, Any]]"
) -> None:
    """A button and a thumb send their values; a thumb stays pressed until the other is."""
    slack.post_raw(GENERAL, "choose", user=STARCHAT, blocks=BLOCKS)
    ada = open_reader(slack).open_channel()
    ada.channel_column.get_by_role("button", name="Again").click()
    assert presses.get(timeout=20) == ("again", "1")
    good, bad = (ada.channel_column.get_by_role("button", name=name) for name in ("Good", "Bad"))
    good.click()
    expect(good).to_have_attribute("aria-pressed", "true")
    bad.click()

    expect(bad).to_have_attribute("aria-pressed", "true")
    expect(good).to_have_attribute("aria-pressed", "false")
    assert presses.get(timeout=20) == ("feedback", "good")
    assert presses.get(timeout=20) == ("feedback", "bad")
    expect(ada.channel_column.get_by_role("button", name="Remove")).to_have_count(0)


def test_a_button_with_confirm_asks_first(
    slack: Workspace, open_reader: OpenReader, presses: "queue.SimpleQueue[tuple[str, Any]]"
) -> None:
    """Nothing is sent before the person confirms."""
    slack.post_raw(GENERAL, "choose", user=STARCHAT, blocks=BLOCKS)
    ada = open_reader(slack).open_channel()
    forget = ada.channel_column.get_by_role("button", name="Forget all")
    forget.click()
    expect(ada.page.get_by_role("dialog", name="Sure?")).to_contain_text("It is gone then.")
    ada.page.get_by_role("button", name="No", exact=True).click()
    forget.click()
    ada.page.get_by_role("button", name="Do", exact=True).click()

    assert presses.get(timeout=20) == ("careful", None)
    assert presses.empty()


def test_an_icon_button_is_shown_to_its_users(slack: Workspace, open_reader: OpenReader) -> None:
    """`visible_to_user_ids` hides the button from all others."""
    slack.post_raw(GENERAL, "choose", user=STARCHAT, blocks=BLOCKS)
    lin = open_reader(slack, LIN).open_channel()

    expect(lin.channel_column.get_by_role("button", name="Remove")).to_be_visible()


def test_a_press_without_an_app_shows_a_notice(slack: Workspace, open_reader: OpenReader) -> None:
    """Without a connected app, nothing else changes."""
    slack.post_raw(GENERAL, "choose", user=STARCHAT, blocks=BLOCKS)
    ada = open_reader(slack).open_channel()
    ada.channel_column.get_by_role("button", name="Good").click()

    expect(ada.page.locator(".notice")).to_have_text(
        "The app didn't respond. Try again in a moment."
    )
    expect(ada.channel_column.get_by_role("button", name="Good")).to_have_attribute(
        "aria-pressed", "false"
    )
    ada.ignore_errors("400")
