"""App views on the page: modals, Home tab and Stop button."""

import queue
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect
from slack_bolt import Ack, App
from slack_sdk import WebClient

from testing.bolt_app import run_bolt_app
from testing.workspace import ADA, GENERAL, STARCHAT, Workspace
from tests.fakeslack.conftest import OpenReader

pytestmark = pytest.mark.browser

Json = dict[str, Any]
ReceivedQueue = queue.SimpleQueue[tuple[str, Any]]


def plain_text(text: str) -> Json:
    """Return a `plain_text` object."""
    return {"type": "plain_text", "text": text}


def input_block(name: str, element: Json, **more: Any) -> Json:
    """Return an input block."""
    element = {"action_id": name, **element}
    return {
        "type": "input",
        "block_id": name,
        "label": plain_text(name),
        "element": element,
        **more,
    }


LANGUAGES = [{"text": plain_text(name), "value": name.lower()} for name in ("Python", "Rust")]
MODAL = {
    "type": "modal",
    "title": plain_text("What was wrong?"),
    "submit": plain_text("Send"),
    "blocks": [
        {"type": "section", "text": plain_text("Thank you for telling.")},
        input_block("reason", {"type": "plain_text_input", "multiline": True}),
        input_block("language", {"type": "static_select", "options": LANGUAGES}),
        input_block("also", {"type": "checkboxes", "options": LANGUAGES}, optional=True),
    ],
}
BUTTON = {"type": "button", "action_id": "again", "text": plain_text("Once more"), "value": "1"}
HOME = {
    "type": "home",
    "blocks": [
        {"type": "header", "text": plain_text("How to ask")},
        {"type": "actions", "block_id": "b1", "elements": [BUTTON]},
    ],
}


@pytest.fixture
def received(slack: Workspace) -> Iterator[ReceivedQueue]:
    """What an app receives that opens a modal, rejects one reason and has a Home tab."""
    queue_of_received: ReceivedQueue = queue.SimpleQueue()

    def add_listeners(app: App) -> None:
        @app.action("again")
        def open_modal(ack: Ack, body: Json, client: WebClient) -> None:
            ack()
            queue_of_received.put(("again", body["container"]["type"]))
            client.views_open(trigger_id=body["trigger_id"], view=MODAL)

        @app.view("")
        def handle_submission(ack: Ack, view: Json) -> None:
            values = view["state"]["values"]
            if values["reason"]["reason"]["value"] == "because":
                ack(response_action="errors", errors={"reason": "Say a little more."})
                return
            ack()
            queue_of_received.put(("sent", values))

        @app.event("app_home_opened")
        def publish_home(event: Json, client: WebClient) -> None:
            if event["tab"] == "home":
                client.views_publish(user_id=event["user"], view=HOME)

        @app.event("agent_session_stopped")
        def handle_stop(event: Json) -> None:
            queue_of_received.put(("stopped", event["thread_ts"]))

    with run_bolt_app(slack, add_listeners):
        yield queue_of_received


def test_a_modal_is_completed_and_submitted(
    slack: Workspace, open_reader: OpenReader, received: ReceivedQueue
) -> None:
    """Required inputs and the app's errors are shown below the inputs; then values arrive."""
    blocks = [{"type": "actions", "block_id": "b1", "elements": [BUTTON]}]
    slack.post_raw(GENERAL, "", user=STARCHAT, blocks=blocks)
    ada = open_reader(slack).open_channel()
    ada.channel_column.get_by_role("button", name="Once more").click()
    modal = ada.page.get_by_role("dialog", name="What was wrong?")
    modal.get_by_label("language").select_option("Rust")
    modal.get_by_role("button", name="Send").click()
    expect(modal.get_by_role("alert")).to_have_text("Please complete this required field.")
    expect(modal.get_by_label("reason")).to_be_focused()
    modal.get_by_label("reason").fill("because")
    modal.get_by_role("button", name="Send").click()
    expect(modal.get_by_role("alert")).to_have_text("Say a little more.")
    modal.get_by_label("reason").fill("The code <b>does not</b> run.")
    modal.get_by_label("Python").check()
    modal.get_by_role("button", name="Send").click()

    expect(modal).to_have_count(0)
    assert received.get(timeout=20) == ("again", "message")
    kind, values = received.get(timeout=20)
    assert kind == "sent"
    assert values["reason"]["reason"]["value"] == "The code <b>does not</b> run."
    assert values["language"]["language"]["selected_option"]["value"] == "rust"
    assert [o["value"] for o in values["also"]["also"]["selected_options"]] == ["python"]


