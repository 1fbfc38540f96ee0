"""What stands around the texts of a conversation: StarChat's own form, as its card gives it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from contract.conversation import Speaker


class Message(NamedTuple):
    """One side's words between two of the other side's, as the model was trained to see them."""

    speaker: Speaker
    text: str


@dataclass(frozen=True, slots=True)
class LiteralText:
    """Text of people, of the model or of the operator: plain, whatever it spells."""

    text: str


PromptPiece = str | LiteralText
"""A stretch of a prompt. In a `str` the scaffold speaks: control tokens count there only."""


class ChatFormat(Protocol):
    """Lays out messages that alternate and end with a person's, ready for the reply to follow."""

    def __call__(self, messages: Sequence[Message], system: str) -> list[PromptPiece]:
        """Return the pieces of the prompt in order."""
        ...


STARCHAT_CONTROLS: Final = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
"""The control tokens that StarChat's form is made of."""


def starchat_format(messages: Sequence[Message], system: str) -> list[PromptPiece]:
    """
    Lay out messages as StarChat's card does: the system turn stands first even when it is empty.

    The card shows one turn; further turns take the same form, each closed with `<|end|>` and a
    line break. Nothing follows the last `<|assistant|>`: the model writes the line break itself.
    So a reply as it was generated begins with the form's line break, which must not stand twice.
    """
    pieces: list[PromptPiece] = ["<|system|>\n", LiteralText(system), "<|end|>\n"]
    for speaker, text in messages:
        content = text.removeprefix("\n") if speaker is Speaker.ASSISTANT else text
        pieces += [f"<|{speaker}|>\n", LiteralText(content), "<|end|>\n"]
    return [*pieces, "<|assistant|>"]
