"""The rules of Block Kit, pure: which blocks Slack takes, and what it says of the others."""

import itertools
from typing import Any

from fakeslack.block_kit.blocks import MOST_MARKDOWN, MOST_TEXT, faults, letters
from fakeslack.errors import Json, SlackError

MOST_BLOCKS = 50
MOST_VIEW_BLOCKS = 100


def checked(blocks: list[Any]) -> list[Json]:
    """
    Return the blocks of a message.

    Raises `invalid_blocks` with one message a fault, and `msg_blocks_too_long` where they are
    sound but together hold more text than a message may.
    """
    found = faults(blocks, most=MOST_BLOCKS)
    if found:
        raise SlackError("invalid_blocks", *found)
    markdown = [block for block in blocks if block["type"] == "markdown"]
    if letters(blocks) > MOST_TEXT or letters(markdown) > MOST_MARKDOWN:
        raise SlackError("msg_blocks_too_long")
    return blocks


def checked_in_view(blocks: object) -> None:
    """Check the blocks of a modal or Home tab; raises `invalid_arguments` with the faults."""
    found = faults(blocks, most=MOST_VIEW_BLOCKS, view=True)
    if found:
        raise SlackError("invalid_arguments", *found)


def named(blocks: list[Json]) -> list[Json]:
    """Return the blocks, each with a `block_id`."""
    taken = {block.get("block_id") for block in blocks}
    free = (name for name in map("b{}".format, itertools.count()) if name not in taken)
    return [
        block if block.get("block_id") else {**block, "block_id": next(free)} for block in blocks
    ]
