"""What a reply becomes: messages and snippet files in posting order, and the facts they state."""

from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]

MAX_FALLBACK_UNITS: Final = 3_000
"""Longest fallback text; Slack's edits fail from 4,000 on."""
MAX_MESSAGE_WEIGHT: Final = 9_500
"""Weight of the words in one message; with our own lines it stays below Slack's unstated limit."""
MAX_INLINE_CODE_UNITS: Final = 9_000
"""Code longer than this becomes a snippet file of its own."""
MAX_MESSAGES: Final = 4
"""A reply that needs more messages than this ends in a file."""
ELEMENT_WEIGHT: Final = 30
"""What one element weighs beside its words: Slack counts the containers too."""


@dataclass(frozen=True, slots=True)
class Message:
    """
    One message for `chat.postMessage` or `chat.update`.

    Words of the model stand in `rich_text` blocks, words of ours in `context` blocks. `text` is the
    plain fallback for notifications and screen readers: nothing in it pings, links or formats.
    """

    text: str
    blocks: list[Json]


@dataclass(frozen=True, slots=True)
class Snippet:
    """A file for the thread; `snippet_type` is Slack's name for the language."""

    filename: str
    snippet_type: str
    content: str
    title: str


Part = Message | Snippet


@dataclass(frozen=True, slots=True)
class ReplyFacts:
    """
    What the reply says about itself, and what decides which addresses may be links.

    `reason` is why the model stopped: a value of `worker.engine.FinishReason`. `known` are the
    texts of the conversation's turns: only an address that stands in one of them becomes a link,
    so an address that the model made up must not come back in here as a turn of its own.
    `dropped` counts the turns that did not fit the model's window.
    """

    model: str
    finish_reason: str
    max_new_tokens: int
    conversation_texts: tuple[str, ...] = ()
    dropped_turns: int = 0


def utf16_length(text: str) -> int:
    """Return the length as Slack's clients count it: in UTF-16 units."""
    return len(text.encode("utf-16-le", "replace")) // 2
