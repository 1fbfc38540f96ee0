"""The rules of Block Kit, pure: which blocks Slack takes, and what it says of the others."""

import uuid
from typing import Any

from fakeslack.errors import Json, SlackError

MOST_BLOCKS = 50


def checked(blocks: list[Any]) -> list[Json]:
    """Return the blocks; raises `invalid_blocks` with one message for each fault."""
    faults = [] if len(blocks) <= MOST_BLOCKS else ["no more than 50 items allowed"]
    faults += [
        f"invalid block [json-pointer:/blocks/{place}]"
        for place, block in enumerate(blocks)
        if not isinstance(block, dict) or not isinstance(block.get("type"), str)
    ]
    if faults:
        raise SlackError("invalid_blocks", *(f"[ERROR] {fault}" for fault in faults))
    return blocks


def named(blocks: list[Json]) -> list[Json]:
    """Return the blocks, each with a `block_id`."""
    return [
        {**block, "block_id": block.get("block_id") or uuid.uuid4().hex[:5]} for block in blocks
    ]
