"""Generated `block_id` and `action_id` of blocks and elements whose sender left them out."""

import itertools
from collections.abc import Iterator

from fakeslack.errors import Json

ELEMENTS_WITHOUT_ACTION = frozenset({"image", "mrkdwn", "plain_text", "workflow_button"})
INTERACTIVE_BLOCKS = frozenset({"actions", "context_actions", "input", "section"})


def assign_block_ids(blocks: list[Json], new_ids: Iterator[str] | None = None) -> list[Json]:
    """
    Return the blocks, each with a `block_id`, and each of their elements with an `action_id`.

    `new_ids` yields ids that were never used before; without it, ids repeat in another message.
    """
    used_ids = {block.get("block_id") for block in blocks}
    new_ids = new_ids or map("b{}".format, itertools.count())
    free_ids = (name for name in new_ids if name not in used_ids)
    return [_with_ids(block, free_ids) for block in blocks]


def walk_blocks(blocks: list[Json]) -> Iterator[Json]:
    """Yield each block, and after a container its blocks."""
    for block in blocks:
        yield block
        yield from walk_blocks(block.get("child_blocks", []))


def walk_elements(block: Json) -> Iterator[Json]:
    """Yield the interactive elements of a block."""
    if block.get("type") in INTERACTIVE_BLOCKS:
        elements = [*block.get("elements", []), block.get("accessory"), block.get("element")]
        yield from (element for element in elements if element and _has_action(element))


def _with_ids(block: Json, free_ids: Iterator[str]) -> Json:
    block = block if block.get("block_id") else {**block, "block_id": next(free_ids)}
    if block.get("child_blocks"):
        block = block | {"child_blocks": [_with_ids(b, free_ids) for b in block["child_blocks"]]}
    if block["type"] not in INTERACTIVE_BLOCKS:
        return block
    if "elements" in block:
        block = block | {"elements": [_with_action_id(e, free_ids) for e in block["elements"]]}
    for name in block.keys() & {"accessory", "element"}:
        block = block | {name: _with_action_id(block[name], free_ids)}
    return block


def _with_action_id(element: Json, free_ids: Iterator[str]) -> Json:
    if not _has_action(element) or element.get("action_id"):
        return element
    return {**element, "action_id": next(free_ids)}


def _has_action(element: Json) -> bool:
    return element["type"] not in ELEMENTS_WITHOUT_ACTION
