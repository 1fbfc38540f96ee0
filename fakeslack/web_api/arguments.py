"""Arguments of a Web API call, decoded the same way from JSON and from forms."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fakeslack.errors import Json, SlackError

MAX_LIMIT = 1_000
FALSE_VALUES = {"", "0", "false", "False", "no", "none", "None", "null"}


class Arguments:
    """Arguments of one call; a form sends every value as text, lists and objects as JSON."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = {name: value for name, value in values.items() if value is not None}

    def has_value(self, name: str) -> bool:
        """Whether the caller gave a value that is not empty."""
        return bool(self.values.get(name, "") != "")

    def get_text(self, name: str, default: str = "") -> str:
        """Return an argument as text."""
        value = self.values.get(name, default)
        return value if isinstance(value, str) else json.dumps(value)

    def require_text(self, name: str) -> str:
        """Return an argument as text. Raises `invalid_arguments` if it is missing."""
        if not self.has_value(name):
            raise missing_argument(name)
        return self.get_text(name)

    def get_flag(self, name: str, *, default: bool = False) -> bool:
        """Return an argument as a boolean."""
        value = self.values.get(name)
        if value is None:
            return default
        return value not in FALSE_VALUES if isinstance(value, str) else bool(value)

    def get_number(self, name: str, default: int, error: str = "invalid_arguments") -> int:
        """Return an argument as an integer. Raises `error` if it is none."""
        try:
            return int(self.values[name]) if self.has_value(name) else default
        except (TypeError, ValueError):
            raise SlackError(error) from None

    def get_list(self, name: str, error: str = "invalid_arguments") -> list[Any]:
        """Return a list, given as a list or as JSON. Raises `error` if it is none."""
        value = self._parse_json(name, error)
        if value is None:
            return []
        if not isinstance(value, list):
            raise SlackError(error)
        return value

    def get_object(self, name: str, error: str = "invalid_arguments") -> Json:
        """Return an object, given as an object or as JSON. Raises `error` if it is none."""
        value = self._parse_json(name, error)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise SlackError(error)
        return value

    def _parse_json(self, name: str, error: str) -> Any:
        value = self.values.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise SlackError(error) from None


def parse_limit(args: Arguments, default: int) -> int:
    """Return the size of a page. Raises `invalid_limit` if it is below 1."""
    limit = args.get_number("limit", default, "invalid_limit")
    if limit < 1:
        raise SlackError("invalid_limit")
    return min(limit, MAX_LIMIT)


def build_page(args: Arguments, name: str, items: Sequence[Any], default_limit: int) -> Json:
    """Return a page of items under `name`. Raises `invalid_cursor` if the cursor leads nowhere."""
    start, limit = args.get_number("cursor", 0, "invalid_cursor"), parse_limit(args, default_limit)
    if start and not 0 < start < len(items):
        raise SlackError("invalid_cursor")
    end = start + limit
    next_cursor = str(end) if end < len(items) else ""
    return {name: list(items[start:end]), "response_metadata": {"next_cursor": next_cursor}}


def missing_argument(name: str) -> SlackError:
    """Return the error for a call without a required argument."""
    return SlackError("invalid_arguments", f"[ERROR] missing required field: {name}")
