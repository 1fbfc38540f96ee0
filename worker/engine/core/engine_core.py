"""
Engine core: the step loop of continuous batching (Orca, Yu et al., 2022).

A step is one forward pass over every running request: decode tokens, their drafts and prefill
chunks together. A request joins and leaves the batch between two steps.

One request can't fail another. A request that can't run is refused before it waits. Unusable
logits fail their own request. After any other error the KV cache is reallocated and every running
request is prefilled again. Suspects then run alone until each has passed a step.

Speculative decoding doesn't change a reply (Leviathan et al., 2023). Each drafted position is
sampled with its own random number, and a draft counts only while it equals the sampled token.
"""

import time
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import nn

from worker.engine import DeviceLostError, FinishReason, Request
from worker.engine.attention.host_arena import HostPages
from worker.engine.attention.kernel_batch import find_kernel
from worker.engine.attention.kv_cache import KVCache
from worker.engine.core.device_errors import (
    describe_error,
    is_allocation_refused,
    is_device_lost,
)
from worker.engine.core.model_runner import ModelRunner, StepLogits, StepReplay
from worker.engine.core.ngram_proposer import RIDGE_TOKENS
from worker.engine.core.prefix_cache import HostPrefixCache, restore_prefix
from worker.engine.core.request_state import RequestState, ScheduledRequest, share_step_time
from worker.engine.core.sampler import sample_step
from worker.engine.core.scheduler import Scheduler
from worker.engine.core.slot_allocator import SlotAllocation
from worker.engine.validation import validate_request

MIN_STEP_TOKENS: Final = 16
"""Each out-of-memory error halves the tokens of a step, down to this."""
PREFILL_FACTOR: Final = {"cuda": 1, "cpu": 2}
"""
How many times as many tokens a step may have while no reply is in decode, by device type.

A CPU reads all weights once more for each step. CUDA graphs have the usual number of tokens.
"""
STEPS_BEFORE_GROWTH: Final = 100
"""Steps without an error after which a step may have `MIN_STEP_TOKENS` more tokens again."""


@dataclass(frozen=True, slots=True)
class FinishedRequest:
    """Finish reason of a request, its token counts and the GPU seconds that it used."""

    reason: FinishReason
    prompt_tokens: int
    new_tokens: int
    gpu_seconds: float


@dataclass(slots=True)
class StepOutput:
    """
    Result of one step by request id: new token ids, finished requests and error codes.

    `gpu_seconds` holds what each request with new tokens has used so far.
    """

    tokens: dict[str, list[int]] = field(default_factory=dict)
    gpu_seconds: dict[str, float] = field(default_factory=dict)
    finished: dict[str, FinishedRequest] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    """Class and first line of the error that broke the step, if one did."""


