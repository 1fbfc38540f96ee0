"""StarChat's chat format, as documented in its model card."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from contract.conversation import Speaker


class Message(NamedTuple):
    """Consecutive turns of one side, merged into one message as in the model's training data."""

    speaker: Speaker
    text: str


@dataclass(frozen=True, slots=True)
class LiteralText:
    """Text of a user, the model or the operator: plain text even if it spells a token."""

    text: str


PromptPiece = str | LiteralText
"""A stretch of a prompt: a `str` is written by the chat format and may hold control tokens."""


class ChatFormat(Protocol):
    """Lays out messages that alternate and end with a user's, so that the reply can follow."""

    def __call__(self, messages: Sequence[Message], system: str) -> list[PromptPiece]:
        """Return the pieces of the prompt in order."""
        ...


STARCHAT_CONTROLS: Final = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
"""Control tokens of StarChat's chat format."""


def starchat_format(messages: Sequence[Message], system: str) -> list[PromptPiece]:
    """
    Lay out messages as in StarChat's model card: the system turn comes first even if it is empty.

    The card shows one turn; further turns have the same form, each closed with `<|end|>` and a line
    break. Nothing follows the last `<|assistant|>`: the model writes the line break itself. So a
    generated reply starts with the format's line break, which must not be repeated.
    """
    pieces: list[PromptPiece] = ["<|system|>\n", LiteralText(system), "<|end|>\n"]
    for speaker, text in messages:
        content = text.removeprefix("\n") if speaker is Speaker.ASSISTANT else text
        pieces += [f"<|{speaker}|>\n", LiteralText(content), "<|end|>\n"]
    return [*pieces, "<|assistant|>"]
