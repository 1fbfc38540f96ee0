"""The blocks themselves, and the bounds of a message, a modal and a Home tab."""

from collections.abc import Iterator, Mapping
from typing import Any

from fakeslack.block_kit.elements import (
    ACCESSORY,
    ACTIONS,
    CONTEXT,
    CONTEXT_ACTIONS,
    ID,
    INPUTS,
    plain,
    text,
)
from fakeslack.block_kit.rich_text import RICH_TEXT
from fakeslack.block_kit.rules import (
    Rule,
    anything,
    boolean,
    by_type,
    items,
    one_of,
    shape,
    string,
)

MOST_MARKDOWN = 12_000
MOST_TEXT = 13_200
MOST_TABLE_TEXT = 10_000
NAME = {"block_id": ID}
CELL = by_type(
    {
        "raw_text": shape({"text": string(MOST_TABLE_TEXT)}),
        "raw_number": shape({"value": anything}, {"text": string()}),
        "rich_text": RICH_TEXT,
    },
    "cell",
)
COLUMN = shape({}, {"align": one_of("left", "center", "right"), "is_wrapped": boolean})


def _section(value: Any, pointer: str) -> Iterator[str]:
    if isinstance(value, dict) and not value.keys() & {"text", "fields"}:
        yield f"[ERROR] must provide text or fields [json-pointer:{pointer}]"
    yield from SECTION(value, pointer)


SECTION = shape(
    {},
    {
        **NAME,
        "text": text(),
        "fields": items(text(2_000), 10),
        "accessory": ACCESSORY,
        "expand": boolean,
    },
)
STATUS = one_of("pending", "in_progress", "complete", "error")
TASK = shape(
    {"task_id": string(255), "title": string(256), "status": STATUS},
    {**NAME, "details": anything, "output": anything, "sources": anything},
)
SIMPLE: Mapping[str, Rule] = {
    "section": _section,
    "divider": shape({}, NAME),
    "header": shape({"text": plain(150)}, NAME),
    "context": shape({"elements": items(CONTEXT, 10)}, NAME),
    "actions": shape({"elements": items(ACTIONS, 25)}, NAME),
    "context_actions": shape({"elements": items(CONTEXT_ACTIONS, 5)}, NAME),
    "image": shape(
        {"alt_text": string(2_000)},
        {**NAME, "image_url": string(), "slack_file": anything, "title": plain(2_000)},
    ),
    "rich_text": RICH_TEXT,
    "markdown": shape({"text": string(MOST_MARKDOWN)}, NAME),
    "table": shape(
        {"rows": items(items(CELL, 20), 100)}, {**NAME, "column_settings": items(COLUMN, 20)}
    ),
    "data_table": anything,
    "alert": shape(
        {"text": text()},
        {**NAME, "level": one_of("default", "info", "warning", "error", "success")},
    ),
    "task_card": TASK,
    "plan": shape(
        {"title": string(256)}, {**NAME, "tasks": items(by_type({"task_card": TASK}), 50, 0)}
    ),
    "card": anything,
    "carousel": anything,
    "video": anything,
    "file": anything,
}
CONTAINER = shape(
    {"child_blocks": items(by_type(SIMPLE, "block"), 10)},
    {
        **NAME,
        "title": plain(150),
        "rich_text_title": anything,
        "subtitle": text(150),
        "icon": anything,
        "width": one_of("narrow", "standard", "wide", "full"),
        "is_collapsible": boolean,
        "default_collapsed": boolean,
        "has_header_divider": boolean,
    },
)
INPUT = shape(
    {"label": plain(2_000), "element": INPUTS},
    {**NAME, "hint": plain(2_000), "optional": boolean, "dispatch_action": boolean},
)
IN_MESSAGE = {**SIMPLE, "container": CONTAINER}
IN_VIEW = {**IN_MESSAGE, "input": INPUT}


def faults(blocks: object, *, most: int, view: bool = False) -> list[str]:
    """Return what is wrong with a list of blocks, each fault as one sentence with a pointer."""
    kinds = IN_VIEW if view else IN_MESSAGE
    found = list(items(by_type(kinds, "block"), most, 0)(blocks, "/blocks"))
    if found or not isinstance(blocks, list):
        return found
    return [*_repeated(blocks), *_tables(blocks)]


def _repeated(blocks: list[dict[str, Any]]) -> Iterator[str]:
    seen: set[str] = set()
    for place, block in enumerate(blocks):
        name = block.get("block_id")
        if name in seen:
            yield f"[ERROR] block_id already exists [json-pointer:/blocks/{place}/block_id]"
        if name:
            seen.add(name)


def _tables(blocks: list[dict[str, Any]]) -> Iterator[str]:
    tables = [place for place, block in enumerate(blocks) if block["type"] == "table"]
    for place in tables[1:]:
        yield f"[ERROR] only one table allowed [json-pointer:/blocks/{place}]"
    for place in tables:
        if letters(blocks[place]) > MOST_TABLE_TEXT:
            yield f"[ERROR] table is too long [json-pointer:/blocks/{place}]"


def letters(value: object) -> int:
    """Return how many characters of text stand anywhere in blocks."""
    if isinstance(value, dict):
        own = value.get("text")
        inner = [v for name, v in value.items() if name != "text" or not isinstance(own, str)]
        return (len(own) if isinstance(own, str) else 0) + sum(letters(v) for v in inner)
    if isinstance(value, list):
        return sum(letters(inner) for inner in value)
    return 0
