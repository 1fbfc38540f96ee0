"""Elements of views on the page: menus, pickers, inputs and buttons, and global shortcuts."""

import queue
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, expect
from slack_bolt import Ack, App
from slack_sdk import WebClient

from testing.bolt_app import run_bolt_app
from testing.browser import BrowserPage
from testing.workspace import ADA, GENERAL, LIN, SAM, Workspace
from tests.fakeslack.conftest import OpenReader

pytestmark = pytest.mark.browser

Json = dict[str, Any]
ReceivedQueue = queue.SimpleQueue[Json]


def plain_text(text: str) -> Json:
    """Return a `plain_text` object."""
    return {"type": "plain_text", "text": text}


def input_block(name: str, kind: str, **more: Any) -> Json:
    """Return an input block."""
    element = {"type": kind, "action_id": name, **more}
    label = plain_text(name)
    return {"type": "input", "block_id": name, "label": label, "element": element}


OPTIONS = [{"text": plain_text(name), "value": name.lower()} for name in ("Python", "PyPy")]
REFRESH = {"type": "button", "action_id": "refresh", "text": plain_text("Refresh")}
OVERFLOW = {"type": "overflow", "action_id": "more", "options": OPTIONS}
WHO = {"type": "users_select", "action_id": "who", "placeholder": plain_text("Reviewer")}
TEAM = {"type": "multi_users_select", "action_id": "team", "placeholder": plain_text("Team")}
MODAL: Json = {
    "type": "modal",
    "callback_id": "form",
    "title": plain_text("Plan a release"),
    "submit": plain_text("Plan"),
    "blocks": [
        {"type": "actions", "block_id": "row", "elements": [REFRESH, WHO, TEAM, OVERFLOW]},
        input_block("notes", "plain_text_input"),
        input_block("day", "datepicker", initial_date="2026-12-01"),
        input_block("moment", "datetimepicker"),
        input_block("where", "conversations_select", default_to_current_conversation=True),
        input_block("language", "external_select", min_query_length=1),
        input_block("kinds", "checkboxes", options=OPTIONS),
    ],
}


def has_acknowledged_presses(slack: Workspace) -> bool:
    """Whether the app has acknowledged each interaction."""
    attempts = slack.delivery_attempts()
    return all(each["acked_at"] for each in attempts if each["type"] == "interactive")


@pytest.fixture
def received(slack: Workspace) -> Iterator[ReceivedQueue]:
    """Payloads that reach an app with one shortcut, whose modal is updated by its button."""
    payloads: ReceivedQueue = queue.SimpleQueue()

    def add_listeners(app: App) -> None:
        @app.shortcut("plan")
        def open_modal(ack: Ack, body: Json, client: WebClient) -> None:
            ack()
            client.views_open(trigger_id=body["trigger_id"], view=MODAL)

        @app.action(re.compile(".*"))
        def handle_action(ack: Ack, body: Json, client: WebClient) -> None:
            ack()
            if body["actions"][0]["action_id"] == "refresh":
                news = {"type": "section", "text": plain_text("Refreshed.")}
                view = {**MODAL, "blocks": [*MODAL["blocks"], news]}
                client.views_update(view_id=body["view"]["id"], view=view)
            payloads.put(body)

        @app.options("language")
        def supply_options(ack: Ack) -> None:
            ack(options=OPTIONS)

        @app.view("form")
        def handle_submission(ack: Ack, body: Json) -> None:
            if body["view"]["state"]["values"]["notes"]["notes"]["value"] == "wrong":
                ack(response_action="errors", errors={"day": "That day is taken."})
                return
            ack()
            payloads.put(body)

    slack.send_control("app", global_shortcuts={"plan": "Plan a release"})
    with run_bolt_app(slack, add_listeners):
        yield payloads
        # Bolt sends an acknowledgement beside the listener, perhaps after it.
        slack.wait_until(lambda: has_acknowledged_presses(slack))


def open_modal(ada: BrowserPage) -> Locator:
    """Open the modal by the shortcut in the composer."""
    ada.channel_column.get_by_role("button", name="Shortcuts").click()
    ada.page.get_by_role("menuitem", name="Plan a release").click()
    return ada.page.get_by_role("dialog", name="Plan a release")


