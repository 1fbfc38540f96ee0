"""Generated ids of blocks and elements."""

from itertools import count
from typing import Any

from fakeslack.block_kit import assign_block_ids
from fakeslack.block_kit.generated_ids import walk_blocks, walk_elements

Json = dict[str, Any]
PLAIN = {"type": "plain_text", "text": "a"}
BUTTON = {"type": "button", "text": PLAIN}
IMAGE = {"type": "image", "image_url": "https://a.example/i.png", "alt_text": "i"}


def test_missing_block_ids_are_assigned() -> None:
    """A block without a block_id gets an unused one; others keep theirs."""
    blocks = assign_block_ids([{"type": "divider"}, {"type": "divider", "block_id": "b0"}])
    assert [block["block_id"] for block in blocks] == ["b1", "b0"]


def test_missing_action_ids_are_assigned() -> None:
    """Interactive elements get one wherever they are; images and text get none."""
    given: list[Json] = [
        {"type": "section", "text": PLAIN, "accessory": BUTTON},
        {"type": "section", "text": PLAIN, "accessory": IMAGE},
        {"type": "section", "text": PLAIN},
        {"type": "actions", "elements": [BUTTON, {**BUTTON, "action_id": "mine"}]},
        {"type": "input", "label": PLAIN, "element": {"type": "plain_text_input"}},
        {"type": "context", "elements": [IMAGE, PLAIN]},
        {"type": "container", "child_blocks": [{"type": "actions", "elements": [BUTTON]}]},
    ]
    blocks = assign_block_ids(given, map("n{}".format, count()))

    elements = [element for block in walk_blocks(blocks) for element in walk_elements(block)]
    action_ids = [element["action_id"] for element in elements]
    block_ids = [block["block_id"] for block in walk_blocks(blocks)]
    assert len({*action_ids, *block_ids}) == len(action_ids) + len(block_ids)
    assert action_ids[2] == "mine"
    assert len(elements) == 5
    assert "action_id" not in blocks[1]["accessory"]
    assert blocks[5]["elements"] == [IMAGE, PLAIN]
    assert given[0]["accessory"] == BUTTON, "the sender's blocks are not changed"
