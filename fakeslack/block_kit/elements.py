"""Schemas of text objects and of interactive elements."""

from collections.abc import Iterator
from typing import Any

from fakeslack.block_kit.rules import (
    Rule,
    any_rule,
    boolean_rule,
    choice_rule,
    integer_rule,
    list_rule,
    object_rule,
    string_rule,
    variant_rule,
)

ID_RULE = string_rule(255)
CHOICE_ELEMENT_TYPES = (
    "static_select",
    "multi_static_select",
    "users_select",
    "multi_users_select",
    "conversations_select",
    "channels_select",
    "checkboxes",
    "radio_buttons",
    "datepicker",
    "timepicker",
)
CONFIRM = any_rule


def plain_text_rule(max_length: int = 3_000, min_length: int = 1) -> Rule:
    """Build the schema of a `plain_text` object."""
    return variant_rule(
        {
            "plain_text": object_rule(
                {"text": string_rule(max_length, min_length)}, {"emoji": boolean_rule}
            )
        },
        "text type",
    )


def text_rule(max_length: int = 3_000) -> Rule:
    """Build the schema of a `plain_text` or `mrkdwn` object."""
    return variant_rule(
        {
            "plain_text": object_rule({"text": string_rule(max_length)}, {"emoji": boolean_rule}),
            "mrkdwn": object_rule({"text": string_rule(max_length)}, {"verbatim": boolean_rule}),
        },
        "text type",
    )


OPTION = object_rule(
    {"text": text_rule(75), "value": string_rule(150)},
    {"description": text_rule(75), "url": string_rule(3_000)},
)
BUTTON_FIELDS = {"action_id": ID_RULE, "accessibility_label": string_rule(75)}
VISIBLE_TO = list_rule(string_rule(20), 10)
FEEDBACK_BUTTON = object_rule(
    {"text": plain_text_rule(75), "value": string_rule(2_000)},
    {"accessibility_label": string_rule(75)},
)
SELECT_FIELDS = {
    "action_id": ID_RULE,
    "placeholder": plain_text_rule(150),
    "confirm": CONFIRM,
    "focus_on_load": boolean_rule,
}
CHOICE_FIELDS = {"action_id": ID_RULE, "confirm": CONFIRM, "focus_on_load": boolean_rule}

BUTTON = object_rule(
    {"text": plain_text_rule(75)},
    {
        **BUTTON_FIELDS,
        "value": string_rule(2_000),
        "url": string_rule(3_000),
        "style": choice_rule("primary", "danger"),
        "visible_to_user_ids": VISIBLE_TO,
        "confirm": CONFIRM,
    },
)
IMAGE_ELEMENT = object_rule(
    {"alt_text": string_rule(2_000)}, {"image_url": string_rule(3_000), "slack_file": any_rule}
)
FEEDBACK_BUTTONS = object_rule(
    {"action_id": ID_RULE, "positive_button": FEEDBACK_BUTTON, "negative_button": FEEDBACK_BUTTON}
)
ICON_BUTTON = object_rule(
    {"icon": choice_rule("trash"), "text": plain_text_rule(75), "action_id": ID_RULE},
    {
        "value": string_rule(2_000),
        "accessibility_label": string_rule(75),
        "visible_to_user_ids": VISIBLE_TO,
        "confirm": CONFIRM,
    },
)


def _check_static_select(value: Any, pointer: str) -> Iterator[str]:
    yield from STATIC_SELECT_FIELDS(value, pointer)
    options = value.get("options") if isinstance(value, dict) else None
    if isinstance(options, list) and value.get("initial_option", next(iter(options), None)) not in [
        *options,
        None,
    ]:
        yield f"[ERROR] initial_option must match one of the options [json-pointer:{pointer}]"


STATIC_SELECT_FIELDS = object_rule(
    {},
    {
        **SELECT_FIELDS,
        "options": list_rule(OPTION, 100),
        "option_groups": any_rule,
        "initial_option": OPTION,
    },
)
STATIC_SELECT: Rule = _check_static_select
ACTION_ELEMENTS = variant_rule(
    {
        "button": BUTTON,
        "static_select": STATIC_SELECT,
        "multi_static_select": object_rule(
            {},
            {
                **SELECT_FIELDS,
                "options": list_rule(OPTION, 100),
                "option_groups": any_rule,
                "initial_options": list_rule(OPTION, 100),
                "max_selected_items": integer_rule(1, 100),
            },
        ),
        "users_select": object_rule({}, {**SELECT_FIELDS, "initial_user": ID_RULE}),
        "multi_users_select": object_rule(
            {},
            {
                **SELECT_FIELDS,
                "initial_users": list_rule(string_rule(20), 1_000),
                "max_selected_items": integer_rule(1, 1_000),
            },
        ),
        "conversations_select": object_rule(
            {},
            {
                **SELECT_FIELDS,
                "initial_conversation": ID_RULE,
                "default_to_current_conversation": boolean_rule,
                "response_url_enabled": boolean_rule,
                "filter": any_rule,
            },
        ),
        "channels_select": object_rule(
            {}, {**SELECT_FIELDS, "initial_channel": ID_RULE, "response_url_enabled": boolean_rule}
        ),
        "overflow": object_rule(
            {"options": list_rule(OPTION, 5)}, {"action_id": ID_RULE, "confirm": CONFIRM}
        ),
        "checkboxes": object_rule(
            {"options": list_rule(OPTION, 10)},
            {**CHOICE_FIELDS, "initial_options": list_rule(OPTION, 10)},
        ),
        "radio_buttons": object_rule(
            {"options": list_rule(OPTION, 10)}, {**CHOICE_FIELDS, "initial_option": OPTION}
        ),
        "datepicker": object_rule({}, {**SELECT_FIELDS, "initial_date": string_rule(10)}),
        "timepicker": object_rule(
            {}, {**SELECT_FIELDS, "initial_time": string_rule(5), "timezone": string_rule(50)}
        ),
        "workflow_button": any_rule,
    },
    "element",
)
INPUT_ELEMENTS = variant_rule(
    {
        "plain_text_input": object_rule(
            {},
            {
                **SELECT_FIELDS,
                "initial_value": string_rule(3_000, 0),
                "multiline": boolean_rule,
                "min_length": integer_rule(0, 3_000),
                "max_length": integer_rule(1, 3_000),
                "dispatch_action_config": any_rule,
            },
        ),
        "number_input": object_rule(
            {"is_decimal_allowed": boolean_rule},
            {
                **SELECT_FIELDS,
                "initial_value": string_rule(),
                "min_value": string_rule(),
                "max_value": string_rule(),
                "dispatch_action_config": any_rule,
            },
        ),
        **dict.fromkeys(CHOICE_ELEMENT_TYPES, ACTION_ELEMENTS),
        "rich_text_input": any_rule,
        "file_input": any_rule,
    },
    "element",
)
CONTEXT_ELEMENTS = variant_rule(
    {"image": IMAGE_ELEMENT, "mrkdwn": text_rule(), "plain_text": text_rule()},
    "element",
)
ACCESSORY_ELEMENTS = variant_rule(
    {
        "image": IMAGE_ELEMENT,
        **dict.fromkeys(
            (*CHOICE_ELEMENT_TYPES, "button", "overflow", "workflow_button"), ACTION_ELEMENTS
        ),
    },
    "element",
)
CONTEXT_ACTION_ELEMENTS = variant_rule(
    {"feedback_buttons": FEEDBACK_BUTTONS, "icon_button": ICON_BUTTON}, "element"
)
