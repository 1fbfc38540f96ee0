"""Typed values of interactive elements: their fields, initial values and possible choices."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from fakeslack.block_kit.composition import list_options
from fakeslack.block_kit.inputs import (
    MAX_DATE_TIME,
    MIN_DATE_TIME,
    TIME_PATTERN,
    is_date,
)
from fakeslack.errors import Json, SlackError


class ValueKind(Enum):
    """What a person's choice in an element is made of."""

    OPTION = auto()
    ID = auto()
    TEXT = auto()
    DATE = auto()
    TIME = auto()
    DATE_TIME = auto()
    RICH_TEXT = auto()
    FILE = auto()


@dataclass(frozen=True, slots=True)
class ValueField:
    """Field that holds an element's value in states and actions; `initial` presets it."""

    kind: ValueKind
    name: str
    initial: str
    is_list: bool = False


_TEXT = ValueField(ValueKind.TEXT, "value", "initial_value")
_ONE_OPTION = ValueField(ValueKind.OPTION, "selected_option", "initial_option")
_OPTIONS = ValueField(ValueKind.OPTION, "selected_options", "initial_options", is_list=True)
VALUE_FIELDS: Mapping[str, ValueField] = {
    "static_select": _ONE_OPTION,
    "external_select": _ONE_OPTION,
    "radio_buttons": _ONE_OPTION,
    "multi_static_select": _OPTIONS,
    "multi_external_select": _OPTIONS,
    "checkboxes": _OPTIONS,
    **{
        f"{kind}s_select": ValueField(ValueKind.ID, f"selected_{kind}", f"initial_{kind}")
        for kind in ("user", "conversation", "channel")
    },
    **{
        f"multi_{kind}_select": ValueField(
            ValueKind.ID, f"selected_{kind}", f"initial_{kind}", is_list=True
        )
        for kind in ("users", "conversations", "channels")
    },
    "datepicker": ValueField(ValueKind.DATE, "selected_date", "initial_date"),
    "timepicker": ValueField(ValueKind.TIME, "selected_time", "initial_time"),
    "datetimepicker": ValueField(ValueKind.DATE_TIME, "selected_date_time", "initial_date_time"),
    **dict.fromkeys(
        ("plain_text_input", "number_input", "email_text_input", "url_text_input"), _TEXT
    ),
    "rich_text_input": ValueField(ValueKind.RICH_TEXT, "rich_text_value", "initial_value"),
    "file_input": ValueField(ValueKind.FILE, "files", "initial_files", is_list=True),
}
"""Fields by element type, as bolt-js types them (`ViewStateValue`, `block-action.ts`)."""
CONVERSATION_SELECTS = frozenset({"conversations_select", "multi_conversations_select"})


def is_stateful(element: Json) -> bool:
    """Whether `state.values` holds a value of this element: not for buttons and overflow menus."""
    return element["type"] in VALUE_FIELDS


def initial_value(element: Json, conversation: str = "") -> Json:
    """Return the untouched state of an element; `conversation` is the one on screen."""
    field = VALUE_FIELDS[element["type"]]
    value = element.get(field.initial)
    is_preset = element.get("default_to_current_conversation") and conversation
    if value is None and is_preset and element["type"] in CONVERSATION_SELECTS:
        value = [conversation] if field.is_list else conversation
    if value is None and field.is_list:
        value = []
    return {"type": element["type"], field.name: value}


def choose_value(element: Json, chosen: Any, loaded: Iterable[Json] = ()) -> Json:
    """
    Return the state of an element in which a person chose `chosen`.

    `chosen` is an option's value, an id, text, or Unix seconds; a list of them where several may be
    chosen. None, an empty list and empty text clear the element. `loaded` are the options that
    the app supplied to an external select. Raises `value_not_found` for what can't be chosen.
    """
    field = VALUE_FIELDS[element["type"]]
    if field.is_list:
        items = [] if chosen is None else chosen
        if not isinstance(items, list) or len(items) > element.get("max_selected_items", 1_000):
            raise SlackError("value_not_found")
        return {
            "type": element["type"],
            field.name: [_parse_value(field.kind, element, item, loaded) for item in items],
        }
    is_cleared = chosen is None or chosen == ""
    value = None if is_cleared else _parse_value(field.kind, element, chosen, loaded)
    return {"type": element["type"], field.name: value}


def value_of(state: Json) -> Any:
    """Return the value within an element's state."""
    return state[VALUE_FIELDS[state["type"]].name]


def _parse_value(kind: ValueKind, element: Json, chosen: Any, loaded: Iterable[Json]) -> Any:
    if kind is ValueKind.OPTION:
        return _find_option(element, chosen, loaded)
    if kind is ValueKind.DATE_TIME:
        is_valid = type(chosen) is int and MIN_DATE_TIME <= chosen <= MAX_DATE_TIME
    elif not isinstance(chosen, str) or kind is ValueKind.FILE:
        is_valid = False  # The simulator has no upload into a modal.
    elif kind is ValueKind.DATE:
        is_valid = is_date(chosen)
    elif kind is ValueKind.TIME:
        is_valid = TIME_PATTERN.fullmatch(chosen) is not None
    else:
        is_valid = True
    if not is_valid:
        raise SlackError("value_not_found")
    return _wrap_rich_text(chosen) if kind is ValueKind.RICH_TEXT else chosen


def _find_option(element: Json, chosen: Any, loaded: Iterable[Json]) -> Json:
    initial = [*element.get("initial_options", []), element.get("initial_option", {})]
    options: list[Json] = [*list_options(element), *loaded, *initial]
    for option in options:
        if option.get("value") == chosen:
            return option
    raise SlackError("value_not_found")


def _wrap_rich_text(text: str) -> Json:
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
    return {"type": "rich_text", "elements": [section]}
