"""transformers' `generate`: one request at a time as its pipeline does, or padded batches."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from bench.engine.load_generator import BenchmarkEngine
from bench.engine.workload import RequestSpec


class GenerateEngine:
    """Takes up to `together` of those who wait, and looks up again when all have their replies."""

    streams_tokens = False

    def __init__(self, directory: Path, batch_size: int) -> None:
        torch.set_num_threads(1)
        self._model: Any = AutoModelForCausalLM.from_pretrained(directory)
        self._batch_size = batch_size
        self._waiting: deque[RequestSpec] = deque()

    @property
    def has_work(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waiting)

    def add_request(self, request: RequestSpec) -> None:
        """Let a request wait."""
        self._waiting.append(request)

    def run_step(self) -> Sequence[tuple[str, int]]:
        """Generate one batch, padded on the left, until its longest reply has its length."""
        batch = [self._waiting.popleft() for _ in range(min(self._batch_size, len(self._waiting)))]
        width = max(len(wish.prompt_ids) for wish in batch)
        pads = [width - len(wish.prompt_ids) for wish in batch]
        ids = [[0] * pad + list(wish.prompt_ids) for pad, wish in zip(pads, batch, strict=True)]
        attention_mask = [[0] * pad + [1] * (width - pad) for pad in pads]
        longest = max(wish.max_new_tokens for wish in batch)
        output = self._model.generate(
            torch.tensor(ids),
            attention_mask=torch.tensor(attention_mask),
            max_new_tokens=longest,
            min_new_tokens=longest,
            do_sample=False,
            pad_token_id=0,
        )
        rows = output[:, width:].tolist()
        return [
            (wish.request_id, token)
            for wish, row in zip(batch, rows, strict=True)
            for token in row[: wish.max_new_tokens]
        ]

    def close_engine(self) -> None:
        """Do nothing: no thread and no process is left."""


def load_pipeline(directory: Path, _slots: int) -> BenchmarkEngine:
    """Load a checkpoint to be asked one request at a time, as the seed's pipeline was."""
    return GenerateEngine(directory, 1)


def load_static(directory: Path, slots: int) -> BenchmarkEngine:
    """Load a checkpoint to be asked in padded batches."""
    return GenerateEngine(directory, slots)
