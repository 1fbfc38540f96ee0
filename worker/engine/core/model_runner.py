"""Model runner: one forward pass over a step's tokens, eagerly or by replaying a CUDA graph."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from worker.engine.attention.backend import AttentionBatch
from worker.engine.attention.batch import PackedBatch, PrefillChunk
from worker.engine.attention.kv_cache import KVCache
from worker.engine.attention.step_shape import StepShape
from worker.engine.attention.step_tensors import StepTensors, stage_numbers
from worker.engine.attention.varlen_batch import VarlenAttention, VarlenBatch
from worker.engine.core.request_state import (
    ScheduledRequest,
    list_step_numbers,
    measure_step,
)


@dataclass(frozen=True, slots=True)
class StepLogits:
    """Logits of a step, `[N, vocab]`, and the token ids `[N]` if the step has sampled them."""

    logits: Tensor
    token_ids: Tensor | None = None


class StepReplay(Protocol):
    """Replays captured steps; `worker.engine.cuda_graphs.runner` implements it."""

    @property
    def max_drafting_requests(self) -> int:
        """Maximum number of requests in a captured step with drafts."""
        ...

    def __call__(self, step: Sequence[ScheduledRequest]) -> StepLogits | None:
        """Return the step's logits, or `None` if it must run eagerly."""
        ...


class ModelRunner:
    """
    A model over its KV cache.

    `cuda_graphs` replays the steps that it has captured. With `varlen_attn`, other steps make one
    attention call per layer; without, they use SDPA.
    """

    def __init__(self, model: nn.Module, kv_cache: KVCache) -> None:
        self.cuda_graphs: StepReplay | None = None
        self.varlen_attn: VarlenAttention | None = None
        self._model = model
        self._kv_cache = kv_cache
        self._device = kv_cache.layers[0].device

    def __call__(self, step: Sequence[ScheduledRequest]) -> StepLogits:
        """Return the logits of N rows; N sums the step's `num_logits`, in its order."""
        replayed = None if self.cuda_graphs is None else self.cuda_graphs(step)
        return StepLogits(self.run_eager(step)) if replayed is None else replayed

    def run_eager(self, step: Sequence[ScheduledRequest]) -> Tensor:
        """Return the step's logits `[N, vocab]` without CUDA graphs."""
        shape = measure_step(step)
        numbers = stage_numbers(list_step_numbers(shape, step), self._device)
        tensors = StepTensors.split(shape, numbers.to(self._device, non_blocking=True))
        return run_network(self._model, tensors, self._make_batch(step, shape, tensors))

    def _make_batch(
        self, step: Sequence[ScheduledRequest], shape: StepShape, tensors: StepTensors
    ) -> AttentionBatch:
        if self.varlen_attn is not None:
            return VarlenBatch(self._kv_cache, shape, tensors, self.varlen_attn)
        decodes, prefill_chunks = [], []
        offset = 0
        for scheduled in step:
            num_tokens = scheduled.num_fed_tokens
            if num_tokens == 1 and scheduled.can_sample:
                decodes.append(scheduled)
            else:
                prefill_chunks.append(
                    PrefillChunk(scheduled.state.slot, scheduled.start, num_tokens, offset)
                )
            offset += num_tokens
        return PackedBatch(
            self._kv_cache,
            tensors,
            [decode.state.slot for decode in decodes],
            [decode.start for decode in decodes],
            prefill_chunks,
        )


def run_network(network: Any, tensors: StepTensors, batch: AttentionBatch) -> Tensor:
    """Return a model's logits `[N, vocab]` for a step's tokens, which attend by `batch`."""
    output = network(
        input_ids=tensors.token_ids.unsqueeze(0),
        position_ids=tensors.positions.unsqueeze(0),
        logits_to_keep=tensors.logit_rows,
        packed=batch,
        use_cache=False,
    )
    logits: Tensor = output.logits[0]
    return logits
