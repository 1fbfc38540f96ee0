"""Block Kit validation: accept the blocks that Slack accepts, reject others with Slack's errors."""

from typing import Any

from fakeslack.block_kit.blocks import (
    MAX_MARKDOWN_CHARACTERS,
    MAX_TEXT_CHARACTERS,
    count_text_characters,
    find_faults,
)
from fakeslack.block_kit.generated_ids import assign_block_ids
from fakeslack.errors import Json, SlackError

__all__ = [
    "MAX_BLOCKS",
    "assign_block_ids",
    "validate_blocks",
    "validate_view_blocks",
]
MAX_BLOCKS = 50
MAX_VIEW_BLOCKS = 100


def validate_blocks(blocks: list[Any]) -> list[Json]:
    """
    Return the blocks of a message.

    Raises `invalid_blocks` with one message for each fault. Raises `msg_blocks_too_long` if valid
    blocks hold more text than one message may.
    """
    errors = find_faults(blocks, max_blocks=MAX_BLOCKS)
    if errors:
        raise SlackError("invalid_blocks", *errors)
    markdown = [block for block in blocks if block["type"] == "markdown"]
    if (
        count_text_characters(blocks) > MAX_TEXT_CHARACTERS
        or count_text_characters(markdown) > MAX_MARKDOWN_CHARACTERS
    ):
        raise SlackError("msg_blocks_too_long")
    return blocks


def validate_view_blocks(blocks: object) -> None:
    """Check the blocks of a modal or Home tab. Raises `invalid_arguments` if a block is invalid."""
    errors = find_faults(blocks, max_blocks=MAX_VIEW_BLOCKS, in_view=True)
    if errors:
        raise SlackError("invalid_arguments", *errors)
