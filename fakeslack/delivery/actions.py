"""Actions of `block_actions` payloads: the entry of each element that a person uses. Pure."""

from fakeslack.block_kit.element_values import VALUE_FIELDS
from fakeslack.errors import Json, SlackError

PRESSED_FIELDS = ("text", "value", "style", "url", "icon", "confirm")
CHOSEN_FIELDS = ("placeholder", "min_query_length", "confirm")


def build_press(element: Json, block_id: str, value: str | None, action_ts: str) -> Json:
    """
    Return the entry of a pressed button, or of an overflow menu's chosen option.

    Raises `value_not_found` for an unknown value.
    """
    entry = _build_entry(element, block_id, action_ts)
    if element["type"] == "feedback_buttons":
        buttons = [element["positive_button"], element["negative_button"]]
        button = _find_by_value(buttons, value)
        return entry | {"text": button["text"], "value": value}
    if element["type"] == "overflow":
        option = _find_by_value(element["options"], value)
        return entry | {"selected_option": option} | _pick_fields(element, ("confirm",))
    entry |= _pick_fields(element, PRESSED_FIELDS)
    return entry if value is None else entry | {"value": value}


def build_choice(element: Json, block_id: str, state: Json, action_ts: str) -> Json:
    """Return the entry of a stateful element: its new state, and how it was shown at first."""
    initial = VALUE_FIELDS[element["type"]].initial
    names = (initial, *CHOSEN_FIELDS)
    return _build_entry(element, block_id, action_ts) | state | _pick_fields(element, names)


def _build_entry(element: Json, block_id: str, action_ts: str) -> Json:
    return {
        "type": element["type"],
        "action_id": element["action_id"],
        "block_id": block_id,
        "action_ts": action_ts,
    }


def _find_by_value(items: list[Json], value: str | None) -> Json:
    for item in items:
        if item["value"] == value:
            return item
    raise SlackError("value_not_found")


def _pick_fields(element: Json, names: tuple[str, ...]) -> Json:
    return {name: element[name] for name in names if name in element}
