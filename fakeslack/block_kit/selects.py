"""Schemas of select menus: static, external, users, conversations and channels."""

from collections.abc import Iterator, Mapping
from typing import Any

from fakeslack.block_kit.composition import (
    CONFIRM,
    CONVERSATION_FILTER,
    ID_RULE,
    MAX_OPTIONS,
    OPTION,
    OPTION_GROUPS,
    OPTIONS,
    check_options,
    plain_text_rule,
)
from fakeslack.block_kit.rules import (
    Rule,
    boolean_rule,
    integer_rule,
    list_rule,
    object_rule,
    string_rule,
)

MAX_QUERY_LENGTH = 3_000
DEFAULT_MIN_QUERY_LENGTH = 3
EXTERNAL_SELECTS = frozenset({"external_select", "multi_external_select"})
MAX_SELECTED = 1_000
FOCUSABLE_FIELDS: Mapping[str, Rule] = {
    "action_id": ID_RULE,
    "confirm": CONFIRM,
    "focus_on_load": boolean_rule,
}
SELECT_FIELDS: Mapping[str, Rule] = {**FOCUSABLE_FIELDS, "placeholder": plain_text_rule(150)}
MULTI_SELECT_FIELDS: Mapping[str, Rule] = {
    **SELECT_FIELDS,
    "max_selected_items": integer_rule(1, MAX_SELECTED),
}
STATIC_FIELDS: Mapping[str, Rule] = {"options": OPTIONS, "option_groups": OPTION_GROUPS}
EXTERNAL_FIELDS: Mapping[str, Rule] = {"min_query_length": integer_rule(0, MAX_QUERY_LENGTH)}
CONVERSATION_FIELDS: Mapping[str, Rule] = {
    "default_to_current_conversation": boolean_rule,
    "filter": CONVERSATION_FILTER,
}
RESPONSE_URL_FIELDS: Mapping[str, Rule] = {"response_url_enabled": boolean_rule}
INITIAL_OPTIONS = list_rule(OPTION, MAX_OPTIONS)
INITIAL_IDS = list_rule(string_rule(20), MAX_SELECTED)


def with_options(fields: Rule) -> Rule:
    """Build a rule for an element whose initial options are among its options."""

    def check_element(value: Any, pointer: str) -> Iterator[str]:
        faults = list(fields(value, pointer))
        yield from faults
        if not faults:
            yield from check_options(value, pointer)

    return check_element


SELECTS: Mapping[str, Rule] = {
    "static_select": with_options(
        object_rule({}, {**SELECT_FIELDS, **STATIC_FIELDS, "initial_option": OPTION})
    ),
    "external_select": object_rule(
        {}, {**SELECT_FIELDS, **EXTERNAL_FIELDS, "initial_option": OPTION}
    ),
    "users_select": object_rule({}, {**SELECT_FIELDS, "initial_user": ID_RULE}),
    "conversations_select": object_rule(
        {},
        {
            **SELECT_FIELDS,
            **CONVERSATION_FIELDS,
            **RESPONSE_URL_FIELDS,
            "initial_conversation": ID_RULE,
        },
    ),
    "channels_select": object_rule(
        {}, {**SELECT_FIELDS, **RESPONSE_URL_FIELDS, "initial_channel": ID_RULE}
    ),
}
MULTI_SELECTS: Mapping[str, Rule] = {
    "multi_static_select": with_options(
        object_rule(
            {}, {**MULTI_SELECT_FIELDS, **STATIC_FIELDS, "initial_options": INITIAL_OPTIONS}
        )
    ),
    "multi_external_select": object_rule(
        {}, {**MULTI_SELECT_FIELDS, **EXTERNAL_FIELDS, "initial_options": INITIAL_OPTIONS}
    ),
    "multi_users_select": object_rule({}, {**MULTI_SELECT_FIELDS, "initial_users": INITIAL_IDS}),
    "multi_conversations_select": object_rule(
        {},
        {**MULTI_SELECT_FIELDS, **CONVERSATION_FIELDS, "initial_conversations": INITIAL_IDS},
    ),
    "multi_channels_select": object_rule(
        {}, {**MULTI_SELECT_FIELDS, "initial_channels": INITIAL_IDS}
    ),
}
