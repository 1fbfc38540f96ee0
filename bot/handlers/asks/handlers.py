"""Ways in besides messages: the shortcut, private questions, and suggested prompts."""

from dataclasses import dataclass

from bot.handlers.asks.private_asks import PrivateAsks
from bot.handlers.asks.shortcut import ShortcutHandler
from bot.handlers.presence.prompts import SuggestedPrompts


@dataclass(frozen=True, slots=True)
class AskHandlers:
    """One handler for each way."""

    shortcut: ShortcutHandler
    private: PrivateAsks
    prompts: SuggestedPrompts