def test_a_modal_can_be_closed(
    slack: Workspace, open_reader: OpenReader, received: ReceivedQueue
) -> None:
    """Escape closes it for the app too; it stays closed after a reload."""
    blocks = [{"type": "actions", "block_id": "b1", "elements": [BUTTON]}]
    slack.post_raw(GENERAL, "", user=STARCHAT, blocks=blocks)
    ada = open_reader(slack).open_channel()
    ada.channel_column.get_by_role("button", name="Once more").click()
    modal = ada.page.get_by_role("dialog", name="What was wrong?")
    expect(modal).to_be_visible()
    ada.page.reload()
    expect(modal).to_be_visible()
    ada.page.keyboard.press("Escape")
    expect(modal).to_have_count(0)
    ada.page.reload()
    expect(ada.channel_column.get_by_role("button", name="Once more")).to_be_visible()

    expect(modal).to_have_count(0)
    assert received.get(timeout=20) == ("again", "message")


def test_the_home_tab_is_shown(
    slack: Workspace, open_reader: OpenReader, received: ReceivedQueue
) -> None:
    """The app's direct message has a Home tab with working buttons."""
    ada = open_reader(slack).open_channel()
    expect(ada.page.get_by_role("tab")).to_have_count(0)
    ada.find_sidebar_entry("StarChat").click()
    ada.page.get_by_role("tab", name="Home").click()
    home = ada.page.get_by_role("tabpanel", name="Home")
    expect(home.get_by_role("heading")).to_have_text("How to ask")
    expect(ada.channel_composer).to_be_hidden()
    home.get_by_role("button", name="Once more").click()
    assert received.get(timeout=20) == ("again", "view")
    ada.page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    ada.page.get_by_role("tab", name="Messages").click()

    expect(ada.channel_composer).to_be_visible()
    expect(home).to_be_hidden()


def test_the_stop_button_is_shown_while_processing(
    slack: Workspace, open_reader: OpenReader, received: ReceivedQueue
) -> None:
    """The button notifies the app."""
    bot = WebClient(token="xoxb-fakeslack", base_url=slack.api_url)
    root = slack.post_message(ADA, GENERAL, "@StarChat count to a million")
    ada = open_reader(slack).open_channel(GENERAL, root)
    expect(ada.find_message("a million", ada.thread_column)).to_be_visible()
    session = {"channel_id": GENERAL, "thread_ts": root}
    bot.api_call("agents.sessions.setStatus", params={**session, "status": "processing"})
    ada.thread_column.get_by_role("button", name="Stop").click()
    assert received.get(timeout=20) == ("stopped", root)
    bot.api_call("agents.sessions.setStatus", params={**session, "status": "active"})

    expect(ada.thread_column.get_by_role("button", name="Stop")).to_have_count(0)


def test_the_title_of_a_session_is_shown(slack: Workspace, open_reader: OpenReader) -> None:
    """The app names the session of a direct message; the thread has this title."""
    bot = WebClient(token="xoxb-fakeslack", base_url=slack.api_url)
    channel = slack.open_dm(ADA, STARCHAT)
    root = slack.post_message(ADA, channel, "what is a mutex?")
    session = {"channel_id": channel, "thread_ts": root}
    bot.api_call("agents.sessions.setStatus", params={**session, "status": "processing"})
    ada = open_reader(slack).open_channel(channel, root)
    expect(ada.thread_column.get_by_role("heading", name="Thread")).to_be_visible()
    bot.api_call("agents.sessions.rename", params={**session, "title": "About locks"})
    expect(ada.thread_column.get_by_role("heading", name="About locks")).to_be_visible()
    ada.page.reload()

    expect(ada.thread_column.get_by_role("heading", name="About locks")).to_be_visible()
