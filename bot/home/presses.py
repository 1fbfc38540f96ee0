"""Presses on the Home tab: the choice of a language, and the deletion of the list of questions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.home.view import CLEAR_ACTION_ID, LANGUAGE_ACTION_ID, LANGUAGE_OF_SLACK
from bot.messages.message import read_slack_id
from contract.language import Language


@dataclass(frozen=True, slots=True)
class LanguageChosen:
    """Choice of a user; `None` is the language of the user's Slack."""

    user: str
    language: Language | None


@dataclass(frozen=True, slots=True)
class ListCleared:
    """Press of a user who wants no list of questions."""

    user: str


HomePress = LanguageChosen | ListCleared


def parse_home_press(body: Mapping[str, Any]) -> HomePress | None:
    """Parse a `block_actions` body of the Home tab; `None` if it is malformed."""
    try:
        user = read_slack_id(body["user"]["id"])
        action = body["actions"][0]
        if not user or body["view"]["type"] != "home":
            return None
        match action["action_id"]:
            case name if name == CLEAR_ACTION_ID:
                return ListCleared(user)
            case name if name == LANGUAGE_ACTION_ID:
                value = action["selected_option"]["value"]
                return LanguageChosen(user, None if value == LANGUAGE_OF_SLACK else Language(value))
    except (LookupError, TypeError, ValueError, AttributeError):
        pass
    return None
