"""Schemas of text inputs, pickers, checkboxes and radio buttons."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from fakeslack.block_kit.composition import ID_RULE, OPTION, plain_text_rule
from fakeslack.block_kit.rich_text import RICH_TEXT
from fakeslack.block_kit.rules import (
    Rule,
    any_rule,
    boolean_rule,
    choice_rule,
    format_fault,
    integer_rule,
    list_rule,
    object_rule,
    string_rule,
)
from fakeslack.block_kit.selects import FOCUSABLE_FIELDS, SELECT_FIELDS, with_options

MAX_INPUT_CHARACTERS = 3_000
MAX_CHOICES = 10
MIN_DATE_TIME, MAX_DATE_TIME = 10**9, 10**10 - 1
"""Unix seconds of ten digits, as Slack demands of a `datetimepicker`."""
TIME_PATTERN = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


def is_date(text: str) -> bool:
    """Whether a text is a day as `YYYY-MM-DD`."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def date_rule(value: Any, pointer: str) -> Iterator[str]:
    """Yield a fault unless the value is a day as `YYYY-MM-DD`."""
    if not isinstance(value, str) or not is_date(value):
        yield format_fault("must be a date in the format YYYY-MM-DD", pointer)


def time_rule(value: Any, pointer: str) -> Iterator[str]:
    """Yield a fault unless the value is a time as `HH:MM`."""
    if not isinstance(value, str) or not TIME_PATTERN.fullmatch(value):
        yield format_fault("must be a time in the format HH:mm", pointer)


TYPED_FIELDS: Mapping[str, Rule] = {
    "action_id": ID_RULE,
    "placeholder": plain_text_rule(150),
    "focus_on_load": boolean_rule,
    "dispatch_action_config": object_rule(
        {},
        {
            "trigger_actions_on": list_rule(
                choice_rule("on_enter_pressed", "on_character_entered"), 2
            )
        },
    ),
}
INITIAL_TEXT = string_rule(MAX_INPUT_CHARACTERS, 0)
OPTIONS = list_rule(OPTION, MAX_CHOICES)
PICKERS: Mapping[str, Rule] = {
    "checkboxes": with_options(
        object_rule({"options": OPTIONS}, {**FOCUSABLE_FIELDS, "initial_options": OPTIONS})
    ),
    "radio_buttons": with_options(
        object_rule({"options": OPTIONS}, {**FOCUSABLE_FIELDS, "initial_option": OPTION})
    ),
    "datepicker": object_rule({}, {**SELECT_FIELDS, "initial_date": date_rule}),
    "timepicker": object_rule(
        {}, {**SELECT_FIELDS, "initial_time": time_rule, "timezone": string_rule(50)}
    ),
    "datetimepicker": object_rule(
        {}, {**FOCUSABLE_FIELDS, "initial_date_time": integer_rule(MIN_DATE_TIME, MAX_DATE_TIME)}
    ),
}
TYPED_INPUTS: Mapping[str, Rule] = {
    "plain_text_input": object_rule(
        {},
        {
            **TYPED_FIELDS,
            "initial_value": INITIAL_TEXT,
            "multiline": boolean_rule,
            "min_length": integer_rule(0, MAX_INPUT_CHARACTERS),
            "max_length": integer_rule(1, MAX_INPUT_CHARACTERS),
        },
    ),
    "number_input": object_rule(
        {"is_decimal_allowed": boolean_rule},
        {
            **TYPED_FIELDS,
            "initial_value": string_rule(),
            "min_value": string_rule(),
            "max_value": string_rule(),
        },
    ),
    "email_text_input": object_rule({}, {**TYPED_FIELDS, "initial_value": INITIAL_TEXT}),
    "url_text_input": object_rule({}, {**TYPED_FIELDS, "initial_value": INITIAL_TEXT}),
    "rich_text_input": object_rule(
        {},
        {
            **TYPED_FIELDS,
            "initial_value": RICH_TEXT,
            "min_lines": any_rule,
            "max_lines": any_rule,
        },
    ),
    "file_input": object_rule(
        {},
        {
            "action_id": ID_RULE,
            "filetypes": list_rule(string_rule(20), 100),
            "max_files": integer_rule(1, 10),
        },
    ),
}
