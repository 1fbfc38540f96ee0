"""Fields of Slack's JSON objects, read without trust in their types."""

from collections.abc import Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]


def list_mappings(raw: Json, name: str) -> Sequence[Json]:
    """Return the objects in a list field; a field that is no list has none."""
    found = raw.get(name)
    entries = found if isinstance(found, list) else []
    return [entry for entry in entries if isinstance(entry, Mapping)]


def get_mapping(raw: Json, name: str) -> Json:
    """Return the object in a field; an empty one if the field holds none."""
    found = raw.get(name)
    return found if isinstance(found, Mapping) else {}


def get_text(raw: Json, name: str) -> str:
    """Return the text or number in a field as text; empty for any other value."""
    found = raw.get(name)
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return str(found) if isinstance(found, str) or is_number else ""


def read_sender(body: Json) -> str:
    """Return the user of a payload that may be malformed otherwise; empty if it names none."""
    return get_text(get_mapping(body, "user"), "id")
