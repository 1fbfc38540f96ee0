"""Schemas of composition objects: text, options, option groups and conversation filters."""

from collections.abc import Iterator

from fakeslack.block_kit.rules import (
    Rule,
    any_rule,
    boolean_rule,
    choice_rule,
    format_fault,
    list_rule,
    object_rule,
    string_rule,
    variant_rule,
)
from fakeslack.errors import Json

MAX_OPTIONS = 100
ID_RULE = string_rule(255)
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
OPTIONS = list_rule(OPTION, MAX_OPTIONS)
OPTION_GROUP = object_rule({"label": plain_text_rule(75), "options": OPTIONS})
OPTION_GROUPS = list_rule(OPTION_GROUP, MAX_OPTIONS)
CONVERSATION_FILTER = object_rule(
    {},
    {
        "include": list_rule(choice_rule("im", "mpim", "private", "public"), 4),
        "exclude_external_shared_channels": boolean_rule,
        "exclude_bot_users": boolean_rule,
    },
)


def list_options(element: Json) -> list[Json]:
    """Return the options of an element, those of its groups included."""
    groups = element.get("option_groups", [])
    return [
        *element.get("options", []),
        *(option for group in groups for option in group["options"]),
    ]


def find_suggestion_faults(answer: Json) -> list[str]:
    """Return one sentence for each fault in the answer to a `block_suggestion` payload."""
    rules: dict[str, Rule] = {
        "options": list_rule(OPTION, MAX_OPTIONS, 0),
        "option_groups": list_rule(OPTION_GROUP, MAX_OPTIONS, 0),
    }
    given = [name for name in rules if name in answer]
    if len(given) != 1:
        return [format_fault("must provide options or option_groups", "")]
    faults = list(rules[given[0]](answer[given[0]], f"/{given[0]}"))
    if not faults and len(list_options(answer)) > MAX_OPTIONS:
        faults.append(format_fault(f"no more than {MAX_OPTIONS} options allowed", f"/{given[0]}"))
    return faults


def check_options(value: Json, pointer: str) -> Iterator[str]:
    """Yield a fault unless a menu has options or groups, and its initial options among them."""
    if ("options" in value) == ("option_groups" in value):
        yield format_fault("must provide either options or option_groups", pointer)
        return
    options = list_options(value)
    initial = [*value.get("initial_options", []), value.get("initial_option", options[0])]
    for option in initial:
        if option not in options:
            yield format_fault("initial_option must match one of the options", pointer)
