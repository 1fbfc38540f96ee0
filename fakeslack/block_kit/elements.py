"""Schemas of buttons and images, and the elements that each kind of block may hold."""

from fakeslack.block_kit.composition import CONFIRM, ID_RULE, OPTION, plain_text_rule, text_rule
from fakeslack.block_kit.inputs import PICKERS, TYPED_INPUTS
from fakeslack.block_kit.rules import (
    any_rule,
    choice_rule,
    list_rule,
    object_rule,
    string_rule,
    variant_rule,
)
from fakeslack.block_kit.selects import MULTI_SELECTS, SELECTS

BUTTON_FIELDS = {"action_id": ID_RULE, "accessibility_label": string_rule(75)}
VISIBLE_TO = list_rule(string_rule(20), 10)
FEEDBACK_BUTTON = object_rule(
    {"text": plain_text_rule(75), "value": string_rule(2_000)},
    {"accessibility_label": string_rule(75)},
)
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
    {"positive_button": FEEDBACK_BUTTON, "negative_button": FEEDBACK_BUTTON},
    {"action_id": ID_RULE},
)
ICON_BUTTON = object_rule(
    {"icon": choice_rule("trash"), "text": plain_text_rule(75)},
    {
        "action_id": ID_RULE,
        "value": string_rule(2_000),
        "accessibility_label": string_rule(75),
        "visible_to_user_ids": VISIBLE_TO,
        "confirm": CONFIRM,
    },
)
CHOICE_ELEMENTS = {**SELECTS, **MULTI_SELECTS, **PICKERS}
PRESSED_ELEMENTS = {
    "button": BUTTON,
    "overflow": object_rule(
        {"options": list_rule(OPTION, 5)}, {"action_id": ID_RULE, "confirm": CONFIRM}
    ),
    "workflow_button": any_rule,
}
ACTION_ELEMENTS = variant_rule(
    {
        **CHOICE_ELEMENTS,
        **PRESSED_ELEMENTS,
        "rich_text_input": TYPED_INPUTS["rich_text_input"],
    },
    "element",
)
INPUT_ELEMENTS = variant_rule({**CHOICE_ELEMENTS, **TYPED_INPUTS}, "element")
ACCESSORY_ELEMENTS = variant_rule(
    {"image": IMAGE_ELEMENT, **CHOICE_ELEMENTS, **PRESSED_ELEMENTS}, "element"
)
CONTEXT_ELEMENTS = variant_rule(
    {"image": IMAGE_ELEMENT, "mrkdwn": text_rule(), "plain_text": text_rule()},
    "element",
)
CONTEXT_ACTION_ELEMENTS = variant_rule(
    {"feedback_buttons": FEEDBACK_BUTTONS, "icon_button": ICON_BUTTON}, "element"
)
