"""Interaction payloads: buttons, menus, views, shortcuts and slash commands."""

from typing import Any

import pytest

from fakeslack.delivery.actions import build_press
from fakeslack.delivery.interaction_payloads import InteractionPayloads
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


BLOCKS: list[dict[str, Any]] = [
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


def test_a_message_press_names_message_and_channel(slack: InMemoryWorkspace) -> None:
    """The payload holds the message unless that is ephemeral."""
    payloads = InteractionPayloads(slack.workspace)
    root = slack.post_message("a")
    reply = slack.post_message("b", user=STARCHAT, thread_ts=root.ts, blocks=BLOCKS)
    action = build_press(BUTTON, "one", None, "1.0")
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
    action = build_press(TRASH, "three", None, "1.0")
    assert payloads.build_block_actions(ADA, message, action, TRASH)["user"]["id"] == ADA
    with pytest.raises(SlackError, match="action_not_found"):
        payloads.build_block_actions(LIN, message, action, TRASH)


def test_each_interaction_has_slacks_payload(slack: InMemoryWorkspace) -> None:
    """Views, shortcuts and commands carry what Slack sends."""
    payloads = InteractionPayloads(slack.workspace)
    view = slack.workspace.views.open_view(ADA, MODAL)
    message = slack.post_message("a")
    channel = slack.workspace.channels[GENERAL]
    action = build_press(BUTTON, "one", None, "1.0")
    assert payloads.build_view_actions(ADA, view, action)["container"]["view_id"] == view.id
    assert payloads.build_view_submission(ADA, view)["type"] == "view_submission"
    assert payloads.build_view_closed(ADA, view)["type"] == "view_closed"
    shortcut = payloads.build_message_action(ADA, message, "ask")
    assert (shortcut["callback_id"], shortcut["message_ts"]) == ("ask", message.ts)
    command = payloads.build_slash_command(ADA, channel, "/starchat", "help")
    assert (command["command"], command["text"]) == ("/starchat", "help")


def test_only_interactions_carry_a_views_state(slack: InMemoryWorkspace) -> None:
    """As in Slack, the state is empty in method answers and in `view_closed`."""
    question = {"type": "input", "label": PLAIN, "element": {"type": "plain_text_input"}}
    payloads = InteractionPayloads(slack.workspace)
    view = slack.workspace.views.open_view(ADA, {**MODAL, "submit": PLAIN, "blocks": [question]})
    [block] = view.body["blocks"]
    view.selections.choose(block, block["element"], "why")
    typed = {"type": "plain_text_input", "value": "why"}
    state = {"values": {block["block_id"]: {block["element"]["action_id"]: typed}}}
    pressed = payloads.build_view_actions(ADA, view, build_press(BUTTON, "one", None, "1.0"))
    assert pressed["state"] == pressed["view"]["state"] == state
    assert payloads.build_view_submission(ADA, view)["view"]["state"] == state
    assert payloads.build_view_closed(ADA, view)["view"]["state"] == {"values": {}}
    assert view.as_slack(slack.workspace.app)["state"] == {"values": {}}


def test_a_chosen_conversation_has_a_response_url(slack: InMemoryWorkspace) -> None:
    """Where the modal asks for it; the URL posts into that conversation."""
    element = {"type": "conversations_select", "action_id": "to", "response_url_enabled": True}
    element |= {"default_to_current_conversation": True}
    asking = {"type": "input", "block_id": "where", "label": PLAIN, "element": element}
    trigger = slack.workspace.trigger_ids.issue_trigger(ADA, GENERAL)
    body = {**MODAL, "submit": PLAIN, "blocks": [asking]}
    opened = slack.call_method("views.open", trigger_id=trigger, view=body)["view"]
    view = slack.workspace.views.get_view(opened["id"])
    submission = InteractionPayloads(slack.workspace).build_view_submission(ADA, view)
    [entry] = submission["response_urls"]
    url = slack.workspace.response_urls.use_url(entry.pop("response_url").rpartition("/")[2])
    assert entry == {"block_id": "where", "action_id": "to", "channel_id": GENERAL}
    assert (url.channel, url.person, url.message) == (GENERAL, ADA, None)


def test_each_person_has_their_own_selections_in_a_message(slack: InMemoryWorkspace) -> None:
    """The state in a message's payload is that of the person who uses it."""
    payloads = InteractionPayloads(slack.workspace)
    message = slack.post_message("b", user=STARCHAT, blocks=BLOCKS)
    selections = slack.workspace.get_selections(ADA, message)
    selections.choose(BLOCKS[1], CHOICE, "x")
    action = build_press(BUTTON, "one", None, "1.0")
    chosen = {
        person: payloads.build_block_actions(person, message, action, BUTTON)["state"]["values"]
        for person in (ADA, LIN)
    }
    option = {"text": PLAIN, "value": "x"}
    assert chosen[ADA] == {"two": {"pick": {"type": "static_select", "selected_option": option}}}
    assert chosen[LIN] == {"two": {"pick": {"type": "static_select", "selected_option": None}}}
