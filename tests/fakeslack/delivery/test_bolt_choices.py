"""Choices with a Bolt app: menus, pickers and inputs in messages and views."""

import queue
import re
from typing import Any

import pytest
from slack_bolt import Ack, App
from slack_sdk import WebClient

from testing.bolt_app import run_bolt_app
from testing.workspace import ADA, GENERAL, LIN, RefusedError, Workspace

Json = dict[str, Any]
PLAIN = {"type": "plain_text", "text": "a"}
WHO: Json = {"type": "multi_users_select", "action_id": "who", "initial_users": [LIN]}
WHERE: Json = {"type": "channels_select", "action_id": "where"}
ROW: Json = {"type": "actions", "block_id": "row", "elements": [WHO, WHERE]}
WORDS: Json = {"type": "plain_text_input", "action_id": "words"}
SILENT: Json = {"type": "input", "block_id": "silent", "label": PLAIN, "element": WORDS}
EAGER: Json = {**SILENT, "block_id": "eager", "dispatch_action": True}
OPTIONS = [{"text": PLAIN, "value": name} for name in ("python", "pypy")]
SEARCH: Json = {"type": "multi_external_select", "action_id": "ask", "min_query_length": 2}
BROKEN: Json = {"type": "external_select", "action_id": "broken"}
TARGET: Json = {
    "type": "conversations_select",
    "action_id": "to",
    "default_to_current_conversation": True,
}
MODAL: Json = {
    "type": "modal",
    "title": PLAIN,
    "submit": PLAIN,
    "blocks": [{"type": "input", "label": PLAIN, "element": TARGET}],
}


@pytest.fixture
def received() -> "queue.SimpleQueue[Any]":
    """Queue of actions, each with the state beside it."""
    return queue.SimpleQueue()


def add_listeners(app: App, received: "queue.SimpleQueue[Any]") -> None:
    """Acknowledge every action and pass it on."""

    @app.options("ask")
    def supply_options(ack: Ack, payload: Json) -> None:
        received.put(payload)
        found = [o for o in OPTIONS if payload["value"] in o["value"]]
        ack(option_groups=[{"label": PLAIN, "options": found}] if found else [])

    @app.options("broken")
    def supply_too_many(ack: Ack) -> None:
        ack(options=OPTIONS * 60)

    @app.shortcut("start")
    def keep_shortcut(ack: Ack, body: Json, client: WebClient) -> None:
        ack()
        received.put(body)
        client.views_open(trigger_id=body["trigger_id"], view=MODAL)

    @app.action(re.compile(".*"))
    def keep_action(ack: Ack, body: Json) -> None:
        ack()
        received.put((body["actions"][0], body["state"]["values"]))


def test_choices_in_a_message_have_typed_fields(
    workspace: Workspace, received: "queue.SimpleQueue[Any]"
) -> None:
    """Each by its element, beside the other selections; what is not offered is refused."""
    with run_bolt_app(workspace, lambda app: add_listeners(app, received)) as app:
        ts = app.client.chat_postMessage(channel=GENERAL, text="press", blocks=[ROW])["ts"]
        press = {"user": ADA, "channel": GENERAL, "ts": ts}
        workspace.post_json("_page/click", {**press, "action_id": "who", "value": [ADA, LIN]})
        users, _ = received.get(timeout=30)
        workspace.post_json("_page/click", {**press, "action_id": "where", "value": GENERAL})
        place, state = received.get(timeout=30)
        for value in ("C0NOWHERE1", [GENERAL]):
            with pytest.raises(RefusedError, match="value_not_found"):
                workspace.post_json("_page/click", {**press, "action_id": "where", "value": value})

    assert (users["selected_users"], users["initial_users"]) == ([ADA, LIN], [LIN])
    assert place["selected_channel"] == GENERAL
    assert state["row"]["who"]["selected_users"] == [ADA, LIN]


def test_an_input_is_sent_at_once_only_if_its_block_dispatches_actions(
    workspace: Workspace, received: "queue.SimpleQueue[Any]"
) -> None:
    """What is typed into another input comes with the state of the next action."""
    with run_bolt_app(workspace, lambda app: add_listeners(app, received)) as app:
        home = {"type": "home", "blocks": [SILENT, EAGER]}
        view = app.client.views_publish(user_id=ADA, view=home)["view"]
        typed = {"user": ADA, "view_id": view["id"], "action_id": "words"}
        quiet = workspace.post_json("_page/click", {**typed, "block_id": "silent", "value": "kept"})
        workspace.post_json("_page/click", {**typed, "block_id": "eager", "value": "sent"})
        words, state = received.get(timeout=30)

    assert quiet["action_ts"] is None
    assert words["value"] == "sent"
    assert state["silent"]["words"]["value"] == "kept"


def test_an_external_select_asks_the_app_for_options(
    workspace: Workspace, received: "queue.SimpleQueue[Any]"
) -> None:
    """From `min_query_length` characters on; only what the app supplied may be chosen."""
    row = {"type": "actions", "block_id": "row", "elements": [SEARCH, BROKEN]}
    with run_bolt_app(workspace, lambda app: add_listeners(app, received)) as app:
        ts = app.client.chat_postMessage(channel=GENERAL, text="press", blocks=[row])["ts"]
        search = {"user": ADA, "channel": GENERAL, "ts": ts, "action_id": "ask"}
        assert workspace.post_json("_page/suggest", {**search, "value": "p"})["options"] == []
        with pytest.raises(RefusedError, match="value_not_found"):
            workspace.post_json("_page/click", {**search, "value": ["pypy"]})
        answer = workspace.post_json("_page/suggest", {**search, "value": "py"})
        asked = received.get(timeout=30)
        workspace.post_json("_page/click", {**search, "value": ["pypy"]})
        action, state = received.get(timeout=30)
        with pytest.raises(RefusedError, match="invalid_options"):
            workspace.post_json("_page/suggest", {**search, "action_id": "broken", "value": "any"})

    assert answer["option_groups"][0]["options"] == OPTIONS
    assert (asked["type"], asked["value"]) == ("block_suggestion", "py")
    assert (asked["block_id"], asked["action_id"]) == ("row", "ask")
    assert asked["container"]["message_ts"] == ts
    assert action["selected_options"] == state["row"]["ask"]["selected_options"] == OPTIONS[1:]


def test_a_global_shortcut_has_no_channel_and_opens_a_modal(
    workspace: Workspace, received: "queue.SimpleQueue[Any]"
) -> None:
    """Only those that the app has; a menu may preselect the conversation on screen."""
    workspace.send_control("app", global_shortcuts={"start": "Start something"})
    assert workspace.read_state()["app"]["global_shortcuts"] == [
        {"callback_id": "start", "name": "Start something"}
    ]
    with run_bolt_app(workspace, lambda app: add_listeners(app, received)):
        press = {"user": ADA, "channel": GENERAL, "callback_id": "start"}
        workspace.post_json("_page/shortcut", press)
        body = received.get(timeout=30)
        [modal] = workspace.wait_until(
            lambda: workspace.get_json("_page/views", user=ADA)["modals"] or None
        )
        with pytest.raises(RefusedError, match="unknown_shortcut"):
            workspace.post_json("_page/shortcut", {**press, "callback_id": "ask_about_message"})

    assert body["type"] == "shortcut"
    assert not {"channel", "message", "response_url", "api_app_id"} & body.keys()
    assert body["user"].keys() == {"id", "username", "team_id"}
    [[chosen]] = [states.values() for states in modal["state"]["values"].values()]
    assert chosen["selected_conversation"] == GENERAL
