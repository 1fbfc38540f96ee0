"""One pass of the model over a step's tokens: as they come, or over a recorded shape that fits."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from worker.engine.attention.batch import PackedBatch, PrefillChunk
from worker.engine.attention.flash_varlen import FlashVarlen
from worker.engine.attention.kv_cache import KVCache
from worker.engine.core.request_state import ScheduledRequest
from worker.engine.loading.spared import find_selective_mlps, select_rows

GraphReplay = Callable[[Sequence[ScheduledRequest]], Tensor | None]
"""Returns what `Forward` does, or `None` where it has no shape for the step."""

MODEL_KWARGS: Final[dict[str, Any]] = {"use_cache": False}
"""What every call of the model is told: what it is to remember lies in the slots."""


class ModelRunner:
    """The model over its slots. `recorded` takes the steps that it can take, `varlen` chunks."""

    def __init__(self, model: nn.Module, kv_cache: KVCache) -> None:
        self.cuda_graphs: GraphReplay | None = None
        self.flash_varlen: FlashVarlen | None = None
        self._model = model
        self._selective_mlps = find_selective_mlps(model)
        self._kv_cache = kv_cache
        self._device = kv_cache.layers[0].device

    def __call__(self, step: Sequence[ScheduledRequest]) -> Tensor:
        """Return the logits `[choices of the works, vocabulary]`, in the order of the step."""
        logits = None if self.cuda_graphs is None else self.cuda_graphs(step)
        return self.run_eager(step) if logits is None else logits

    def run_eager(self, step: Sequence[ScheduledRequest]) -> Tensor:
        """Return the same, whatever is recorded."""
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
        logits_to_keep = torch.tensor(logit_rows, dtype=torch.long, device=self._device)
        with select_rows(
            self._selective_mlps, logits_to_keep if len(logit_rows) < len(ids) else None
        ):
            output = self._model(
                input_ids=self._to_tensor(ids),
                position_ids=self._to_tensor(positions),
                logits_to_keep=logits_to_keep,
                packed=packed,
                **MODEL_KWARGS,
            )
        logits: Tensor = output.logits[0]
        return logits

    def _to_tensor(self, numbers: list[int]) -> Tensor:
        return torch.tensor([numbers], dtype=torch.long, device=self._device)
