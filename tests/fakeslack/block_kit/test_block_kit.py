"""Block Kit validation: accepted blocks, and errors with a JSON pointer."""

from typing import Any

import pytest

from fakeslack.block_kit import validate_blocks, validate_view_blocks
from fakeslack.errors import SlackError

Json = dict[str, Any]
PLAIN = {"type": "plain_text", "text": "a"}
MRKDWN = {"type": "mrkdwn", "text": "a"}
BUTTON = {"type": "button", "action_id": "a", "text": PLAIN, "style": "danger", "value": "v"}
OPTION = {"text": PLAIN, "value": "v"}
FEEDBACK = {
    "type": "feedback_buttons",
    "action_id": "f",
    "positive_button": {"text": PLAIN, "value": "good"},
    "negative_button": {"text": PLAIN, "value": "bad"},
}
TRASH = {"type": "icon_button", "icon": "trash", "text": PLAIN, "action_id": "t"}
IMAGE_BLOCK = {"type": "image", "image_url": "https://a.example/i.png", "alt_text": "i"}
CODE = {
    "type": "rich_text_preformatted",
    "elements": [{"type": "text", "text": "x = 1"}],
    "border": 0,
    "language": "python",
}


def rich_text_section(*elements: Json) -> Json:
    """Return one paragraph of rich text."""
    return {"type": "rich_text_section", "elements": list(elements)}


def rich_text_block(*parts: Json) -> Json:
    """Return a rich text block."""
    return {"type": "rich_text", "elements": list(parts)}


def text_element(content: str = "a", **style: bool) -> Json:
    """Return a text element."""
    return {"type": "text", "text": content, "style": style}


def table_block(rows: int, columns: int = 1, cell: str = "a") -> Json:
    """Return a table of equal cells."""
    return {"type": "table", "rows": [[{"type": "raw_text", "text": cell}] * columns] * rows}


VALID_BLOCKS: list[Json] = [
    {"type": "divider"},
    {"type": "header", "text": {**PLAIN, "emoji": False}},
    {"type": "section", "text": MRKDWN, "accessory": BUTTON},
    {"type": "section", "fields": [PLAIN, MRKDWN]},
    {
        "type": "section",
        "text": MRKDWN,
        "accessory": {"type": "static_select", "options": [OPTION], "initial_option": OPTION},
    },
    {"type": "context", "elements": [MRKDWN, IMAGE_BLOCK, PLAIN]},
    {"type": "actions", "elements": [BUTTON, {"type": "overflow", "options": [OPTION]}]},
    {"type": "context_actions", "elements": [FEEDBACK, TRASH]},
    {"type": "markdown", "text": "# a"},
    {"type": "alert", "text": MRKDWN, "level": "warning"},
    {
        "type": "container",
        "title": PLAIN,
        "child_blocks": [rich_text_block(CODE)],
        "is_collapsible": True,
    },
    {"type": "task_card", "task_id": "1", "title": "a", "status": "complete"},
    {"type": "plan", "title": "a", "tasks": []},
    rich_text_block(
        rich_text_section(
            text_element(bold=True),
            {"type": "user", "user_id": "U1"},
            {"type": "link", "url": "https://a.example"},
            {"type": "date", "timestamp": 1, "format": "{date}"},
        ),
        CODE,
        {
            "type": "rich_text_list",
            "style": "ordered",
            "elements": [rich_text_section(text_element())],
            "indent": 1,
        },
        {"type": "rich_text_quote", "elements": [text_element()]},
    ),
    table_block(2, 3),
]
TOO_LONG_BLOCKS = "a" * 3_001
INVALID_BLOCKS: list[tuple[Json, str]] = [
    (
        {
            "type": "section",
            "text": MRKDWN,
            "accessory": {
                "type": "static_select",
                "options": [OPTION],
                "initial_option": {**OPTION, "value": "w"},
            },
        },
        "initial_option must match one of the options [json-pointer:/blocks/0/accessory]",
    ),
    ({"type": "poem"}, "unsupported block: poem [json-pointer:/blocks/0]"),
    ({}, "unsupported block: None [json-pointer:/blocks/0]"),
    ({"type": []}, "unsupported block: [] [json-pointer:/blocks/0]"),
    ({"type": "divider", "colour": "red"}, "invalid additional property: colour"),
    ({"type": "divider", "block_id": "b" * 256}, "must be no more than 255 characters"),
    ({"type": "header", "text": MRKDWN}, "unsupported text type: mrkdwn"),
    ({"type": "header"}, "missing required field: text"),
    ({"type": "section"}, "must provide text or fields"),
    ({"type": "section", "text": {"type": "mrkdwn", "text": TOO_LONG_BLOCKS}}, "no more than 3000"),
    ({"type": "section", "text": {"type": "mrkdwn", "text": ""}}, "must be more than 0"),
    ({"type": "section", "text": {"type": "mrkdwn", "text": 1}}, "must provide a string"),
    ({"type": "section", "text": "a"}, "unsupported text type: None"),
    ({"type": "section", "fields": [MRKDWN] * 11}, "no more than 10 items allowed"),
    ({"type": "section", "text": {**PLAIN, "emoji": 1}}, "must provide a boolean"),
    ({"type": "context", "elements": [MRKDWN] * 11}, "no more than 10 items allowed"),
    ({"type": "context", "elements": []}, "no fewer than 1 items allowed"),
    ({"type": "context", "elements": MRKDWN}, "must provide an array"),
    ({"type": "actions", "elements": [BUTTON] * 26}, "no more than 25 items allowed"),
    ({"type": "actions", "elements": [{**BUTTON, "style": "odd"}]}, "must be one of primary"),
    ({"type": "actions", "elements": [{"type": "overflow", "options": ["a"]}]}, "an object"),
    ({"type": "context_actions", "elements": [BUTTON]}, "unsupported element: button"),
    ({"type": "markdown", "text": "a" * 12_001}, "must be no more than 12000 characters"),
    (rich_text_block(rich_text_section(text_element(""))), "must be more than 0 characters"),
    (
        rich_text_block(rich_text_section(text_element(loud=True))),
        "invalid additional property: loud",
    ),
    (rich_text_block({**CODE, "border": 2}), "must be a number from 0 to 1"),
    (rich_text_block({**CODE, "border": True}), "must be a number from 0 to 1"),
    (rich_text_block({**CODE, "lines": 3}), "/blocks/0/elements/0"),
    (rich_text_block(), "no fewer than 1 items allowed"),
    (
        rich_text_block({"type": "rich_text_list", "style": "bullet", "elements": [CODE]}),
        "unsupported",
    ),
    ({"type": "container", "child_blocks": [{"type": "container"}]}, "unsupported block"),
    ({"type": "input", "label": PLAIN, "element": BUTTON}, "unsupported block: input"),
    (table_block(101), "no more than 100 items allowed"),
    (table_block(1, 21), "no more than 20 items allowed"),
    (table_block(1, cell=""), "must be more than 0 characters"),
    (table_block(100, 1, "a" * 101), "table is too long"),
]


