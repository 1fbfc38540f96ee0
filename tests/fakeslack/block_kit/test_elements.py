"""Schemas of selects, pickers and inputs: what Slack accepts, and its limits."""

from typing import Any

import pytest

from fakeslack.block_kit import validate_blocks, validate_view_blocks
from fakeslack.block_kit.composition import find_suggestion_faults
from fakeslack.errors import SlackError

Json = dict[str, Any]
PLAIN = {"type": "plain_text", "text": "a"}
OPTION, OTHER = {"text": PLAIN, "value": "v"}, {"text": PLAIN, "value": "w"}
GROUP = {"label": PLAIN, "options": [OPTION]}
TYPED = {"action_id": "a", "placeholder": PLAIN, "focus_on_load": True}
COMMON = {**TYPED, "confirm": {"title": PLAIN, "text": PLAIN}}
CONVERSATIONS = {
    "default_to_current_conversation": True,
    "filter": {"include": ["im", "public"], "exclude_bot_users": True},
}

SELECTS: list[Json] = [
    {**COMMON, "type": "static_select", "options": [OPTION], "initial_option": OPTION},
    {**COMMON, "type": "static_select", "option_groups": [GROUP], "initial_option": OPTION},
    {**COMMON, "type": "external_select", "initial_option": OPTION, "min_query_length": 0},
    {**COMMON, "type": "users_select", "initial_user": "U1"},
    {**COMMON, "type": "conversations_select", "response_url_enabled": True, **CONVERSATIONS},
    {**COMMON, "type": "channels_select", "initial_channel": "C1", "response_url_enabled": True},
    {**COMMON, "type": "multi_static_select", "options": [OPTION], "initial_options": [OPTION]},
    {**COMMON, "type": "multi_external_select", "initial_options": [OPTION]},
    {**COMMON, "type": "multi_users_select", "initial_users": ["U1"], "max_selected_items": 3},
    {**COMMON, "type": "multi_conversations_select", **CONVERSATIONS},
    {**COMMON, "type": "multi_channels_select", "initial_channels": ["C1"]},
    {**COMMON, "type": "datepicker", "initial_date": "2026-11-30"},
    {**COMMON, "type": "timepicker", "initial_time": "09:30", "timezone": "Europe/Amsterdam"},
    {"type": "datetimepicker", "action_id": "a", "initial_date_time": 1_764_500_000},
    {"type": "checkboxes", "options": [OPTION], "initial_options": [OPTION]},
    {"type": "radio_buttons", "options": [OPTION], "initial_option": OPTION},
]
INPUTS: list[Json] = [
    {**TYPED, "type": "plain_text_input", "initial_value": "", "max_length": 3_000},
    {**TYPED, "type": "number_input", "is_decimal_allowed": False, "max_value": "9"},
    {**TYPED, "type": "email_text_input", "initial_value": "a@b.example"},
    {
        **TYPED,
        "type": "url_text_input",
        "dispatch_action_config": {"trigger_actions_on": ["on_character_entered"]},
    },
    {**TYPED, "type": "rich_text_input"},
    {"type": "file_input", "action_id": "a", "filetypes": ["pdf"], "max_files": 10},
]
INVALID: list[tuple[Json, str]] = [
    ({"type": "static_select"}, "either options or option_groups"),
    ({"type": "static_select", "options": [OPTION], "option_groups": [GROUP]}, "either options"),
    ({"type": "static_select", "options": [OPTION], "initial_option": OTHER}, "must match one"),
    ({"type": "static_select", "option_groups": [{"label": PLAIN}]}, "missing required field"),
    ({"type": "static_select", "options": [OPTION] * 101}, "no more than 100 items"),
    ({"type": "checkboxes", "options": [OPTION], "initial_options": [OTHER]}, "must match one"),
    ({"type": "checkboxes", "options": [OPTION] * 11}, "no more than 10 items"),
    ({"type": "external_select", "options": [OPTION]}, "invalid additional property: options"),
    ({"type": "external_select", "min_query_length": -1}, "must be a number"),
    ({"type": "multi_users_select", "max_selected_items": 0}, "must be a number from 1"),
    ({"type": "multi_channels_select", "response_url_enabled": True}, "invalid additional"),
    ({"type": "conversations_select", "filter": {"include": ["all"]}}, "must be one of im"),
    ({"type": "datepicker", "initial_date": "2026-02-30"}, "must be a date"),
    ({"type": "datepicker", "initial_date": 20_260_228}, "must be a date"),
    ({"type": "timepicker", "initial_time": "9:30"}, "must be a time"),
    ({"type": "timepicker", "initial_time": 930}, "must be a time"),
    ({"type": "datetimepicker", "initial_date_time": 1_764_500}, "must be a number"),
    ({"type": "datetimepicker", "placeholder": PLAIN}, "invalid additional property"),
    ({"type": "email_text_input"}, "unsupported element"),
]


@pytest.mark.parametrize("element", SELECTS, ids=range(len(SELECTS)))
def test_an_element_is_accepted_wherever_slack_accepts_it(element: Json) -> None:
    """In actions, as an accessory, and in an input block."""
    validate_blocks([{"type": "actions", "elements": [element]}])
    validate_blocks([{"type": "section", "text": PLAIN, "accessory": element}])
    validate_view_blocks([{"type": "input", "label": PLAIN, "element": element}])


@pytest.mark.parametrize("element", INPUTS, ids=range(len(INPUTS)))
def test_a_typed_input_needs_an_input_block(element: Json) -> None:
    """Email, URL, number, text, rich text and files are typed into views."""
    validate_view_blocks([{"type": "input", "label": PLAIN, "element": element}])
    with pytest.raises(SlackError, match="invalid_arguments"):
        validate_view_blocks([{"type": "section", "text": PLAIN, "accessory": element}])


@pytest.mark.parametrize(("element", "why"), INVALID)
def test_an_element_beyond_its_limits_is_rejected(element: Json, why: str) -> None:
    """Each fault is named with a JSON pointer."""
    with pytest.raises(SlackError, match="invalid_blocks") as refusal:
        validate_blocks([{"type": "actions", "elements": [element]}])
    assert any(why in message for message in refusal.value.messages)


def test_a_call_is_a_block_of_messages() -> None:
    """`call` names a call by its id; views have no calls."""
    validate_blocks([{"type": "call", "call_id": "R1"}])
    with pytest.raises(SlackError):
        validate_blocks([{"type": "call"}])
    with pytest.raises(SlackError):
        validate_view_blocks([{"type": "call", "call_id": "R1"}])


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ({"options": []}, None),
        ({"options": [OPTION] * 100}, None),
        ({"option_groups": [GROUP, GROUP]}, None),
        ({"options": [OPTION] * 101}, "no more than 100 items"),
        ({"option_groups": [{**GROUP, "options": [OPTION] * 60}] * 2}, "no more than 100 options"),
        ({"options": [{"text": PLAIN}]}, "missing required field: value"),
        ({"options": "all"}, "must provide an array"),
        ({"options": [], "option_groups": []}, "must provide options or option_groups"),
        ({}, "must provide options or option_groups"),
    ],
)
def test_supplied_options_are_checked(answer: Json, fault: str | None) -> None:
    """An app answers with options or groups, 100 options at most."""
    faults = find_suggestion_faults(answer)
    assert faults == [] if fault is None else fault in faults[0]
