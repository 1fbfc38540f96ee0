"""
Block Kit blocks as mrkdwn: the words of every block, known or not, in reading order.

Slack adds kinds of blocks every year. Words are therefore found by the names of their fields and
by text objects, not by a list of blocks.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bot.messages import mrkdwn
from bot.messages.content.json_fields import Json, get_mapping, get_text
from bot.messages.content.rich_text import Labels, render_rich_text

MAX_DEPTH: Final = 16
"""Bound for objects inside objects; Slack's deepest block has about 8."""
WORD_FIELDS: Final = (
    *("title", "rich_text_title", "subtitle", "caption", "name", "label", "text", "body"),
    *("description", "author_name", "provider_name", "fields", "element", "elements", "blocks"),
    *("child_blocks", "tasks", "details", "output", "connected_identity", "connected_context"),
    *("sources", "placeholder", "initial_option", "initial_options", "initial_value"),
    *("initial_date", "initial_time", "hint", "accessory", "actions"),
    *("positive_button", "negative_button", "alt_text"),
)
"""Fields whose strings are visible words, in reading order."""
HIDDEN_FIELDS: Final = frozenset(
    {"confirm", "fallback", "metadata", "option_groups", "options", "workflow"}
)
"""Fields whose objects are not visible: dialogs, closed menus, content for old clients."""
OPEN_CHOICES: Final = frozenset({"checkboxes", "radio_buttons"})
"""Elements whose options are always visible."""


def render_blocks(blocks: Sequence[Json], labels: Labels) -> str:
    """Return the words of blocks as mrkdwn, one line for each text."""
    words = (text for block in blocks for text in _find_words(block, labels, 0))
    return "\n".join(text for text in words if text.strip())


def _find_words(node: Any, labels: Labels, depth: int) -> Iterator[str]:
    """Yield the words of an object or list; those deeper than `MAX_DEPTH` are left out."""
    if depth > MAX_DEPTH:
        return
    if isinstance(node, list):
        for entry in node:
            yield from _find_words(entry, labels, depth + 1)
    elif isinstance(node, Mapping):
        yield from _find_object_words(node, labels, depth)


def _find_object_words(node: Json, labels: Labels, depth: int) -> Iterator[str]:
    match str(node.get("type")):
        case "rich_text":
            yield render_rich_text(node, labels)
        case "mrkdwn" | "markdown":
            yield mrkdwn.separate_code_blocks(get_text(node, "text"))
        case "plain_text" | "raw_text" | "raw_number":
            yield mrkdwn.escape_plain_text(get_text(node, "text") or get_text(node, "value"))
        case "file":
            file = get_mapping(node, "file")
            yield mrkdwn.escape_text(get_text(file, "title") or get_text(file, "name"))
        case kind:
            yield from _find_field_words(node, kind, labels, depth)


def _find_field_words(node: Json, kind: str, labels: Labels, depth: int) -> Iterator[str]:
    seen: set[str] = set()
    for name in _list_visible_fields(node, kind):
        value = node[name]
        if name == "rows" and isinstance(value, list):
            found = [_render_row(row, labels, depth) for row in value]
        elif isinstance(value, str):
            found = [mrkdwn.escape_plain_text(value)] if name in WORD_FIELDS else []
        else:
            found = list(_find_words(value, labels, depth + 1))
        # Many apps repeat the title of an image as its alternative text.
        yield from (text for text in found if name != "alt_text" or text.strip() not in seen)
        seen.update(text.strip() for text in found)


def _list_visible_fields(node: Json, kind: str) -> list[str]:
    if kind in OPEN_CHOICES:
        return ["options"] if "options" in node else []
    known = [name for name in WORD_FIELDS if name in node]
    return known + [name for name in node if name not in WORD_FIELDS and name not in HIDDEN_FIELDS]


def _render_row(row: Any, labels: Labels, depth: int) -> str:
    cells = row if isinstance(row, list) else [row]
    words = (" ".join(_find_words(cell, labels, depth + 1)) for cell in cells)
    return " | ".join(" ".join(text.split()) for text in words)