def test_a_button_and_menus_in_a_modal_work(
    slack: Workspace, open_reader: OpenReader, received: ReceivedQueue
) -> None:
    """A shortcut opens the modal; what is typed is kept while a button updates it."""
    ada = open_reader(slack).open_channel()
    modal = open_modal(ada)
    modal.get_by_label("notes").fill("kept")
    modal.get_by_role("button", name="Refresh").click()
    expect(modal.get_by_text("Refreshed.")).to_be_visible()
    expect(modal.get_by_label("notes")).to_have_value("kept")
    assert received.get(timeout=20)["state"]["values"]["notes"]["notes"]["value"] == "kept"
    modal.get_by_label("Reviewer").select_option("Lin")
    assert received.get(timeout=20)["actions"][0]["selected_user"] == LIN
    modal.get_by_label("Team").get_by_role("option", name="Sam").click()
    # Bolt runs listeners side by side, so the next press waits for this one.
    assert received.get(timeout=20)["actions"][0]["selected_users"] == [SAM]
    modal.get_by_label("Team").get_by_role("option", name="Ada").click()
    assert received.get(timeout=20)["actions"][0]["selected_users"] == [ADA, SAM]
    modal.get_by_role("button", name="More actions").click()
    ada.page.get_by_role("menuitem", name="PyPy").click()
    assert received.get(timeout=20)["actions"][0]["selected_option"]["value"] == "pypy"


def test_each_input_of_a_modal_is_submitted_with_its_type(
    slack: Workspace, open_reader: OpenReader, received: ReceivedQueue
) -> None:
    """Dates, ids and options; the app's error is shown at its block, and nothing is lost."""
    modal = open_modal(open_reader(slack, timezone_id="UTC").open_channel())
    modal.get_by_label("notes").fill("wrong")
    modal.get_by_label("moment").fill("2026-12-01T09:30")
    modal.get_by_label("language").fill("py")
    modal.get_by_label("Options").select_option("PyPy")
    modal.get_by_label("Python").check()
    modal.get_by_role("button", name="Plan").click()
    alert = modal.locator("[data-input=day]").get_by_role("alert")
    expect(alert).to_have_text("That day is taken.")
    modal.get_by_label("notes").fill("right")
    modal.get_by_role("button", name="Plan").click()
    expect(modal).to_have_count(0)

    states = received.get(timeout=20)["view"]["state"]["values"]
    values = {name: states[name][name] for name in states.keys() - {"row"}}
    assert values["day"]["selected_date"] == "2026-12-01"
    assert values["moment"]["selected_date_time"] == 1_796_117_400
    assert values["where"]["selected_conversation"] == GENERAL
    assert values["language"]["selected_option"]["value"] == "pypy"
    assert [option["value"] for option in values["kinds"]["selected_options"]] == ["python"]
    assert states["row"]["who"]["selected_user"] is None


def test_elements_of_the_home_tab_and_of_messages_work(
    slack: Workspace, open_reader: OpenReader, received: ReceivedQueue
) -> None:
    """A menu is sent when it changes, if that is confirmed; a text with Enter, if it is to be."""
    bot = WebClient(token="xoxb-fakeslack", base_url=slack.api_url)
    careful = {**WHO, "confirm": {"title": plain_text("Sure?"), "text": plain_text("It counts.")}}
    eager = {**input_block("search", "plain_text_input"), "dispatch_action": True}
    size = input_block("size", "number_input", is_decimal_allowed=False)
    home = {"type": "home", "blocks": [eager, size]}
    bot.views_publish(user_id=ADA, view=home)
    bot.chat_postMessage(
        channel=GENERAL,
        text="choose",
        blocks=[{"type": "section", "text": plain_text("Choose"), "accessory": careful}],
    )
    ada = open_reader(slack).open_channel()
    reviewer = ada.channel_column.get_by_label("Reviewer")
    for name, answer in (("Lin", "Yes"), ("Sam", "No")):
        reviewer.select_option(name)
        ada.page.get_by_role("button", name=answer).click()
    expect(reviewer).to_have_value(LIN)
    assert received.get(timeout=20)["actions"][0]["selected_user"] == LIN
    ada.find_sidebar_entry("StarChat").click()
    ada.page.get_by_role("tab", name="Home").click()
    tab = ada.page.get_by_role("tabpanel", name="Home")
    tab.get_by_label("size").fill("3")
    tab.get_by_label("search").fill("needle")
    tab.get_by_label("search").press("Enter")

    body = received.get(timeout=20)
    assert body["actions"][0]["value"] == "needle"
    assert body["state"]["values"]["size"]["size"]["value"] == "3"
