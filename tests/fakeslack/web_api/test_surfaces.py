"""Modals, the Home tab, buttons and the tickets that go with them."""

from typing import Any

import pytest

from fakeslack.delivery.interaction_payloads import InteractionPayloads, build_action, find_element
from fakeslack.errors import SlackError
from fakeslack.state.messages import Message
from fakeslack.state.views import validate_view
from testing.in_memory_workspace import ADA, GENERAL, LIN, STARCHAT, InMemoryWorkspace

Json = dict[str, Any]
PLAIN = {"type": "plain_text", "text": "a"}
MODAL = {"type": "modal", "title": PLAIN, "blocks": [{"type": "divider"}]}
HOME = {"type": "home", "blocks": [{"type": "divider"}]}
INPUT_MODAL = {"type": "input", "label": PLAIN, "element": {"type": "plain_text_input"}}
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


def open_modal(slack: InMemoryWorkspace, view: Json = MODAL, person: str = ADA) -> Json:
    """Open a modal for a person who has just done something."""
    trigger = slack.workspace.trigger_ids.issue_trigger(person)
    shown: Json = slack.call_method("views.open", trigger_id=trigger, view=view)["view"]
    return shown


def test_a_trigger_opens_one_modal_within_three_seconds(slack: InMemoryWorkspace) -> None:
    """Used, old and invented triggers are refused, each in its own word."""
    used, old = (slack.workspace.trigger_ids.issue_trigger(ADA) for _ in range(2))
    shown = slack.call_method("views.open", trigger_id=used, view=MODAL)["view"]
    assert shown["root_view_id"] == shown["id"]
    slack.clock_seconds += 4
    for trigger, error in (
        (used, "exchanged_trigger_id"),
        (old, "expired_trigger_id"),
        ("odd", "invalid_trigger_id"),
    ):
        assert slack.expect_error("views.open", trigger_id=trigger, view=MODAL) == error


def test_modals_stack_three_deep_and_close(slack: InMemoryWorkspace) -> None:
    """A modal stands on another; the fourth is refused; closing shows the one below."""
    first = open_modal(slack)
    for _ in range(2):
        trigger = slack.workspace.trigger_ids.issue_trigger(ADA)
        top = slack.call_method("views.push", trigger_id=trigger, view=MODAL)["view"]
    assert top["root_view_id"] == first["id"]
    trigger = slack.workspace.trigger_ids.issue_trigger(ADA)
    assert slack.expect_error("views.push", trigger_id=trigger, view=MODAL) == "push_limit_reached"
    views = slack.workspace.views
    views.close_view(views.get_view(top["id"]))
    assert len(views.list_modals(ADA)) == 2
    views.close_view(views.list_modals(ADA)[-1], close_all=True)
    assert views.list_modals(ADA) == []
    assert [bool(change.detail["view"]) for change in slack.find_changes("view")] == [True] * 4 + [
        False
    ]
    trigger = slack.workspace.trigger_ids.issue_trigger(ADA)
    assert slack.expect_error("views.push", trigger_id=trigger, view=MODAL) == "not_found"


def test_a_view_changes_only_as_it_was_seen(slack: InMemoryWorkspace) -> None:
    """An update may name the hash it saw; another one is a conflict."""
    shown = open_modal(slack, {**MODAL, "external_id": "mine"})
    again = {**MODAL, "callback_id": "b"}
    new = slack.call_method("views.update", view_id=shown["id"], view=again, hash=shown["hash"])[
        "view"
    ]
    assert new["callback_id"] == "b"
    stale = {"view_id": shown["id"], "view": again, "hash": shown["hash"]}
    assert slack.expect_error("views.update", **stale) == "hash_conflict"
    assert slack.expect_error("views.update", external_id="other", view=again) == "not_found"


def test_an_external_id_is_taken_once(slack: InMemoryWorkspace) -> None:
    """Two open views cannot share a name of the app's own."""
    named = {**MODAL, "external_id": "mine"}
    open_modal(slack, named)
    trigger = slack.workspace.trigger_ids.issue_trigger(LIN)
    assert (
        slack.expect_error("views.open", trigger_id=trigger, view=named) == "duplicate_external_id"
    )


def test_the_home_tab_is_one_view_per_person(slack: InMemoryWorkspace) -> None:
    """Publishing again changes the same view."""
    first = slack.call_method("views.publish", user_id=ADA, view=HOME)["view"]
    second = slack.call_method("views.publish", user_id=ADA, view=HOME)["view"]
    assert first["id"] == second["id"]
    home = slack.workspace.views.get_home(ADA)
    assert home is not None
    assert slack.workspace.views.list_modals(ADA) == []
    assert slack.expect_error("views.publish", user_id="U9", view=HOME) == "user_not_found"


