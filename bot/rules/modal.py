"""Modal of `/starchat settings`: the rules of a channel as a form."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from bot.rules import texts
from bot.rules.channel_rules import MAX_USERS, ChannelRules, WhoMayAsk
from bot.rules.channels_file import EXPECTATIONS
from bot.rules.submission import ACTION_ID, FormAddress
from contract.job import Streaming
from contract.reply_rules import (
    MAX_PROMPT_CHARACTERS,
    MAX_REPLY_TOKENS,
    MAX_TEMPERATURE,
    MAX_TOP_K,
    MIN_REPLY_TOKENS,
)

View = dict[str, Any]
Block = dict[str, Any]

RULES_CALLBACK_ID: Final = "channel_rules"
OPERATOR: Final = "operator"
"""Value of the option that leaves a choice to the operator."""

WHO_OPTIONS: Final = {
    WhoMayAsk.EVERYONE.value: "Everyone",
    WhoMayAsk.LIST.value: "Only the people below",
    WhoMayAsk.GROUP.value: "Only the user group below",
    WhoMayAsk.NO_ONE.value: "No one",
}
STREAMING_OPTIONS: Final = {
    OPERATOR: "As my operator has set it",
    Streaming.EDITS.value: "They grow while I write",
    Streaming.OFF.value: "They appear when they are complete",
}


def build_modal(
    address: FormAddress,
    rules: ChannelRules,
    *,
    locked: Iterable[str] = (),
    notes: Iterable[str] = (),
    typed: Mapping[str, Any] | None = None,
) -> View:
    """
    Return the form with these rules; `locked` ones are shown below it and cannot be changed.

    `notes` are sentences above the form. `typed` values take the place of the rules' own.
    """
    values = rules.model_dump(mode="json") | dict(typed or {})
    locked = frozenset(locked)
    inputs = [
        _build_input(key, element) for key, element in _build_elements(values) if key not in locked
    ]
    blocks = [texts.context_block(note) for note in notes]
    if locked:
        names = texts.join_labels(locked)
        blocks.append(texts.context_block(f"Set in `channels.toml`: {names}."))
    blocks += inputs
    return {
        "type": "modal",
        "callback_id": RULES_CALLBACK_ID,
        "title": _plain("Rules of this channel"),
        "submit": _plain("Save"),
        "close": _plain("Cancel"),
        "private_metadata": address.to_json(),
        "blocks": blocks,
    }


def build_message_modal(sentence: str) -> View:
    """Return a modal with a sentence and no form."""
    return {
        "type": "modal",
        "title": _plain("Rules of this channel"),
        "close": _plain("Close"),
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": sentence, "verbatim": True}}
        ],
    }


def _build_elements(values: Mapping[str, Any]) -> list[tuple[str, Block]]:
    return [
        ("who", _select(WHO_OPTIONS, values["who"])),
        ("users", _users_select(values["users"])),
        ("group", _text(values["group"], 64)),
        ("prompt", _text(values["prompt"], MAX_PROMPT_CHARACTERS, multiline=True)),
        ("max_new_tokens", _number(values["max_new_tokens"], MIN_REPLY_TOKENS, MAX_REPLY_TOKENS)),
        ("temperature", _number(values["temperature"], 0, MAX_TEMPERATURE, is_decimal=True)),
        ("top_k", _number(values["top_k"], 0, MAX_TOP_K)),
        ("top_p", _number(values["top_p"], 0, 1, is_decimal=True)),
        ("without_mention", _checkbox(values["without_mention"])),
        ("streaming", _select(STREAMING_OPTIONS, values["streaming"] or OPERATOR)),
    ]


def _build_input(key: str, element: Block) -> Block:
    is_choice = element["type"] == "static_select"
    hints = {
        "group": "Its id, such as S0123456789. Reading it needs the scope usergroups:read.",
        "prompt": "It follows my operator's own. I read at most 400 tokens. Anybody may see it.",
    }
    block = {
        "type": "input",
        "block_id": key,
        "label": _plain(texts.FORM_LABELS[key]),
        "element": element,
        "optional": not is_choice,
    }
    hint = hints.get(key) or (
        f"It must be {EXPECTATIONS[key]}." if "number" in element["type"] else ""
    )
    return block | ({"hint": _plain(hint)} if hint else {})


def _select(options: Mapping[str, str], value: str) -> Block:
    choices = {name: _option(name, text) for name, text in options.items()}
    element: Block = {
        "type": "static_select",
        "action_id": ACTION_ID,
        "options": list(choices.values()),
    }
    return element | ({"initial_option": choices[value]} if value in choices else {})


def _users_select(users: Iterable[str]) -> Block:
    # Slack's list has people only; other bots stay in the rules, and need the file to be added.
    initial = [user for user in users if not user.startswith("B")]
    element: Block = {
        "type": "multi_users_select",
        "action_id": ACTION_ID,
        "max_selected_items": MAX_USERS,
    }
    return element | ({"initial_users": initial} if initial else {})


def _text(value: str, max_length: int, *, multiline: bool = False) -> Block:
    element: Block = {
        "type": "plain_text_input",
        "action_id": ACTION_ID,
        "multiline": multiline,
        "max_length": max_length,
    }
    return element | ({"initial_value": value} if value else {})


def _number(value: object, minimum: float, maximum: float, *, is_decimal: bool = False) -> Block:
    element: Block = {
        "type": "number_input",
        "action_id": ACTION_ID,
        "is_decimal_allowed": is_decimal,
        "min_value": f"{minimum:g}",
        "max_value": f"{maximum:g}",
    }
    return element | ({} if value is None else {"initial_value": str(value)})


def _checkbox(value: object) -> Block:
    option = _option("true", "Answer each new message of a person here")
    element: Block = {"type": "checkboxes", "action_id": ACTION_ID, "options": [option]}
    return element | ({"initial_options": [option]} if value else {})


def _option(value: str, text: str) -> Block:
    return {"text": _plain(text), "value": value}


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text}
