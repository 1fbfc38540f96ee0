"""Actions of `block_actions` payloads."""

from typing import Any

import pytest

from fakeslack.delivery.actions import build_choice, build_press
from fakeslack.errors import SlackError

Json = dict[str, Any]
PLAIN = {"type": "plain_text", "text": "a"}
OPTION = {"text": PLAIN, "value": "x"}
BUTTON = {"type": "button", "action_id": "go", "text": PLAIN, "value": "v", "style": "danger"}
TRASH = {"type": "icon_button", "icon": "trash", "text": PLAIN, "action_id": "bin"}
OVERFLOW = {"type": "overflow", "action_id": "more", "options": [OPTION]}
FEEDBACK = {
    "type": "feedback_buttons",
    "action_id": "rate",
    "positive_button": {"text": PLAIN, "value": "good"},
    "negative_button": {"text": PLAIN, "value": "bad"},
}


def test_a_press_carries_the_elements_value() -> None:
    """A button has its text, value and style, feedback its side, an overflow menu its option."""
    press = build_press(BUTTON, "b", None, "1.0")
    assert press == {**BUTTON, "block_id": "b", "action_ts": "1.0"}
    assert "value" not in build_press(TRASH, "b", None, "1.0")
    assert build_press(TRASH, "b", "given", "1.0")["value"] == "given"
    assert build_press(TRASH, "b", None, "1.0")["icon"] == "trash"
    assert build_press(FEEDBACK, "b", "bad", "1.0")["value"] == "bad"
    assert build_press(OVERFLOW, "b", "x", "1.0")["selected_option"] == OPTION
    for element in (OVERFLOW, FEEDBACK):
        with pytest.raises(SlackError, match="value_not_found"):
            build_press(element, "b", "odd", "1.0")


def test_a_choice_carries_its_typed_field_and_its_first_one() -> None:
    """`selected_user` beside `initial_user` and `placeholder`, and no `value`."""
    element: Json = {"type": "users_select", "action_id": "who", "initial_user": "U1"}
    element |= {"placeholder": PLAIN, "focus_on_load": True}
    state = {"type": "users_select", "selected_user": "U2"}
    assert build_choice(element, "b", state, "1.0") == {
        "type": "users_select",
        "action_id": "who",
        "block_id": "b",
        "action_ts": "1.0",
        "selected_user": "U2",
        "initial_user": "U1",
        "placeholder": PLAIN,
    }
