"""transformers' `generate`: one request at a time as its pipeline does, or padded batches."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from bench.engine.load_generator import Peer
from bench.engine.workload import Wish


class Generate:
    """Takes up to `together` of those who wait, and looks up again when all have their replies."""

    streams = False

    def __init__(self, directory: Path, together: int) -> None:
        torch.set_num_threads(1)
        self._model: Any = AutoModelForCausalLM.from_pretrained(directory)
        self._together = together
        self._waiting: deque[Wish] = deque()

    @property
    def busy(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waiting)

    def add(self, wish: Wish) -> None:
        """Let a request wait."""
        self._waiting.append(wish)

    def step(self) -> Sequence[tuple[str, int]]:
        """Generate one batch, padded on the left, until its longest reply has its length."""
        asked = [self._waiting.popleft() for _ in range(min(self._together, len(self._waiting)))]
        width = max(len(wish.prompt) for wish in asked)
        pads = [width - len(wish.prompt) for wish in asked]
        ids = [[0] * pad + list(wish.prompt) for pad, wish in zip(pads, asked, strict=True)]
        seen = [[0] * pad + [1] * (width - pad) for pad in pads]
        longest = max(wish.new for wish in asked)
        found = self._model.generate(
            torch.tensor(ids),
            attention_mask=torch.tensor(seen),
            max_new_tokens=longest,
            min_new_tokens=longest,
            do_sample=False,
            pad_token_id=0,
        )
        rows = found[:, width:].tolist()
        return [
            (wish.name, token)
            for wish, row in zip(asked, rows, strict=True)
            for token in row[: wish.new]
        ]

    def close(self) -> None:
        """Do nothing: no thread and no process is left."""


def load_pipeline(directory: Path, _slots: int) -> Peer:
    """Load a checkpoint to be asked one request at a time, as the seed's pipeline was."""
    return Generate(directory, 1)


def load_static(directory: Path, slots: int) -> Peer:
    """Load a checkpoint to be asked in padded batches."""
    return Generate(directory, slots)
