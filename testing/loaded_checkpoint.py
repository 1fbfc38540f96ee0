"""Loaded checkpoint: tokenizer and chat encoder as the worker builds them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import tokenizers

from worker.prompt.chat_encoder import ChatEncoder
from worker.prompt.tokenizer import Tokenizer


@dataclass(frozen=True)
class LoadedCheckpoint:
    """A checkpoint's directory, tokenizer and chat encoder."""

    directory: Path
    tokenizer: Tokenizer
    encoder: ChatEncoder
    raw_tokenizer: tokenizers.Tokenizer = field(repr=False)
    """The unrestricted tokenizer, which encodes control tokens in any text."""

    def split_controls(self, ids: tuple[int, ...]) -> list[int | str]:
        """Return the control ids of a prompt and the decoded texts between them."""
        controls = {control.id for control in self.tokenizer.control_tokens.values()}
        found: list[int | str] = []
        run: list[int] = []
        for token in ids:
            if token in controls:
                found += [self.tokenizer.decode(run), token]
                run = []
            else:
                run.append(token)
        return [part for part in (*found, self.tokenizer.decode(run)) if part != ""]

    @classmethod
    def load_directory(cls, directory: Path) -> Self:
        """Load tokenizer and chat encoder from a checkpoint's directory."""
        tokenizer = Tokenizer.from_checkpoint(directory)
        dialogue = ChatEncoder.from_checkpoint(directory, tokenizer)
        opened = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
        return cls(directory, tokenizer, dialogue, opened)

    def describe_part(self, part: int | str) -> str:
        """Return a part of `split_controls` as text: a control id by its token."""
        if isinstance(part, str):
            return part
        return next(
            text for text, found in self.tokenizer.control_tokens.items() if found.id == part
        )