class EngineCore:
    """
    Step loop over one model. `model` must use the backend of `worker.engine.attention.backend`.

    `max_step_tokens` bounds the tokens of one step. `num_speculative_tokens` bounds the draft of
    one request. `host_cache_bytes` bounds the prefix cache in host memory.
    """

    def __init__(
        self,
        model: nn.Module,
        kv_cache: KVCache,
        *,
        vocab_size: int,
        max_step_tokens: int,
        num_speculative_tokens: int = 0,
        host_cache_bytes: int = 0,
    ) -> None:
        self._device = kv_cache.layers[0].device
        self.scheduler = Scheduler(
            kv_cache.num_slots,
            max_step_tokens,
            num_speculative_tokens,
            RIDGE_TOKENS[self._device.type],
            prefill_factor=PREFILL_FACTOR[self._device.type],
        )
        self.host_cache: HostPrefixCache[HostPages] = HostPrefixCache(host_cache_bytes)
        self.model_runner = ModelRunner(model, kv_cache, find_kernel(kv_cache.layers))
        self.steps = 0
        self._max_step_tokens, self._good_steps = max_step_tokens, 0
        self._kv_cache = kv_cache
        self._vocab_size = vocab_size

    @property
    def has_unfinished_requests(self) -> bool:
        """Whether any request is waiting or running."""
        return self.scheduler.has_unfinished_requests

    def use_cuda_graphs(self, cuda_graphs: StepReplay) -> None:
        """Replay steps from captured CUDA graphs from now on."""
        self.model_runner.cuda_graphs = cuda_graphs
        # An eager step costs more than a draft saves: batches without a graph get no drafts.
        self.scheduler.max_drafting_requests = cuda_graphs.max_drafting_requests

    def limit_step_tokens(self, num_tokens: int) -> int:
        """Bound the tokens of a step once more; returns how many it may have from now on."""
        # One row for each reply, so that a prompt beside them is read on.
        smallest = max(MIN_STEP_TOKENS, self._kv_cache.num_slots)
        self._max_step_tokens = min(self._max_step_tokens, max(smallest, num_tokens))
        self.scheduler.max_step_tokens = self._max_step_tokens
        return self._max_step_tokens

    def add_request(self, request: Request) -> str | None:
        """Queue a request; returns one line that says why if it can never run."""
        reason = validate_request(request, self._kv_cache.max_positions, self._vocab_size)
        if reason is None:
            self.scheduler.add_request(request)
        return reason

    def cancel_request(self, request_id: str) -> FinishedRequest | None:
        """Finish a request and free its slot; `None` if it has already finished."""
        return self._finish_request(request_id, FinishReason.STOPPED)

    def clear_prefixes(self, scope: str) -> None:
        """Erase the cached prefixes of a scope; its running requests will leave none."""
        for slot in self.scheduler.drop_scope(scope):
            self._kv_cache.zero_slot(slot)
        self._kv_cache.erase_host_pages(self.host_cache.drop_scope(scope))

    def admit_waiting(self) -> None:
        """
        Give free slots to waiting requests and restore their cached prefixes.

        Raises `DeviceLostError` if the device fails.
        """
        self.scheduler.admit_waiting(self._fill_slot)

    def run_step(self) -> StepOutput:
        """
        Finish expired requests, admit waiting ones and run one forward pass.

        Raises `DeviceLostError` if the device fails.
        """
        self.steps += 1
        output = StepOutput()
        for request_id in self.scheduler.expired_requests(time.monotonic()):
            if finished := self._finish_request(request_id, FinishReason.TIMEOUT):
                output.finished[request_id] = finished
        self.admit_waiting()
        step = self.scheduler.schedule_step()
        if step:
            self._execute_step(step, output)
        return output

    def _fill_slot(self, state: RequestState, allocation: SlotAllocation) -> int:
        try:
            return restore_prefix(self._kv_cache, self.host_cache, state, allocation)
        except Exception as error:  # noqa: BLE001 - a cache must never cost a reply
            self._check_device(error)
            self.host_cache.drop_all()
            return 0

    def _finish_request(self, request_id: str, reason: FinishReason) -> FinishedRequest | None:
        state = self.scheduler.running.get(request_id)
        # The logits have shown only of a finished prefill that its KV is usable.
        is_finite = state is None or self._kv_cache.is_finite(state.slot, state.num_computed_tokens)
        if state is not None and not is_finite:
            self._kv_cache.zero_slot(state.slot)
        state = self.scheduler.remove_request(request_id, keep_prefix=is_finite)
        return _describe_finish(state, reason) if state else None

    def _execute_step(self, step: list[ScheduledRequest], output: StepOutput) -> None:
        started = time.perf_counter()
        try:
            with torch.inference_mode():
                sampled = self._sample_tokens(step, self.model_runner(step), output)
        except Exception as error:  # noqa: BLE001 - any error: the other requests must survive it
            self._recover_from_error(step, error, output)
            return
        self._grow_step()
        share_step_time(step, time.perf_counter() - started)
        for scheduled in step:
            token_ids = sampled.get(scheduled.state.request.id, [])
            if token_ids or not scheduled.can_sample:
                self._commit_tokens(scheduled, token_ids, output)

    def _sample_tokens(
        self, step: list[ScheduledRequest], computed: StepLogits, output: StepOutput
    ) -> dict[str, list[int]]:
        """Return the next token ids of each request that can sample."""
        sampled: dict[str, list[int]] = {}
        for scheduled, token_ids in sample_step(step, computed.logits, computed.token_ids):
            sampled[scheduled.state.request.id] = token_ids
            if not token_ids:
                self._fail_request(scheduled, output)
        return sampled

    def _fail_request(self, scheduled: ScheduledRequest, output: StepOutput) -> None:
        """Fail a request with unusable logits; first drop its drafts, which may be the cause."""
        state = scheduled.state
        if scheduled.draft_ids:
            state.proposer = None
            self._kv_cache.zero_slot(state.slot, scheduled.start)
            return
        output.failed[state.request.id] = "invalid logits"
        self._kv_cache.zero_slot(state.slot)
        self.scheduler.remove_request(state.request.id, keep_prefix=False)

    def _commit_tokens(
        self, scheduled: ScheduledRequest, token_ids: list[int], output: StepOutput
    ) -> None:
        state = scheduled.state
        before = len(state.token_ids)
        reason = self.scheduler.commit_tokens(scheduled, token_ids)
        if len(state.token_ids) > before:
            output.tokens[state.request.id] = state.token_ids[before:]
            output.gpu_seconds[state.request.id] = state.gpu_seconds
        if reason is not None:
            self.scheduler.remove_request(state.request.id)
            output.finished[state.request.id] = _describe_finish(state, reason)

    def _recover_from_error(
        self, step: list[ScheduledRequest], error: Exception, output: StepOutput
    ) -> None:
        """
        Fail only the requests to blame.

        The KV cache is lost, except where PyTorch did not get memory for a tensor.
        """
        self._check_device(error)
        output.error = describe_error(error)
        self._good_steps = 0
        keeps_kv = is_allocation_refused(error)
        if keeps_kv or isinstance(error, MemoryError):
            self.scheduler.max_step_tokens = max(
                MIN_STEP_TOKENS, self.scheduler.max_step_tokens // 2
            )
            if not isinstance(error, torch.OutOfMemoryError):
                # Memory of the host. Memory of a GPU has nothing to do with this cache.
                self.host_cache.drop_all()
        if keeps_kv:
            # The step wrote only beyond what its requests count as computed.
            torch.cuda.empty_cache()
        else:
            self._kv_cache.reallocate()
        for state in self.scheduler.record_failure(step, keeps_kv=keeps_kv):
            self.scheduler.remove_request(state.request.id, keep_prefix=False)
            output.failed[state.request.id] = type(error).__name__

    def _check_device(self, error: Exception) -> None:
        """Raise `DeviceLostError` if an error leaves the device in an unknown state."""
        if is_device_lost(error, self._device):
            raise DeviceLostError(describe_error(error)) from error

    def _grow_step(self) -> None:
        """Give a step that memory had made smaller its tokens back, little by little."""
        self._good_steps += 1
        if self._good_steps % STEPS_BEFORE_GROWTH == 0:
            grown = self.scheduler.max_step_tokens + MIN_STEP_TOKENS
            self.scheduler.max_step_tokens = min(self._max_step_tokens, grown)


def _describe_finish(state: RequestState, reason: FinishReason) -> FinishedRequest:
    return FinishedRequest(
        reason, len(state.request.prompt), state.num_new_tokens, state.gpu_seconds
    )
