"""Modal of `/starchat settings`: the rules of a channel as a form."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bot.rules import texts
from bot.rules.channel_rules import MAX_USERS, ChannelRules, WhoMayAsk
from bot.rules.submission import ACTION_ID, UNSET, FormAddress
from contract.job import Streaming
from contract.language import LANGUAGE_NAMES, Language, Phrase, Translatable
from contract.reply_rules import (
    MAX_CANDIDATES,
    MAX_PROMPT_CHARACTERS,
    MAX_PROMPT_TOKENS,
    MAX_REPLY_TOKENS,
    MAX_TEMPERATURE,
    MAX_TOP_K,
    MIN_REPLY_TOKENS,
)

View = dict[str, Any]
Block = dict[str, Any]

RULES_CALLBACK_ID: Final = "channel_rules"

WHO_OPTIONS: Final = {
    WhoMayAsk.EVERYONE.value: Phrase("Everyone"),
    WhoMayAsk.LIST.value: Phrase("Only the people below"),
    WhoMayAsk.GROUP.value: Phrase("Only the user group below"),
    WhoMayAsk.NO_ONE.value: Phrase("No one"),
}
STREAMING_OPTIONS: Final = {
    UNSET: Phrase("As my operator has set it"),
    Streaming.EDITS.value: Phrase("They grow while I write"),
    Streaming.OFF.value: Phrase("They appear when they are complete"),
}
LANGUAGE_OPTIONS: Final[Mapping[str, Translatable | str]] = {
    UNSET: Phrase("The language of each person who asks"),
    **{language.value: name for language, name in LANGUAGE_NAMES.items()},
}
EACH_MESSAGE: Final = Phrase("Answer each new message of a person here")
LINK_FIRST: Final = Phrase("Link to the answer of a like question first")
TITLE: Final = Phrase("Rules of this channel")
HINTS: Final = {
    "group": Phrase("Its id, such as S0123456789. Reading it needs the scope usergroups:read."),
    "prompt": Phrase(
        "It follows my operator's own. I read at most {count} tokens. Anybody may see it.",
        count=MAX_PROMPT_TOKENS,
    ),
    "asked_before": Phrase(
        "Only to answers that colleagues marked ✓: of this channel, and of public ones with this "
        "rule."
    ),
}


def build_modal(
    address: FormAddress,
    rules: ChannelRules,
    *,
    language: Language,
    locked: Iterable[str] = (),
    notes: Iterable[Translatable] = (),
    typed: Mapping[str, Any] | None = None,
) -> View:
    """
    Return the form with these rules; `locked` ones are shown below it and cannot be changed.

    `notes` are sentences above the form. `typed` values take the place of the rules' own.
    """
    values = rules.model_dump(mode="json") | dict(typed or {})
    return _FormBuilder(language).build_form(address, values, frozenset(locked), notes)


def build_message_modal(sentence: Translatable, language: Language) -> View:
    """Return a modal with a sentence and no form."""
    text = sentence.translate(language)
    return {
        "type": "modal",
        "title": _plain(TITLE, language),
        "close": _plain(Phrase("Close"), language),
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}],
    }


@dataclass(frozen=True, slots=True)
class _FormBuilder:
    """Builder of one form in the language of the person who sees it."""

    language: Language

    def build_form(
        self,
        address: FormAddress,
        values: Mapping[str, Any],
        locked: frozenset[str],
        notes: Iterable[Translatable],
    ) -> View:
        blocks = [texts.context_block(note.translate(self.language)) for note in notes]
        if locked:
            names = texts.join_labels(locked)
            line = Phrase("Set in `channels.toml`: {names}.", names=names)
            blocks.append(texts.context_block(line.translate(self.language)))
        blocks += [
            self._build_input(key, element)
            for key, element in self._build_elements(values)
            if key not in locked
        ]
        return {
            "type": "modal",
            "callback_id": RULES_CALLBACK_ID,
            "title": _plain(TITLE, self.language),
            "submit": _plain(Phrase("Save"), self.language),
            "close": _plain(Phrase("Cancel"), self.language),
            "private_metadata": address.to_json(),
            "blocks": blocks,
        }

    def _build_elements(self, values: Mapping[str, Any]) -> list[tuple[str, Block]]:
        shortest, longest = MIN_REPLY_TOKENS, MAX_REPLY_TOKENS
        return [
            ("who", self._select(WHO_OPTIONS, values["who"])),
            ("users", _users_select(values["users"])),
            ("group", _text(values["group"], 64)),
            ("prompt", _text(values["prompt"], MAX_PROMPT_CHARACTERS, multiline=True)),
            ("max_new_tokens", _number(values["max_new_tokens"], shortest, longest)),
            ("temperature", _number(values["temperature"], 0, MAX_TEMPERATURE, is_decimal=True)),
            ("top_k", _number(values["top_k"], 0, MAX_TOP_K)),
            ("top_p", _number(values["top_p"], 0, 1, is_decimal=True)),
            ("candidates", _number(values.get("candidates"), 1, MAX_CANDIDATES)),
            ("without_mention", self._checkbox(EACH_MESSAGE, values["without_mention"])),
            ("streaming", self._select(STREAMING_OPTIONS, values["streaming"] or UNSET)),
            ("language", self._select(LANGUAGE_OPTIONS, values["language"] or UNSET)),
            ("asked_before", self._checkbox(LINK_FIRST, values.get("asked_before"))),
        ]

    def _build_input(self, key: str, element: Block) -> Block:
        hint = HINTS.get(key)
        if "number" in element["type"]:
            hint = texts.FORM_EXPECTATIONS[key]
        block = {
            "type": "input",
            "block_id": key,
            "label": _plain(texts.FORM_LABELS[key], self.language),
            "element": element,
            "optional": element["type"] != "static_select",
        }
        return block | ({"hint": _plain(hint, self.language)} if hint else {})

    def _select(self, options: Mapping[str, Translatable | str], value: str) -> Block:
        choices = {name: self._option(name, words) for name, words in options.items()}
        element: Block = {
            "type": "static_select",
            "action_id": ACTION_ID,
            "options": list(choices.values()),
        }
        return element | ({"initial_option": choices[value]} if value in choices else {})

    def _checkbox(self, words: Translatable, value: object) -> Block:
        option = self._option("true", words)
        element: Block = {"type": "checkboxes", "action_id": ACTION_ID, "options": [option]}
        return element | ({"initial_options": [option]} if value else {})

    def _option(self, value: str, words: Translatable | str) -> Block:
        return {"text": _plain(words, self.language), "value": value}


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
    return element | ({} if value is None else {"initial_value": _write_number(value)})


def _write_number(value: object) -> str:
    """Return a number in digits: Slack names no exponents, and might refuse the form."""
    if isinstance(value, float) and abs(value) < 1:
        return f"{value:.10f}".rstrip("0").rstrip(".")
    return str(value)


def _plain(words: Translatable | str, language: Language) -> Block:
    text = words if isinstance(words, str) else words.translate(language)
    return {"type": "plain_text", "text": text}