def invalid_block_faults(blocks: list[Any]) -> tuple[str, ...]:
    """Return the error messages of blocks that Slack rejects."""
    with pytest.raises(SlackError, match="invalid_blocks") as refusal:
        validate_blocks(blocks)
    assert refusal.value.to_response()["response_metadata"]["messages"]
    return refusal.value.messages


@pytest.mark.parametrize("block", VALID_BLOCKS, ids=range(len(VALID_BLOCKS)))
def test_valid_blocks_are_accepted_unchanged(block: Json) -> None:
    """Every block that Block Kit allows is returned as it is."""
    assert validate_blocks([block]) == [block]


@pytest.mark.parametrize(("block", "why"), INVALID_BLOCKS, ids=range(len(INVALID_BLOCKS)))
def test_an_invalid_block_is_rejected_with_a_pointer(block: Json, why: str) -> None:
    """Each fault is named with a JSON pointer."""
    [said] = [fault for fault in invalid_block_faults([block]) if why in fault]
    assert said.startswith("[ERROR]")
    assert "[json-pointer:/blocks/0" in said


def test_a_message_has_at_most_50_blocks() -> None:
    """The 51st block is rejected."""
    validate_blocks([{"type": "divider"}] * 50)
    assert "no more than 50 items" in invalid_block_faults([{"type": "divider"}] * 51)[0]


def test_a_block_must_be_an_object() -> None:
    """A list of blocks may hold only objects."""
    assert "unsupported block" in invalid_block_faults(["a"])[0]


def test_ids_are_unique_and_one_table_is_allowed() -> None:
    """A repeated block_id, an action_id repeated in a block, and a second table are rejected."""
    row = {"type": "actions", "elements": [BUTTON]}
    assert validate_blocks([row, row]) == [row, row]
    assert (
        "action_id already exists"
        in invalid_block_faults([{**row, "elements": [BUTTON, BUTTON]}])[0]
    )
    twice = {"type": "divider", "block_id": "b"}
    assert "block_id already exists" in invalid_block_faults([twice, twice])[0]
    assert "only one table" in invalid_block_faults([table_block(1), table_block(1)])[0]


def test_total_text_of_a_message_is_limited() -> None:
    """All blocks together have a text limit, and all markdown blocks have another."""
    with pytest.raises(SlackError, match="msg_blocks_too_long"):
        validate_blocks([rich_text_block(rich_text_section(text_element("a" * 13_201)))])
    with pytest.raises(SlackError, match="msg_blocks_too_long"):
        validate_blocks([{"type": "markdown", "text": "a" * 6_001}] * 2)
    validate_blocks([rich_text_block(rich_text_section(text_element("a" * 13_200)))])


def test_input_blocks_are_allowed_only_in_views() -> None:
    """A view may hold input blocks and up to 100 blocks; invalid ones are rejected."""
    asking = {
        "type": "input",
        "label": PLAIN,
        "element": {"type": "plain_text_input", "multiline": True},
    }
    validate_view_blocks([asking, *[{"type": "divider"}] * 99])
    for wrong in ([asking] * 101, "nothing", [{"type": "input"}]):
        with pytest.raises(SlackError, match="invalid_arguments"):
            validate_view_blocks(wrong)
