"""A checkpoint as the worker sees it, for tests that look into prompts."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import tokenizers

from worker.prompt.chat_encoder import ChatEncoder
from worker.prompt.tokenizer import Tokenizer


@dataclass(frozen=True)
class LoadedCheckpoint:
    """A checkpoint's directory, with what the worker makes of it."""

    directory: Path
    tokenizer: Tokenizer
    encoder: ChatEncoder
    raw_tokenizer: tokenizers.Tokenizer = field(repr=False)
    """The tokenizer as it comes, which takes any text's control tokens for real."""

    def split_controls(self, ids: tuple[int, ...]) -> list[int | str]:
        """Return the control ids of a prompt and, between them, what the plain runs say."""
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
        """Load what the worker needs of a checkpoint."""
        tokenizer = Tokenizer.from_checkpoint(directory)
        dialogue = ChatEncoder.from_checkpoint(directory, tokenizer)
        opened = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
        return cls(directory, tokenizer, dialogue, opened)

    def describe_part(self, part: int | str) -> str:
        """Return what `apart` took apart as text: a control id by its token's text."""
        if isinstance(part, str):
            return part
        return next(
            text for text, found in self.tokenizer.control_tokens.items() if found.id == part
        )