@pytest.mark.parametrize(
    ("view", "kind", "error"),
    [
        ("odd", "modal", "invalid_arguments"),
        (HOME, "modal", "invalid_arguments"),
        (MODAL, "home", "invalid_arguments"),
        ({**MODAL, "title": {"type": "plain_text", "text": "a" * 25}}, "modal", "invalid"),
        ({**MODAL, "blocks": [{"type": "poem"}]}, "modal", "invalid_arguments"),
        ({**MODAL, "blocks": [INPUT_MODAL]}, "modal", "invalid_arguments"),
        ({**HOME, "private_metadata": "a" * 3_001}, "home", "invalid_arguments"),
        ({**HOME, "blocks": ["a" * 250_000]}, "home", "view_too_large"),
    ],
    ids=range(8),
)
def test_a_wrong_view_is_refused(view: Any, kind: str, error: str) -> None:
    """A view has the form of its kind, and asks only where it can be sent off."""
    with pytest.raises(SlackError, match=error):
        validate_view(view, kind)


def test_a_modal_that_asks_can_be_sent_off() -> None:
    """With a submit button inputs are welcome."""
    view = {**MODAL, "blocks": [INPUT_MODAL], "submit": PLAIN}
    assert validate_view(view, "modal") == view


def test_a_pressed_element_is_found_wherever_it_stands() -> None:
    """Accessory, action or inside a container; the block may be named to tell twins apart."""
    source = {"blocks": BLOCKS}
    assert find_element(source, "go", None) == (BUTTON, "one")
    assert find_element(source, "go", "two") == (BUTTON, "two")
    assert find_element(source, "rate", None) == (FEEDBACK, "three")
    with pytest.raises(SlackError, match="action_not_found"):
        find_element(source, "odd", None)


def test_a_press_says_what_was_chosen() -> None:
    """A button carries its value, a menu the option, feedback the side."""
    assert build_action(BUTTON, "b", None, "1.0")["value"] == "v"
    assert "value" not in build_action({**TRASH}, "b", None, "1.0")
    assert build_action(TRASH, "b", "given", "1.0")["value"] == "given"
    assert build_action(CHOICE, "b", "x", "1.0")["selected_option"]["value"] == "x"
    assert build_action(FEEDBACK, "b", "bad", "1.0")["value"] == "bad"
    for element in (CHOICE, FEEDBACK):
        with pytest.raises(SlackError, match="value_not_found"):
            build_action(element, "b", "odd", "1.0")


def test_a_press_in_a_message_names_message_and_place(slack: InMemoryWorkspace) -> None:
    """The payload leads back to the message; an ephemeral one is not in it."""
    payloads = InteractionPayloads(slack.workspace)
    root = slack.post_message("a")
    reply = slack.post_message("b", user=STARCHAT, thread_ts=root.ts, blocks=BLOCKS)
    done = build_action(BUTTON, "one", None, "1.0")
    body = payloads.build_block_actions(ADA, reply, done, BUTTON)
    assert body["container"]["thread_ts"] == root.ts
    assert body["message"]["ts"] == reply.ts
    assert body["channel"]["id"] == GENERAL
    whisper = slack.workspace.post_ephemeral(GENERAL, ADA, {"user": STARCHAT, "blocks": BLOCKS})
    hidden = payloads.build_block_actions(ADA, whisper, done, BUTTON)
    assert hidden["container"]["is_ephemeral"]
    assert "message" not in hidden


def test_a_button_for_one_person_is_pressed_by_them_alone(slack: InMemoryWorkspace) -> None:
    """`visible_to_user_ids` hides an icon button from everybody else."""
    payloads, message = InteractionPayloads(slack.workspace), slack.post_message("a", user=STARCHAT)
    done = build_action(TRASH, "three", None, "1.0")
    assert payloads.build_block_actions(ADA, message, done, TRASH)["user"]["id"] == ADA
    with pytest.raises(SlackError, match="action_not_found"):
        payloads.build_block_actions(LIN, message, done, TRASH)


def test_views_shortcuts_and_commands_have_payloads(slack: InMemoryWorkspace) -> None:
    """Each kind of interaction carries what Slack sends with it."""
    payloads = InteractionPayloads(slack.workspace)
    view = slack.workspace.views.open_view(ADA, MODAL)
    message = slack.post_message("a")
    channel = slack.workspace.channels[GENERAL]
    done = build_action(BUTTON, "one", None, "1.0")
    assert payloads.build_view_actions(ADA, view, done)["container"]["view_id"] == view.id
    assert payloads.build_view_submission(ADA, view)["type"] == "view_submission"
    assert payloads.build_view_closed(ADA, view)["type"] == "view_closed"
    shortcut = payloads.build_message_action(ADA, message, "ask")
    assert (shortcut["callback_id"], shortcut["message_ts"]) == ("ask", message.ts)
    command = payloads.build_slash_command(ADA, channel, "/starchat", "help")
    assert (command["command"], command["text"]) == ("/starchat", "help")


def test_an_answering_address_works_five_times_within_half_an_hour(
    slack: InMemoryWorkspace,
) -> None:
    """After that it is used up or too old; an invented one never worked."""
    answers = slack.workspace.response_urls
    message = Message(GENERAL, {"ts": "1.000000"})
    often, old = (answers.issue_url(GENERAL, ADA, message) for _ in range(2))
    for _ in range(5):
        assert answers.use_url(often).person == ADA
    with pytest.raises(SlackError, match="used_url"):
        answers.use_url(often)
    slack.clock_seconds += 1_801
    for name in (old, "odd"):
        with pytest.raises(SlackError, match="expired_url"):
            answers.use_url(name)
