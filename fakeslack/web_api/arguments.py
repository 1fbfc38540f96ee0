"""The arguments of a call as the methods read them, however they were sent."""

import json
from collections.abc import Mapping
from typing import Any

from fakeslack.errors import Json, SlackError

FALSE = {"", "0", "false", "False", "no", "none", "None", "null"}


class Arguments:
    """What the caller gave; a form sends everything as text, and lists and objects as JSON."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = {name: value for name, value in given.items() if value is not None}

    def has(self, name: str) -> bool:
        """Whether the caller gave anything under this name."""
        return bool(self.given.get(name, "") != "")

    def text(self, name: str, default: str = "") -> str:
        """Return an argument as text."""
        value = self.given.get(name, default)
        return value if isinstance(value, str) else json.dumps(value)

    def required(self, name: str) -> str:
        """Return an argument as text; raises `invalid_arguments` where it is missing."""
        if not self.has(name):
            raise missing(name)
        return self.text(name)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return an argument as yes or no."""
        value = self.given.get(name)
        if value is None:
            return default
        return value not in FALSE if isinstance(value, str) else bool(value)

    def number(self, name: str, default: int, error: str = "invalid_arguments") -> int:
        """Return an argument as a whole number; raises `error` where it is none."""
        try:
            return int(self.given[name]) if self.has(name) else default
        except (TypeError, ValueError):
            raise SlackError(error) from None

    def items(self, name: str, error: str = "invalid_arguments") -> list[Any]:
        """Return a list, sent as a list or as JSON; raises `error` where it is none."""
        value = self._parsed(name, error)
        if value is None:
            return []
        if not isinstance(value, list):
            raise SlackError(error)
        return value

    def fields(self, name: str, error: str = "invalid_arguments") -> Json:
        """Return an object, sent as an object or as JSON; raises `error` where it is none."""
        value = self._parsed(name, error)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise SlackError(error)
        return value

    def _parsed(self, name: str, error: str) -> Any:
        value = self.given.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise SlackError(error) from None


def missing(name: str) -> SlackError:
    """Return the refusal of a call without a required argument."""
    return SlackError("invalid_arguments", f"[ERROR] missing required field: {name}")
