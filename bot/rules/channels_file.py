"""
Channels file: rules that an operator keeps in a file, as infrastructure as code.

It is read whole at the start. Each key that it sets overrides and locks the same rule in Slack.
"""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from re import fullmatch
from typing import Any, Final

from pydantic import ValidationError

from bot.rules.channel_rules import CHANNEL_PATTERN, MAX_USERS, ChannelRules
from contract.language import Language
from contract.reply_rules import (
    MAX_CANDIDATES,
    MAX_PROMPT_CHARACTERS,
    MAX_REPLY_TOKENS,
    MAX_TEMPERATURE,
    MAX_TOP_K,
    MIN_REPLY_TOKENS,
)
from contract.settings import SettingsError

VARIABLE: Final = "STARCHAT_CHANNELS_FILE"
MAX_FILE_BYTES: Final = 1024 * 1024
MAX_SHOWN_CHARACTERS: Final = 60
"""An error line repeats at most this much of a wrong value."""

EXPECTATIONS: Final[Mapping[str, str]] = {
    "who": "everyone, list (with users), group (with a group) or none",
    "users": f"a list of 1 to {MAX_USERS} ids of Slack users",
    "group": "the id of a user group, which starts with S",
    "prompt": f"text of at most {MAX_PROMPT_CHARACTERS} characters without control characters",
    "max_new_tokens": f"a whole number from {MIN_REPLY_TOKENS} to {MAX_REPLY_TOKENS}",
    "temperature": f"a number from 0 to {MAX_TEMPERATURE:g}",
    "top_k": f"a whole number from 0 to {MAX_TOP_K}",
    "top_p": "a number above 0 and at most 1",
    "candidates": f"a whole number from 1 to {MAX_CANDIDATES}",
    "without_mention": "true or false",
    "streaming": "edits or off",
    "language": " or ".join(Language),
    "asked_before": "true or false",
}
"""Each rule with what its value must be."""

ChannelsFile = Mapping[str, ChannelRules]
"""Rules by channel; `set_keys` of each are the locked ones."""


def load_channels_file(path: str) -> ChannelsFile:
    """
    Load a channels file; empty for an empty path.

    Raises `SettingsError` with one line: file, key, value and expectation.
    """
    if not path:
        return {}
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{VARIABLE} must name a readable file ({error.strerror})") from None
    if len(content) > MAX_FILE_BYTES:
        raise SettingsError(f"{VARIABLE} must name a file of at most {MAX_FILE_BYTES} bytes")
    return parse_channels(content, Path(path).name)


def parse_channels(content: bytes, name: str) -> ChannelsFile:
    """Parse a channels file, which errors call `name`. Raises `SettingsError`."""
    try:
        document = tomllib.loads(content.decode())
    except UnicodeDecodeError:
        raise SettingsError(f"{name}: must be UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"{name}: must be TOML ({_shorten(str(error))})") from None
    for key in document:
        if key != "channels":
            raise SettingsError(f"{name}: {_shorten(key)} must be a table named channels.ID")
    channels = document.get("channels", {})
    if not isinstance(channels, dict):
        raise SettingsError(f"{name}: channels must be tables named channels.ID")
    return {channel: _parse_rules(name, channel, raw) for channel, raw in channels.items()}


def _parse_rules(name: str, channel: str, raw: Any) -> ChannelRules:
    where = f"{name}: channels.{_shorten(channel)}"
    if not fullmatch(CHANNEL_PATTERN, channel):
        raise SettingsError(f"{where} must be the id of a channel, which starts with C or G")
    if not isinstance(raw, dict):
        raise SettingsError(f"{where} must be a table of rules, not {_show_value(raw)}")
    unknown = next((key for key in raw if key not in EXPECTATIONS), None)
    if unknown is not None:
        known = ", ".join(EXPECTATIONS)
        raise SettingsError(f"{where}.{_shorten(unknown)} must be one of {known}")
    try:
        # As JSON, where a list may be a tuple. A date of TOML becomes a string.
        return ChannelRules.model_validate_json(json.dumps(raw, default=str), strict=True)
    except ValidationError as error:
        location = error.errors()[0]["loc"]
    key = str(location[0]) if location else "who"
    # A prompt is no secret, but long; no log repeats it.
    value = "the given one" if key == "prompt" else _show_value(raw.get(key))
    raise SettingsError(f"{where}.{key} must be {EXPECTATIONS[key]}, not {value}")


def _show_value(value: Any) -> str:
    return f"'{_shorten(str(value))}'"


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_SHOWN_CHARACTERS else f"{line[:MAX_SHOWN_CHARACTERS]}…"
