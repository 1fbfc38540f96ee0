"""Choices with a Bolt app: menus, pickers and inputs in messages and views."""

import queue
import re
from typing import Any

import pytest
from slack_bolt import Ack, App

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


@pytest.fixture
def received() -> "queue.SimpleQueue[Any]":
    """Queue of actions, each with the state beside it."""
    return queue.SimpleQueue()


def add_listeners(app: App, received: "queue.SimpleQueue[Any]") -> None:
    """Acknowledge every action and pass it on."""

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
