"""Versioned rules: the rules of a channel as stored, with the number of their changes."""

from typing import NamedTuple

from pydantic import ValidationError

from bot.rules.channel_rules import ChannelRules


class RulesUnreadableError(Exception):
    """The stored rules of a channel are malformed, or of a newer version: no one may ask."""


class VersionedRules(NamedTuple):
    """Rules of a channel; version 0 is that of a channel which never had any."""

    rules: ChannelRules
    version: int = 0


def parse_rules(text: str | bytes) -> ChannelRules:
    """Parse stored rules. Raises `RulesUnreadableError`, which quotes nothing."""
    try:
        return ChannelRules.model_validate_json(text)
    except ValidationError:
        raise RulesUnreadableError from None
