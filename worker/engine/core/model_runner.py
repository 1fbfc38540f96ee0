"""Model runner: one forward pass over a step's tokens, eagerly or by replaying a CUDA graph."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from torch import Tensor, nn

from worker.engine.attention.backend import AttentionBatch
from worker.engine.attention.batch import PackedBatch, PrefillChunk
from worker.engine.attention.kernel_batch import KernelBatch
from worker.engine.attention.kv_cache import KVCache
from worker.engine.attention.step_shape import StepShape
from worker.engine.attention.step_tensors import StepTensors, stage_numbers
from worker.engine.attention.varlen_batch import VarlenAttention, VarlenBatch
from worker.engine.core.request_state import (
    ScheduledRequest,
    list_step_numbers,
    measure_step,
)
from worker.engine.cpu_kernels.attention import AttentionKernel

MIN_UNWANTED_TOKENS: Final = 16
"""Tokens without logits from which on the last layer of a CPU's network computes the others."""


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
    attention call per layer; without, they use SDPA. On a CPU all attend by `cpu_kernel`, if it is
    built.
    """

    def __init__(
        self, model: nn.Module, kv_cache: KVCache, cpu_kernel: AttentionKernel | None = None
    ) -> None:
        self.cuda_graphs: StepReplay | None = None
        self.varlen_attn: VarlenAttention | None = None
        self.cpu_kernel = cpu_kernel
        self._model = model
        # Set where few rows are slower than more of them.
        self._min_tokens: int = getattr(model, "min_rows", 1)
        self._kv_cache = kv_cache
        self._device = kv_cache.layers[0].device

    def __call__(self, step: Sequence[ScheduledRequest]) -> StepLogits:
        """Return the logits of N rows; N sums the step's `num_logits`, in its order."""
        replayed = None if self.cuda_graphs is None else self.cuda_graphs(step)
        return StepLogits(self.run_eager(step)) if replayed is None else replayed

    def run_eager(self, step: Sequence[ScheduledRequest]) -> Tensor:
        """Return the step's logits `[N, vocab]` without CUDA graphs."""
        shape = measure_step(step)
        num_logits = shape.num_logits
        if shape.num_tokens < self._min_tokens:
            shape = replace(shape, num_tokens=self._min_tokens, num_logits=self._min_tokens)
        numbers = stage_numbers(list_step_numbers(shape, step), self._device)
        tensors = StepTensors.split(shape, numbers.to(self._device, non_blocking=True))
        logits = run_network(self._model, tensors, self._make_batch(step, shape, tensors))
        return logits[:num_logits]

    def _make_batch(
        self, step: Sequence[ScheduledRequest], shape: StepShape, tensors: StepTensors
    ) -> AttentionBatch:
        if self.varlen_attn is not None:
            return VarlenBatch(self._kv_cache, shape, tensors, self.varlen_attn)
        wanted = None
        num_unwanted = shape.num_tokens - shape.num_logits
        if self._device.type == "cpu" and num_unwanted >= MIN_UNWANTED_TOKENS:
            sampled = [scheduled for scheduled in step if scheduled.can_sample]
            lengths = [scheduled.num_logits for scheduled in sampled]
            wanted_tensors = tensors.select_tokens(tensors.logit_rows)
            wanted = self._pack_tokens(sampled, wanted_tensors, lengths)
        fed = [scheduled.num_fed_tokens for scheduled in step]
        return self._pack_tokens(step, tensors, fed, wanted)

    def _pack_tokens(
        self,
        step: Sequence[ScheduledRequest],
        tensors: StepTensors,
        lengths: Sequence[int],
        wanted: Any = None,
    ) -> AttentionBatch:
        """Return the batch of each request's last tokens in a step, `lengths` of them."""
        if self.cpu_kernel is not None:
            return KernelBatch(self.cpu_kernel, self._kv_cache, tensors, lengths, wanted)
        decode_slots: list[int] = []
        decode_positions: list[int] = []
        prefill_chunks: list[PrefillChunk] = []
        offset = 0
        for scheduled, num_tokens in zip(step, lengths, strict=True):
            slot = scheduled.state.slot
            start = scheduled.start + scheduled.num_fed_tokens - num_tokens
            if num_tokens == 1 and scheduled.can_sample and not prefill_chunks:
                decode_slots.append(slot)
                decode_positions.append(start)
            else:
                prefill_chunks.append(PrefillChunk(slot, start, num_tokens, offset))
            offset += num_tokens
        return PackedBatch(
            self._kv_cache, tensors, decode_slots, decode_positions, prefill_chunks, wanted
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
