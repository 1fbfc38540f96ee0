"""Block schemas, and the limits of a message, a modal and a Home tab."""

from collections.abc import Iterator, Mapping
from typing import Any

from fakeslack.block_kit.composition import ID_RULE, plain_text_rule, text_rule
from fakeslack.block_kit.elements import (
    ACCESSORY_ELEMENTS,
    ACTION_ELEMENTS,
    CONTEXT_ACTION_ELEMENTS,
    CONTEXT_ELEMENTS,
    INPUT_ELEMENTS,
)
from fakeslack.block_kit.generated_ids import walk_elements
from fakeslack.block_kit.rich_text import RICH_TEXT
from fakeslack.block_kit.rules import (
    Rule,
    any_rule,
    boolean_rule,
    choice_rule,
    list_rule,
    object_rule,
    string_rule,
    variant_rule,
)

MAX_MARKDOWN_CHARACTERS = 12_000
MAX_TEXT_CHARACTERS = 13_200
MAX_TABLE_CHARACTERS = 10_000
BLOCK_FIELDS = {"block_id": ID_RULE}
TABLE_CELL = variant_rule(
    {
        "raw_text": object_rule({"text": string_rule(MAX_TABLE_CHARACTERS)}),
        "raw_number": object_rule({"value": any_rule}, {"text": string_rule()}),
        "rich_text": RICH_TEXT,
    },
    "cell",
)
TABLE_COLUMN = object_rule(
    {}, {"align": choice_rule("left", "center", "right"), "is_wrapped": boolean_rule}
)


def _check_section(value: Any, pointer: str) -> Iterator[str]:
    if isinstance(value, dict) and not value.keys() & {"text", "fields"}:
        yield f"[ERROR] must provide text or fields [json-pointer:{pointer}]"
    yield from SECTION_BLOCK(value, pointer)


SECTION_BLOCK = object_rule(
    {},
    {
        **BLOCK_FIELDS,
        "text": text_rule(),
        "fields": list_rule(text_rule(2_000), 10),
        "accessory": ACCESSORY_ELEMENTS,
        "expand": boolean_rule,
    },
)
TASK_STATUS = choice_rule("pending", "in_progress", "complete", "error")
TASK_CARD = object_rule(
    {"task_id": string_rule(255), "title": string_rule(256), "status": TASK_STATUS},
    {**BLOCK_FIELDS, "details": any_rule, "output": any_rule, "sources": any_rule},
)
SIMPLE_BLOCKS: Mapping[str, Rule] = {
    "section": _check_section,
    "divider": object_rule({}, BLOCK_FIELDS),
    "header": object_rule({"text": plain_text_rule(150)}, BLOCK_FIELDS),
    "context": object_rule({"elements": list_rule(CONTEXT_ELEMENTS, 10)}, BLOCK_FIELDS),
    "actions": object_rule({"elements": list_rule(ACTION_ELEMENTS, 25)}, BLOCK_FIELDS),
    "context_actions": object_rule(
        {"elements": list_rule(CONTEXT_ACTION_ELEMENTS, 5)}, BLOCK_FIELDS
    ),
    "image": object_rule(
        {"alt_text": string_rule(2_000)},
        {
            **BLOCK_FIELDS,
            "image_url": string_rule(),
            "slack_file": any_rule,
            "title": plain_text_rule(2_000),
        },
    ),
    "rich_text": RICH_TEXT,
    "markdown": object_rule({"text": string_rule(MAX_MARKDOWN_CHARACTERS)}, BLOCK_FIELDS),
    "table": object_rule(
        {"rows": list_rule(list_rule(TABLE_CELL, 20), 100)},
        {**BLOCK_FIELDS, "column_settings": list_rule(TABLE_COLUMN, 20)},
    ),
    "data_table": any_rule,
    "alert": object_rule(
        {"text": text_rule()},
        {**BLOCK_FIELDS, "level": choice_rule("default", "info", "warning", "error", "success")},
    ),
    "task_card": TASK_CARD,
    "plan": object_rule(
        {"title": string_rule(256)},
        {**BLOCK_FIELDS, "tasks": list_rule(variant_rule({"task_card": TASK_CARD}), 50, 0)},
    ),
    "card": any_rule,
    "carousel": any_rule,
    "video": any_rule,
    "file": any_rule,
}
CONTAINER_BLOCK = object_rule(
    {"child_blocks": list_rule(variant_rule(SIMPLE_BLOCKS, "block"), 10)},
    {
        **BLOCK_FIELDS,
        "title": plain_text_rule(150),
        "rich_text_title": any_rule,
        "subtitle": text_rule(150),
        "icon": any_rule,
        "width": choice_rule("narrow", "standard", "wide", "full"),
        "is_collapsible": boolean_rule,
        "default_collapsed": boolean_rule,
        "has_header_divider": boolean_rule,
    },
)
INPUT_BLOCK = object_rule(
    {"label": plain_text_rule(2_000), "element": INPUT_ELEMENTS},
    {
        **BLOCK_FIELDS,
        "hint": plain_text_rule(2_000),
        "optional": boolean_rule,
        "dispatch_action": boolean_rule,
    },
)
CALL_BLOCK = object_rule(
    {"call_id": ID_RULE},
    {**BLOCK_FIELDS, "api_decoration_available": boolean_rule, "call": any_rule},
)
COMMON_BLOCKS = {**SIMPLE_BLOCKS, "container": CONTAINER_BLOCK}
MESSAGE_BLOCKS = {**COMMON_BLOCKS, "call": CALL_BLOCK}
VIEW_BLOCKS = {**COMMON_BLOCKS, "input": INPUT_BLOCK}


