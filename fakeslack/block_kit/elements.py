"""Text objects and the elements a person can press or choose from."""

from fakeslack.block_kit.rules import (
    Rule,
    anything,
    boolean,
    by_type,
    items,
    number,
    one_of,
    shape,
    string,
)

ID = string(255)
CHOOSERS = (
    "static_select",
    "multi_static_select",
    "users_select",
    "conversations_select",
    "channels_select",
    "checkboxes",
    "radio_buttons",
    "datepicker",
    "timepicker",
)
CONFIRM = anything


def plain(most: int = 3_000, least: int = 1) -> Rule:
    """A `plain_text` object."""
    return by_type(
        {"plain_text": shape({"text": string(most, least)}, {"emoji": boolean})}, "text type"
    )


def text(most: int = 3_000) -> Rule:
    """A `plain_text` or `mrkdwn` object."""
    return by_type(
        {
            "plain_text": shape({"text": string(most)}, {"emoji": boolean}),
            "mrkdwn": shape({"text": string(most)}, {"verbatim": boolean}),
        },
        "text type",
    )


OPTION = shape(
    {"text": text(75), "value": string(150)}, {"description": text(75), "url": string(3_000)}
)
PRESSED = {"action_id": ID, "accessibility_label": string(75)}
FEEDBACK_BUTTON = shape(
    {"text": plain(75), "value": string(2_000)}, {"accessibility_label": string(75)}
)
SELECT = {
    "action_id": ID,
    "placeholder": plain(150),
    "confirm": CONFIRM,
    "focus_on_load": boolean,
}
CHOICE = {"action_id": ID, "confirm": CONFIRM, "focus_on_load": boolean}

BUTTON = shape(
    {"text": plain(75)},
    {
        **PRESSED,
        "value": string(2_000),
        "url": string(3_000),
        "style": one_of("primary", "danger"),
        "confirm": CONFIRM,
    },
)
IMAGE = shape({"alt_text": string(2_000)}, {"image_url": string(3_000), "slack_file": anything})
FEEDBACK = shape(
    {"action_id": ID, "positive_button": FEEDBACK_BUTTON, "negative_button": FEEDBACK_BUTTON}
)
ICON_BUTTON = shape(
    {"icon": one_of("trash"), "text": plain(75), "action_id": ID},
    {
        "value": string(2_000),
        "accessibility_label": string(75),
        "visible_to_user_ids": items(string(20), 10),
        "confirm": CONFIRM,
    },
)
STATIC_SELECT = shape(
    {},
    {**SELECT, "options": items(OPTION, 100), "option_groups": anything, "initial_option": OPTION},
)
ACTIONS = by_type(
    {
        "button": BUTTON,
        "static_select": STATIC_SELECT,
        "multi_static_select": shape(
            {},
            {
                **SELECT,
                "options": items(OPTION, 100),
                "option_groups": anything,
                "initial_options": items(OPTION, 100),
                "max_selected_items": number(1, 100),
            },
        ),
        "users_select": shape({}, {**SELECT, "initial_user": ID}),
        "conversations_select": shape(
            {},
            {
                **SELECT,
                "initial_conversation": ID,
                "default_to_current_conversation": boolean,
                "response_url_enabled": boolean,
                "filter": anything,
            },
        ),
        "channels_select": shape(
            {}, {**SELECT, "initial_channel": ID, "response_url_enabled": boolean}
        ),
        "overflow": shape({"options": items(OPTION, 5)}, {"action_id": ID, "confirm": CONFIRM}),
        "checkboxes": shape(
            {"options": items(OPTION, 10)}, {**CHOICE, "initial_options": items(OPTION, 10)}
        ),
        "radio_buttons": shape(
            {"options": items(OPTION, 10)}, {**CHOICE, "initial_option": OPTION}
        ),
        "datepicker": shape({}, {**SELECT, "initial_date": string(10)}),
        "timepicker": shape({}, {**SELECT, "initial_time": string(5), "timezone": string(50)}),
        "workflow_button": anything,
    },
    "element",
)
INPUTS = by_type(
    {
        "plain_text_input": shape(
            {},
            {
                **SELECT,
                "initial_value": string(3_000, 0),
                "multiline": boolean,
                "min_length": number(0, 3_000),
                "max_length": number(1, 3_000),
                "dispatch_action_config": anything,
            },
        ),
        "number_input": shape(
            {"is_decimal_allowed": boolean},
            {
                **SELECT,
                "initial_value": string(),
                "min_value": string(),
                "max_value": string(),
                "dispatch_action_config": anything,
            },
        ),
        **dict.fromkeys(CHOOSERS, ACTIONS),
        "rich_text_input": anything,
        "file_input": anything,
    },
    "element",
)
CONTEXT = by_type(
    {"image": IMAGE, "mrkdwn": text(), "plain_text": text()},
    "element",
)
ACCESSORY = by_type(
    {
        "image": IMAGE,
        **dict.fromkeys((*CHOOSERS, "button", "overflow", "workflow_button"), ACTIONS),
    },
    "element",
)
CONTEXT_ACTIONS = by_type({"feedback_buttons": FEEDBACK, "icon_button": ICON_BUTTON}, "element")
