"""Blocks that Slack would refuse are refused, with a pointer to what is wrong."""

from typing import Any

import pytest

from fakeslack.block_kit import checked, checked_in_view, named
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
PICTURE = {"type": "image", "image_url": "https://a.example/i.png", "alt_text": "i"}
CODE = {
    "type": "rich_text_preformatted",
    "elements": [{"type": "text", "text": "x = 1"}],
    "border": 0,
    "language": "python",
}


def section(*elements: Json) -> Json:
    """Return one paragraph of rich text."""
    return {"type": "rich_text_section", "elements": list(elements)}


def rich(*parts: Json) -> Json:
    """Return a rich text block."""
    return {"type": "rich_text", "elements": list(parts)}


def text(words: str = "a", **style: bool) -> Json:
    """Return a text element."""
    return {"type": "text", "text": words, "style": style}


def table(rows: int, columns: int = 1, cell: str = "a") -> Json:
    """Return a table of equal cells."""
    return {"type": "table", "rows": [[{"type": "raw_text", "text": cell}] * columns] * rows}


SOUND: list[Json] = [
    {"type": "divider"},
    {"type": "header", "text": {**PLAIN, "emoji": False}},
    {"type": "section", "text": MRKDWN, "accessory": BUTTON},
    {"type": "section", "fields": [PLAIN, MRKDWN]},
    {"type": "context", "elements": [MRKDWN, PICTURE, PLAIN]},
    {"type": "actions", "elements": [BUTTON, {"type": "overflow", "options": [OPTION]}]},
    {"type": "context_actions", "elements": [FEEDBACK, TRASH]},
    {"type": "markdown", "text": "# a"},
    {"type": "alert", "text": MRKDWN, "level": "warning"},
    {"type": "container", "title": PLAIN, "child_blocks": [rich(CODE)], "is_collapsible": True},
    {"type": "task_card", "task_id": "1", "title": "a", "status": "complete"},
    {"type": "plan", "title": "a", "tasks": []},
    rich(
        section(
            text(bold=True),
            {"type": "user", "user_id": "U1"},
            {"type": "link", "url": "https://a.example"},
            {"type": "date", "timestamp": 1, "format": "{date}"},
        ),
        CODE,
        {"type": "rich_text_list", "style": "ordered", "elements": [section(text())], "indent": 1},
        {"type": "rich_text_quote", "elements": [text()]},
    ),
    table(2, 3),
]
LONG = "a" * 3_001
WRONG: list[tuple[Json, str]] = [
    ({"type": "poem"}, "unsupported block: poem [json-pointer:/blocks/0]"),
    ({}, "unsupported block: None [json-pointer:/blocks/0]"),
    ({"type": []}, "unsupported block: [] [json-pointer:/blocks/0]"),
    ({"type": "divider", "colour": "red"}, "invalid additional property: colour"),
    ({"type": "divider", "block_id": "b" * 256}, "must be no more than 255 characters"),
    ({"type": "header", "text": MRKDWN}, "unsupported text type: mrkdwn"),
    ({"type": "header"}, "missing required field: text"),
    ({"type": "section"}, "must provide text or fields"),
    ({"type": "section", "text": {"type": "mrkdwn", "text": LONG}}, "no more than 3000"),
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
    (rich(section(text(""))), "must be more than 0 characters"),
    (rich(section(text(loud=True))), "invalid additional property: loud"),
    (rich({**CODE, "border": 2}), "must be a number from 0 to 1"),
    (rich({**CODE, "border": True}), "must be a number from 0 to 1"),
    (rich({**CODE, "lines": 3}), "/blocks/0/elements/0"),
    (rich(), "no fewer than 1 items allowed"),
    (rich({"type": "rich_text_list", "style": "bullet", "elements": [CODE]}), "unsupported"),
    ({"type": "container", "child_blocks": [{"type": "container"}]}, "unsupported block"),
    ({"type": "input", "label": PLAIN, "element": BUTTON}, "unsupported block: input"),
    (table(101), "no more than 100 items allowed"),
    (table(1, 21), "no more than 20 items allowed"),
    (table(1, cell=""), "must be more than 0 characters"),
    (table(100, 1, "a" * 101), "table is too long"),
]


def faults(blocks: list[Any]) -> tuple[str, ...]:
    """Return what Slack says of blocks that it refuses."""
    with pytest.raises(SlackError, match="invalid_blocks") as refusal:
        checked(blocks)
    assert refusal.value.answer()["response_metadata"]["messages"]
    return refusal.value.messages


@pytest.mark.parametrize("block", SOUND, ids=range(len(SOUND)))
def test_sound_blocks_are_taken_as_they_are(block: Json) -> None:
    """What Block Kit allows is kept unchanged."""
    assert checked([block]) == [block]


@pytest.mark.parametrize(("block", "why"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_block_is_refused_with_the_reason(block: Json, why: str) -> None:
    """Each fault is named with a pointer to it."""
    [said] = [fault for fault in faults([block]) if why in fault]
    assert said.startswith("[ERROR]")
    assert "[json-pointer:/blocks/0" in said


def test_a_message_holds_fifty_blocks() -> None:
    """The fifty-first block is refused."""
    checked([{"type": "divider"}] * 50)
    assert "no more than 50 items" in faults([{"type": "divider"}] * 51)[0]


def test_what_is_not_even_an_object_is_refused() -> None:
    """A list of blocks holds objects only."""
    assert "unsupported block" in faults(["a"])[0]


def test_names_and_tables_do_not_repeat() -> None:
    """Two blocks cannot share a name, and a message has one table."""
    twice = {"type": "divider", "block_id": "b"}
    assert "block_id already exists" in faults([twice, twice])[0]
    assert "only one table" in faults([table(1), table(1)])[0]


def test_too_much_text_in_sound_blocks_is_too_long() -> None:
    """A message has a ceiling for all its blocks together, and one for Markdown."""
    with pytest.raises(SlackError, match="msg_blocks_too_long"):
        checked([rich(section(text("a" * 13_201)))])
    with pytest.raises(SlackError, match="msg_blocks_too_long"):
        checked([{"type": "markdown", "text": "a" * 6_001}] * 2)
    checked([rich(section(text("a" * 13_200)))])


def test_blocks_get_names_that_are_not_taken() -> None:
    """A block without a name gets one; names that are there stay."""
    blocks = named([{"type": "divider"}, {"type": "divider", "block_id": "b0"}])
    assert [block["block_id"] for block in blocks] == ["b1", "b0"]


def test_inputs_stand_in_views_only() -> None:
    """A modal may ask, and may hold a hundred blocks; a wrong one is refused."""
    asking = {
        "type": "input",
        "label": PLAIN,
        "element": {"type": "plain_text_input", "multiline": True},
    }
    checked_in_view([asking, *[{"type": "divider"}] * 99])
    for wrong in ([asking] * 101, "nothing", [{"type": "input"}]):
        with pytest.raises(SlackError, match="invalid_arguments"):
            checked_in_view(wrong)
