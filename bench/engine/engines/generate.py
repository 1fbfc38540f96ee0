"""Adapter of transformers' `generate`: one request at a time, or padded batches."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from bench.engine.load_generator import BenchmarkEngine
from bench.engine.workload import RequestSpec


class GenerateEngine(BenchmarkEngine):
    """Static batching: generates replies for up to `batch_size` waiting requests at once."""

    streams_tokens = False

    def __init__(self, directory: Path, batch_size: int, dtype: str) -> None:
        torch.set_num_threads(1)
        self._model: Any = AutoModelForCausalLM.from_pretrained(directory, dtype=dtype)
        self._batch_size = batch_size
        self._waiting: deque[RequestSpec] = deque()

    @property
    def has_work(self) -> bool:
        """Whether any request is waiting."""
        return bool(self._waiting)

    def add_request(self, request: RequestSpec) -> None:
        """Queue a request."""
        self._waiting.append(request)

    def run_step(self) -> Sequence[tuple[str, int]]:
        """Generate one batch, padded on the left, until its longest reply is complete."""
        batch = [self._waiting.popleft() for _ in range(min(self._batch_size, len(self._waiting)))]
        width = max(len(request.prompt_ids) for request in batch)
        pads = [width - len(request.prompt_ids) for request in batch]
        ids = [
            [0] * pad + list(request.prompt_ids) for pad, request in zip(pads, batch, strict=True)
        ]
        attention_mask = [[0] * pad + [1] * (width - pad) for pad in pads]
        longest = max(request.max_new_tokens for request in batch)
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
            (request.request_id, token)
            for request, row in zip(batch, rows, strict=True)
            for token in row[: request.max_new_tokens]
        ]


def load_pipeline(directory: Path, _slots: int, dtype: str) -> BenchmarkEngine:
    """Load a checkpoint for one request at a time, as transformers' pipeline does."""
    return GenerateEngine(directory, 1, dtype)


def load_static(directory: Path, slots: int, dtype: str) -> BenchmarkEngine:
    """Load a checkpoint for padded batches."""
    return GenerateEngine(directory, slots, dtype)
