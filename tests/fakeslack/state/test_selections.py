"""Selections: the state of the elements that one person sees."""

from typing import Any

import pytest

from fakeslack.errors import SlackError
from fakeslack.state.selections import REQUIRED, Selections, find_element

Json = dict[str, Any]
PLAIN = {"type": "plain_text", "text": "a"}
ONE, TWO = ({"text": PLAIN, "value": name} for name in ("one", "two"))
BUTTON = {"type": "button", "action_id": "go", "text": PLAIN}
SELECT = {"type": "static_select", "action_id": "pick", "options": [ONE, TWO]}


def input_block(name: str, kind: str = "plain_text_input", **more: Any) -> Json:
    """Return an input block whose element has the action id `x`."""
    optional = more.pop("optional", False)
    element = {"type": kind, "action_id": "x", **more}
    return {"type": "input", "block_id": name, "label": PLAIN, "element": element} | (
        {"optional": True} if optional else {}
    )


def test_state_holds_each_stateful_element() -> None:
    """Inputs, accessories, actions and containers, also untouched; buttons have no state."""
    row = {"type": "actions", "block_id": "row", "elements": [BUTTON, SELECT]}
    section = {
        "type": "section",
        "block_id": "side",
        "accessory": {**SELECT, "initial_option": ONE},
    }
    selections = Selections(
        [{"type": "container", "child_blocks": [row]}, section, input_block("words")]
    )
    assert selections.state == {
        "values": {
            "row": {"pick": {"type": "static_select", "selected_option": None}},
            "side": {"pick": {"type": "static_select", "selected_option": ONE}},
            "words": {"x": {"type": "plain_text_input", "value": None}},
        }
    }


def test_values_are_kept_while_ids_and_types_stay() -> None:
    """An updated view keeps what was typed; another block id or type begins again."""
    selections = Selections([input_block("kept"), input_block("retyped"), input_block("gone")])
    for block in selections.blocks:
        selections.choose(block, block["element"], "typed")
    former = selections.state
    selections.show_blocks(
        [
            input_block("kept", initial_value="later"),
            input_block("retyped", "url_text_input"),
            input_block("new", initial_value="first"),
        ]
    )
    values = {name: states["x"]["value"] for name, states in selections.values.items()}
    assert values == {"kept": "typed", "retyped": None, "new": "first"}
    assert former["values"]["kept"]["x"]["value"] == "typed"
    selections.choose(selections.blocks[0], selections.blocks[0]["element"], "again")
    assert former["values"]["kept"]["x"]["value"] == "typed", "a payload is not changed later"


def test_an_element_is_found_by_its_ids() -> None:
    """A block id selects between equals; unknown ones are refused."""
    blocks = [
        {"type": "actions", "block_id": name, "elements": [BUTTON, SELECT]} for name in ("a", "b")
    ]
    assert find_element(blocks, "go", None) == (blocks[0], BUTTON)
    assert find_element(blocks, "pick", "b") == (blocks[1], SELECT)
    for names in (("odd", None), ("go", "odd")):
        with pytest.raises(SlackError, match="action_not_found"):
            find_element(blocks, *names)


def test_supplied_options_may_be_chosen() -> None:
    """Those of an external select, once the app has supplied them; a chosen one stays."""
    block = input_block("list", "external_select")
    selections = Selections([block])
    with pytest.raises(SlackError, match="value_not_found"):
        selections.choose(block, block["element"], "two")
    selections.supply_options(block, block["element"], [ONE, TWO])
    assert selections.choose(block, block["element"], "two")["selected_option"] == TWO
    selections.supply_options(block, block["element"], [ONE])
    assert selections.choose(block, block["element"], "two")["selected_option"] == TWO
    assert selections.get_value(block, block["element"]) == TWO
    many = input_block("many", "multi_external_select", initial_options=[ONE])
    assert Selections([many]).choose(many, many["element"], ["one"])["selected_options"] == [ONE]


@pytest.mark.parametrize(
    ("block", "typed", "fault"),
    [
        (input_block("i"), "", REQUIRED),
        (input_block("i", optional=True), "", None),
        (input_block("i", "checkboxes", options=[ONE]), [], REQUIRED),
        (input_block("i", "checkboxes", options=[ONE]), ["one"], None),
        (input_block("i", "file_input"), [], None),
        (input_block("i", min_length=3), "ab", "at least 3 characters"),
        (input_block("i", min_length=3), "abc", None),
        (input_block("i", max_length=3), "abcd", "no more than 3 characters"),
        (input_block("i"), "a" * 3_001, "no more than 3000 characters"),
        (input_block("i", "email_text_input"), "a@b.example", None),
        (input_block("i", "email_text_input"), "a@b", "valid email address"),
        (input_block("i", "url_text_input"), "https://b.example", None),
        (input_block("i", "url_text_input"), "javascript:1", "valid URL"),
        (input_block("i", "number_input", is_decimal_allowed=True), "1.5", None),
        (input_block("i", "number_input", is_decimal_allowed=False), "1.5", "a whole number"),
        (input_block("i", "number_input", is_decimal_allowed=True), "one", "a number"),
        (input_block("i", "number_input", is_decimal_allowed=True), "NaN", "a number"),
        (
            input_block("i", "number_input", is_decimal_allowed=False, min_value="2"),
            "1",
            "at least 2",
        ),
        (
            input_block("i", "number_input", is_decimal_allowed=False, max_value="2"),
            "3",
            "at most 2",
        ),
    ],
)
def test_slacks_client_refuses_faulty_inputs(block: Json, typed: Any, fault: str | None) -> None:
    """Empty required inputs, and values beyond the limits of their element."""
    selections = Selections([block, {"type": "divider", "block_id": "line"}])
    selections.choose(block, block["element"], typed)
    faults = selections.find_faults()
    assert faults == {} if fault is None else fault in faults["i"]


def test_response_urls_are_for_chosen_conversations() -> None:
    """Only of inputs that ask for one; `default_to_current_conversation` counts as chosen."""
    asking = {"response_url_enabled": True, "default_to_current_conversation": True}
    blocks = [
        input_block("to", "conversations_select", **asking),
        input_block("none", "channels_select", response_url_enabled=True),
        input_block("plain", "conversations_select", initial_conversation="C2"),
    ]
    [target] = Selections(blocks, "C1").list_response_targets()
    assert target == {"block_id": "to", "action_id": "x", "channel_id": "C1"}
