"""Model runner: one forward pass over a step's tokens, eagerly or by replaying a CUDA graph."""

from collections.abc import Sequence
from typing import Any, Final, Protocol

import torch
from torch import Tensor, nn

from worker.engine.attention.batch import PackedBatch, PrefillChunk
from worker.engine.attention.flash_varlen import FlashVarlen
from worker.engine.attention.kv_cache import KVCache
from worker.engine.core.request_state import ScheduledRequest

MODEL_KWARGS: Final[dict[str, Any]] = {"use_cache": False}
"""Arguments of every model call: transformers' own KV cache is off."""


class StepReplay(Protocol):
    """Replays captured decode steps; `worker.engine.cuda_graphs.runner` implements it."""

    @property
    def max_drafting_requests(self) -> int:
        """Maximum number of requests in a captured step with drafts."""
        ...

    def __call__(self, step: Sequence[ScheduledRequest]) -> Tensor | None:
        """Return the step's logits `[N, vocab]`, or `None` if it must run eagerly."""
        ...


class ModelRunner:
    """
    A model over its KV cache.

    `cuda_graphs` replays the steps that it has captured. `flash_varlen` computes the attention of
    prefill chunks where it is available.
    """

    def __init__(self, model: nn.Module, kv_cache: KVCache) -> None:
        self.cuda_graphs: StepReplay | None = None
        self.flash_varlen: FlashVarlen | None = None
        self._model = model
        self._kv_cache = kv_cache
        self._device = kv_cache.layers[0].device

    def __call__(self, step: Sequence[ScheduledRequest]) -> Tensor:
        """Return logits `[N, vocab]`; N sums the step's `num_logits`, in its order."""
        logits = None if self.cuda_graphs is None else self.cuda_graphs(step)
        return self.run_eager(step) if logits is None else logits

    def run_eager(self, step: Sequence[ScheduledRequest]) -> Tensor:
        """Return the step's logits `[N, vocab]` without CUDA graphs."""
        ids: list[int] = []
        positions: list[int] = []
        logit_rows: list[int] = []
        decodes, prefill_chunks = [], []
        for scheduled in step:
            token_ids = scheduled.token_ids
            if len(token_ids) == 1 and scheduled.can_sample:
                decodes.append(scheduled)
            else:
                prefill_chunks.append(
                    PrefillChunk(scheduled.state.slot, scheduled.start, len(token_ids), len(ids))
                )
            ids += token_ids
            positions += range(scheduled.start, scheduled.start + len(token_ids))
            logit_rows += range(len(ids) - scheduled.num_logits, len(ids))
        packed = PackedBatch(
            self._kv_cache,
            [decode.state.slot for decode in decodes],
            [decode.start for decode in decodes],
            prefill_chunks,
            self.flash_varlen,
        )
        output = self._model(
            input_ids=self._to_tensor(ids).unsqueeze(0),
            position_ids=self._to_tensor(positions).unsqueeze(0),
            logits_to_keep=self._to_tensor(logit_rows),
            packed=packed,
            **MODEL_KWARGS,
        )
        logits: Tensor = output.logits[0]
        return logits

    def _to_tensor(self, numbers: list[int]) -> Tensor:
        return torch.tensor(numbers, dtype=torch.long, device=self._device)
