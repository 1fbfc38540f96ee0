"""Submission of the modal: what a person has typed, and what is wrong with it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from re import fullmatch
from typing import Any, Final, NamedTuple, Self

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bot.rules.channel_rules import CHANNEL_PATTERN, ChannelRules, WhoMayAsk
from bot.rules.channels_file import EXPECTATIONS
from bot.rules.texts import FORM_EXPECTATIONS, SECRET_IN_PROMPT
from contract.job import SLACK_ID_PATTERN
from contract.language import Translatable
from contract.masking import mask_secrets

UNSET: Final = "unset"
"""Value of the option that leaves a choice to the operator, or to the person who asks."""
FORMER_UNSET: Final = "operator"
"""The same in forms of earlier versions, which may still be open."""
ACTION_ID: Final = "value"
"""`action_id` of each input; the block's id is the name of the rule."""
MAX_METADATA_CHARACTERS: Final = 3_000
MAX_VALUE_CHARACTERS: Final = 4_000
MAX_VERSION: Final = 2**31
WHOLE_NUMBERS: Final = frozenset({"max_new_tokens", "top_k", "candidates"})
NUMBERS: Final = WHOLE_NUMBERS | {"temperature", "top_p"}

Json = Mapping[str, Any]


class BadSubmissionError(ValueError):
    """The payload is not one of a form that this bot has opened. Quotes nothing."""


@dataclass(frozen=True, slots=True)
class FormAddress:
    """Channel of a form, and the version of the rules that it shows."""

    channel: str
    version: int

    def to_json(self) -> str:
        """Serialize the address for `private_metadata`."""
        return json.dumps([self.channel, self.version])

    @classmethod
    def from_json(cls, text: object) -> Self:
        """Parse what `to_json` returned. Raises `BadSubmissionError`."""
        if not isinstance(text, str) or len(text) > MAX_METADATA_CHARACTERS:
            raise BadSubmissionError
        try:
            channel, version = json.loads(text)
        except (ValueError, TypeError, RecursionError):
            raise BadSubmissionError from None
        is_channel = isinstance(channel, str) and fullmatch(CHANNEL_PATTERN, channel)
        if not is_channel or type(version) is not int or not 0 <= version < MAX_VERSION:
            raise BadSubmissionError
        return cls(channel, version)


class Submission(NamedTuple):
    """Submitted form of `user`; `typed` has the values of the rules that it shows."""

    address: FormAddress
    user: str
    view_id: str
    typed: dict[str, Any]

    @property
    def request_id(self) -> str:
        """Identity of this press, which each delivery and a second press have in common."""
        return f"{self.view_id}:{self.address.version}"


def parse_submission(body: Json) -> Submission:
    """Parse a `view_submission` body. Raises `BadSubmissionError`."""
    try:
        view, user = body["view"], str(body["user"]["id"])
        values = view["state"]["values"]
        view_id = str(view["id"])
        typed = {
            key: _read_value(key, values[key][ACTION_ID]) for key in EXPECTATIONS if key in values
        }
    except (LookupError, TypeError, AttributeError, ValueError):
        raise BadSubmissionError from None
    if not fullmatch(SLACK_ID_PATTERN, user) or not fullmatch(SLACK_ID_PATTERN, view_id):
        raise BadSubmissionError
    return Submission(FormAddress.from_json(view.get("private_metadata")), user, view_id, typed)


def apply_typed_values(
    stored: ChannelRules, typed: Mapping[str, Any], file: ChannelRules | None = None
) -> tuple[ChannelRules | None, dict[str, Translatable]]:
    """
    Return the stored rules with what was typed, or else a sentence for each wrong input.

    Bots in the list of users stay: Slack's form cannot show them. The choice of who may ask takes
    the people or the group that it needs from the channels file, if that locks them.
    """
    prompt = str(typed.get("prompt") or "")
    if mask_secrets(prompt) != prompt:
        return None, {"prompt": SECRET_IN_PROMPT}
    values = stored.model_dump(mode="json") | dict(typed)
    if "users" in typed:
        bots = [user for user in stored.users if user.startswith("B")]
        values["users"] = [*typed["users"], *(bot for bot in bots if bot not in typed["users"])]
    needed = {WhoMayAsk.LIST.value: "users", WhoMayAsk.GROUP.value: "group"}.get(values["who"])
    if needed and file is not None and needed in file.set_keys and not values[needed]:
        # The stored rules must be whole without the file.
        values[needed] = file.model_dump(mode="json")[needed]
    try:
        return ChannelRules.model_validate_json(json.dumps(values), strict=True), {}
    except ValidationError as error:
        wrong = {_find_wrong(details, values) for details in error.errors()}
    # An input that the operator has locked is not in the form.
    shown = {key if key in typed else "who" for key in wrong}
    return None, {key: words for key, words in FORM_EXPECTATIONS.items() if key in shown}


def _find_wrong(details: ErrorDetails, values: Mapping[str, Any]) -> str:
    """Return the rule that an error is about."""
    if details["type"] == "json_invalid":
        # Half a character, which only text can hold.
        return "prompt"
    if details["loc"]:
        return str(details["loc"][0])
    # The choice of who may ask needs another rule.
    return "users" if values["who"] == WhoMayAsk.LIST.value else "group"


def _read_value(key: str, state: Json) -> Any:
    match key:
        case "who" | "streaming" | "language":
            option = state["selected_option"]
            value = None if option is None else str(option["value"])
            return None if key != "who" and value in {UNSET, FORMER_UNSET} else value
        case "users":
            return [str(user) for user in state["selected_users"] or ()]
        case "without_mention" | "asked_before":
            return bool(state["selected_options"])
    value = state["value"]
    text = "" if value is None else str(value)
    if len(text) > MAX_VALUE_CHARACTERS:
        raise ValueError("too long")
    text = text.strip() if key != "prompt" else text
    if key in NUMBERS:
        return _read_number(key, text)
    return text


def _read_number(key: str, text: str) -> float | int | str | None:
    """Return a number; the text itself if it is none, which the rules refuse."""
    if not text:
        return None
    try:
        return int(text) if key in WHOLE_NUMBERS else float(text)
    except ValueError:
        return text
