"""A checkpoint as the worker sees it, for tests that look into prompts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from worker.dialogue import Dialogue
from worker.tokens import Tokenizer


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's directory, with what the worker makes of it."""

    directory: Path
    tokenizer: Tokenizer
    dialogue: Dialogue

    def apart(self, ids: tuple[int, ...]) -> list[int | str]:
        """Return the control ids of a prompt and, between them, what the plain runs say."""
        controls = {control.id for control in self.tokenizer.controls.values()}
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
    def load(cls, directory: Path) -> Self:
        """Load what the worker needs of a checkpoint."""
        tokenizer = Tokenizer.load(directory)
        return cls(directory, tokenizer, Dialogue.load(directory, tokenizer))
