"""Handlers of questions for which the bot posts the message."""

from dataclasses import dataclass

from bot.handlers.asks.private_asks import PrivateAsks
from bot.handlers.asks.shortcut import ShortcutHandler


@dataclass(frozen=True, slots=True)
class AskHandlers:
    """The message shortcut, and private questions."""

    shortcut: ShortcutHandler
    private: PrivateAsks
