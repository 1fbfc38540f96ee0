"""Selections: what a person has typed and chosen in the elements of one view or message. Pure."""

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from fakeslack.block_kit.element_values import (
    VALUE_FIELDS,
    ValueKind,
    choose_value,
    initial_value,
    is_stateful,
    value_of,
)
from fakeslack.block_kit.generated_ids import walk_blocks, walk_elements
from fakeslack.block_kit.inputs import MAX_INPUT_CHARACTERS
from fakeslack.errors import Json, SlackError

REQUIRED = "Please complete this required field."


def find_element(blocks: list[Json], action_id: str, block_id: str | None) -> tuple[Json, Json]:
    """Return the block and element with this action id. Raises `action_not_found`."""
    for block, element in _walk(blocks):
        if element.get("action_id") == action_id and block_id in {None, block.get("block_id")}:
            return block, element
    raise SlackError("action_not_found")


class Selections:
    """
    The state of every stateful element that `blocks` show to one person.

    `conversation` is the one that was on screen, for `default_to_current_conversation`.
    """

    def __init__(self, blocks: list[Json], conversation: str = "") -> None:
        self.blocks: list[Json] = []
        self.values: dict[str, dict[str, Json]] = {}
        self.conversation = conversation
        self._loaded: dict[tuple[str, str], list[Json]] = {}
        self.show_blocks(blocks)

    @property
    def state(self) -> Json:
        """The `state` object of a payload; later choices don't change it."""
        return {"values": {block_id: dict(states) for block_id, states in self.values.items()}}

    def show_blocks(self, blocks: list[Json]) -> None:
        """Show other blocks; an element keeps its value if block id, action id and type agree."""
        former, self.blocks, self.values = self.values, blocks, {}
        for block, element in _walk(blocks):
            if not is_stateful(element):
                continue
            block_id, action_id = _ids(block, element)
            state = former.get(block_id, {}).get(action_id)
            if state is None or state["type"] != element["type"]:
                state = initial_value(element, self.conversation)
            self.values.setdefault(block_id, {})[action_id] = state

    def get_value(self, block: Json, element: Json) -> Any:
        """Return the value of a stateful element."""
        block_id, action_id = _ids(block, element)
        return value_of(self.values[block_id][action_id])

    def choose(self, block: Json, element: Json, chosen: Any) -> Json:
        """Store a choice and return the element's state. Raises `value_not_found`."""
        block_id, action_id = _ids(block, element)
        former = self.values.get(block_id, {}).get(action_id, {})
        # The app may have supplied them for an earlier query.
        offered = [*self._loaded.get((block_id, action_id), []), *_selected_options(former)]
        state = choose_value(element, chosen, offered)
        self.values[block_id] = self.values[block_id] | {action_id: state}
        return state

    def supply_options(self, block: Json, element: Json, options: list[Json]) -> None:
        """Let a person choose among options that the app supplied to an external select."""
        self._loaded[_ids(block, element)] = options

    def find_faults(self) -> dict[str, str]:
        """Return the sentence below each input that Slack's client refuses to submit."""
        sentences = {
            block["block_id"]: _find_fault(block, self.values[block["block_id"]])
            for block in walk_blocks(self.blocks)
            if block["type"] == "input"
        }
        return {block_id: sentence for block_id, sentence in sentences.items() if sentence}

    def list_response_targets(self) -> list[Json]:
        """Return the inputs whose chosen conversation gets a response URL, with its id."""
        targets = []
        for block, element in _walk(self.blocks):
            if block["type"] != "input" or not element.get("response_url_enabled"):
                continue
            block_id, action_id = _ids(block, element)
            channel = self.get_value(block, element)
            if channel:
                targets.append(
                    {"block_id": block_id, "action_id": action_id, "channel_id": channel}
                )
        return targets


def _walk(blocks: list[Json]) -> Iterator[tuple[Json, Json]]:
    for block in walk_blocks(blocks):
        for element in walk_elements(block):
            yield block, element


def _ids(block: Json, element: Json) -> tuple[str, str]:
    return str(block.get("block_id", "")), str(element.get("action_id", ""))


def _selected_options(state: Json) -> list[Json]:
    option = state.get("selected_option")
    return [*state.get("selected_options", []), *([option] if option else [])]


def _find_fault(block: Json, states: Mapping[str, Json]) -> str | None:
    element, [state] = block["element"], states.values()
    value = value_of(state)
    field = VALUE_FIELDS[element["type"]]
    if value and field.kind is ValueKind.TEXT:
        return _find_text_fault(element, value)
    is_missing = not value and not block.get("optional") and field.kind is not ValueKind.FILE
    return REQUIRED if is_missing else None


def _find_text_fault(element: Json, text: str) -> str | None:
    least = element.get("min_length", 0)
    most = element.get("max_length", MAX_INPUT_CHARACTERS)
    if len(text) > most:
        return f"Please enter no more than {most} characters."
    if len(text) < least:
        return f"Please enter at least {least} characters."
    if element["type"] == "number_input":
        return _find_number_fault(element, text)
    if element["type"] == "email_text_input" and not _is_email(text):
        return "Please enter a valid email address."
    if element["type"] == "url_text_input" and not _is_url(text):
        return "Please enter a valid URL."
    return None


def _is_email(text: str) -> bool:
    name, _, domain = text.partition("@")
    return bool(name) and "." in domain.strip(".") and not {"@", " "} & set(domain)


def _is_url(text: str) -> bool:
    return text.startswith(("http://", "https://")) and " " not in text


def _find_number_fault(element: Json, text: str) -> str | None:
    try:
        number = Decimal(text)
        least = Decimal(element.get("min_value", "-Infinity"))
        most = Decimal(element.get("max_value", "Infinity"))
    except InvalidOperation:
        return "Please enter a number."
    if not number.is_finite():
        return "Please enter a number."
    if number != number.to_integral_value() and not element["is_decimal_allowed"]:
        return "Please enter a whole number."
    if number < least:
        return f"Please enter a number of at least {least}."
    return f"Please enter a number of at most {most}." if number > most else None