def find_faults(blocks: object, *, max_blocks: int, in_view: bool = False) -> list[str]:
    """Return one sentence with a JSON pointer for each fault in a list of blocks."""
    rules = VIEW_BLOCKS if in_view else MESSAGE_BLOCKS
    shape_faults = list(list_rule(variant_rule(rules, "block"), max_blocks, 0)(blocks, "/blocks"))
    if shape_faults or not isinstance(blocks, list):
        return shape_faults
    return [*_check_block_ids(blocks), *_check_action_ids(blocks), *_check_tables(blocks)]


def _check_block_ids(blocks: list[dict[str, Any]]) -> Iterator[str]:
    seen: set[str] = set()
    for index, block in enumerate(blocks):
        block_id = block.get("block_id")
        if block_id in seen:
            yield f"[ERROR] block_id already exists [json-pointer:/blocks/{index}/block_id]"
        if block_id:
            seen.add(block_id)


def _check_action_ids(blocks: list[dict[str, Any]]) -> Iterator[str]:
    for index, block in enumerate(blocks):
        seen: set[str] = set()
        for number, element in enumerate(walk_elements(block)):
            action_id = element.get("action_id")
            if action_id in seen:
                pointer = f"/blocks/{index}/elements/{number}/action_id"
                yield f"[ERROR] action_id already exists [json-pointer:{pointer}]"
            if action_id:
                seen.add(action_id)


def _check_tables(blocks: list[dict[str, Any]]) -> Iterator[str]:
    tables = [index for index, block in enumerate(blocks) if block["type"] == "table"]
    for index in tables[1:]:
        yield f"[ERROR] only one table allowed [json-pointer:/blocks/{index}]"
    for index in tables:
        if count_text_characters(blocks[index]) > MAX_TABLE_CHARACTERS:
            yield f"[ERROR] table is too long [json-pointer:/blocks/{index}]"


def count_text_characters(value: object) -> int:
    """Return the number of text characters in all blocks together."""
    if isinstance(value, dict):
        own_text = value.get("text")
        nested = [v for name, v in value.items() if name != "text" or not isinstance(own_text, str)]
        return (len(own_text) if isinstance(own_text, str) else 0) + sum(
            count_text_characters(v) for v in nested
        )
    if isinstance(value, list):
        return sum(count_text_characters(inner) for inner in value)
    return 0
