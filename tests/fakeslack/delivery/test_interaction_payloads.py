"""Interaction payloads: buttons, menus, views, shortcuts and slash commands."""

import pytest

from fakeslack.delivery.interaction_payloads import InteractionPayloads, build_action, find_element
from fakeslack.errors import SlackError
from testing.in_memory_workspace import ADA, GENERAL, LIN, STARCHAT, InMemoryWorkspace

PLAIN = {"type": "plain_text", "text": "a"}


MODAL = {"type": "modal", "title": PLAIN, "blocks": [{"type": "divider"}]}


BUTTON = {"type": "button", "action_id": "go", "text": PLAIN, "value": "v"}


CHOICE = {
    "type": "static_select",
    "action_id": "pick",
    "options": [{"text": PLAIN, "value": "x"}],
}


FEEDBACK = {
    "type": "feedback_buttons",
    "action_id": "rate",
    "positive_button": {"text": PLAIN, "value": "good"},
    "negative_button": {"text": PLAIN, "value": "bad"},
}


TRASH = {
    "type": "icon_button",
    "icon": "trash",
    "text": PLAIN,
    "action_id": "bin",
    "visible_to_user_ids": [ADA],
}


BLOCKS = [
    {"type": "section", "text": PLAIN, "accessory": BUTTON, "block_id": "one"},
    {"type": "actions", "elements": [BUTTON, CHOICE], "block_id": "two"},
    {
        "type": "container",
        "child_blocks": [
            {"type": "context_actions", "elements": [FEEDBACK, TRASH], "block_id": "three"}
        ],
    },
]


@pytest.fixture
def slack() -> InMemoryWorkspace:
    """A fresh workspace."""
    return InMemoryWorkspace()


def test_a_pressed_element_is_found_by_action_id() -> None:
    """Accessories, actions and containers are searched; a block id selects between equals."""
    source = {"blocks": BLOCKS}
    assert find_element(source, "go", None) == (BUTTON, "one")
    assert find_element(source, "go", "two") == (BUTTON, "two")
    assert find_element(source, "rate", None) == (FEEDBACK, "three")
    with pytest.raises(SlackError, match="action_not_found"):
        find_element(source, "odd", None)


def test_an_action_carries_the_chosen_value() -> None:
    """A button carries its value, a menu its option, feedback its side."""
    assert build_action(BUTTON, "b", None, "1.0")["value"] == "v"
    assert "value" not in build_action({**TRASH}, "b", None, "1.0")
    assert build_action(TRASH, "b", "given", "1.0")["value"] == "given"
    assert build_action(CHOICE, "b", "x", "1.0")["selected_option"]["value"] == "x"
    assert build_action(FEEDBACK, "b", "bad", "1.0")["value"] == "bad"
    for element in (CHOICE, FEEDBACK):
        with pytest.raises(SlackError, match="value_not_found"):
            build_action(element, "b", "odd", "1.0")


def test_a_message_press_names_message_and_channel(slack: InMemoryWorkspace) -> None:
    """The payload holds the message unless that is ephemeral."""
    payloads = InteractionPayloads(slack.workspace)
    root = slack.post_message("a")
    reply = slack.post_message("b", user=STARCHAT, thread_ts=root.ts, blocks=BLOCKS)
    action = build_action(BUTTON, "one", None, "1.0")
    body = payloads.build_block_actions(ADA, reply, action, BUTTON)
    assert body["container"]["thread_ts"] == root.ts
    assert body["message"]["ts"] == reply.ts
    assert body["channel"]["id"] == GENERAL
    ephemeral = slack.workspace.post_ephemeral(GENERAL, ADA, {"user": STARCHAT, "blocks": BLOCKS})
    ephemeral_body = payloads.build_block_actions(ADA, ephemeral, action, BUTTON)
    assert ephemeral_body["container"]["is_ephemeral"]
    assert "message" not in ephemeral_body


def test_a_hidden_button_cannot_be_pressed(slack: InMemoryWorkspace) -> None:
    """`visible_to_user_ids` hides an icon button from all others."""
    payloads, message = InteractionPayloads(slack.workspace), slack.post_message("a", user=STARCHAT)
    action = build_action(TRASH, "three", None, "1.0")
    assert payloads.build_block_actions(ADA, message, action, TRASH)["user"]["id"] == ADA
    with pytest.raises(SlackError, match="action_not_found"):
        payloads.build_block_actions(LIN, message, action, TRASH)


def test_each_interaction_has_slacks_payload(slack: InMemoryWorkspace) -> None:
    """Views, shortcuts and commands carry what Slack sends."""
    payloads = InteractionPayloads(slack.workspace)
    view = slack.workspace.views.open_view(ADA, MODAL)
    message = slack.post_message("a")
    channel = slack.workspace.channels[GENERAL]
    action = build_action(BUTTON, "one", None, "1.0")
    assert payloads.build_view_actions(ADA, view, action)["container"]["view_id"] == view.id
    assert payloads.build_view_submission(ADA, view)["type"] == "view_submission"
    assert payloads.build_view_closed(ADA, view)["type"] == "view_closed"
    shortcut = payloads.build_message_action(ADA, message, "ask")
    assert (shortcut["callback_id"], shortcut["message_ts"]) == ("ask", message.ts)
    command = payloads.build_slash_command(ADA, channel, "/starchat", "help")
    assert (command["command"], command["text"]) == ("/starchat", "help")
