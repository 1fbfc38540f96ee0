"""
The step: one forward pass over everything that runs, and what became of each request.

One request can never fail another: what cannot run is refused before it waits, unusable logits
fail their own request, and after any other error the slots are rebuilt and every live request is
read again from its tokens, suspects alone until each has gone through.

Where tokens are drafted for a request, one is chosen at each of their places from what the model
says there, with the random number of that place, as long as it is the drafted one. So a reply is
the same with drafts and without, also a sampled one.
"""

import time
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor, nn

from worker.engine import FinishReason, Request
from worker.engine.attention.kv_cache import KVCache
from worker.engine.core.furnish import TensorPrefixCache, erase_scope, restore_prefix
from worker.engine.core.model_runner import ModelRunner
from worker.engine.core.ngram_proposer import RIDGE_TOKENS, SINGLE_ROW_COST
from worker.engine.core.prefix_cache import HostPrefixCache
from worker.engine.core.request_state import RequestState, ScheduledRequest
from worker.engine.core.sampler import sample_step
from worker.engine.core.scheduler import Scheduler
from worker.engine.cuda_graphs.runner import CudaGraphRunner
from worker.engine.exits import DeviceLostError
from worker.engine.validation import validate_request

MIN_STEP_TOKENS: Final = 16
"""Running out of memory halves the tokens of a step, down to this."""


@dataclass(frozen=True, slots=True)
class FinishedRequest:
    """How a request ended and its counts of tokens."""

    reason: FinishReason
    prompt_tokens: int
    new_tokens: int


@dataclass(slots=True)
class StepOutput:
    """What one step brought: new ids, ends, and codes of failures by request id."""

    tokens: dict[str, list[int]] = field(default_factory=dict)
    finished: dict[str, FinishedRequest] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    """The class of the error that broke the step, if one did."""


class EngineCore:
    """
    Many requests, one model. `model` must use the attention of `worker.engine.attention.backend`.

    `budget` are the most tokens in a step, `drafted` the most that are drafted for a request in it,
    `shelf` the bytes of what slots had to give up.
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
        device_type = kv_cache.layers[0].device.type
        self.scheduler = Scheduler(
            kv_cache.num_slots,
            max_step_tokens,
            num_speculative_tokens,
            RIDGE_TOKENS[device_type],
            SINGLE_ROW_COST[device_type],
        )
        self.host_cache: TensorPrefixCache = HostPrefixCache(host_cache_bytes)
        self.model_runner = ModelRunner(model, kv_cache)
        self.steps = 0
        self._kv_cache = kv_cache
        self._vocab_size = vocab_size

    @property
    def has_unfinished_requests(self) -> bool:
        """Whether a step would do anything."""
        return self.scheduler.has_unfinished_requests

    def use_cuda_graphs(self, cuda_graphs: CudaGraphRunner) -> None:
        """Let steps in which everybody grows be repeated from recordings from now on."""
        self.model_runner.cuda_graphs = cuda_graphs
        # An eager step costs a draft more than it saves: who has no recorded one drafts nothing.
        self.scheduler.max_drafting_requests = cuda_graphs.shapes.max_requests_with_drafts

    def add_request(self, request: Request) -> str | None:
        """Take a request in, or return the one line that says why it can never run."""
        reason = validate_request(request, self._kv_cache.max_positions, self._vocab_size)
        if reason is None:
            self.scheduler.add_request(request)
        return reason

    def abort_request(self, request_id: str) -> FinishedRequest | None:
        """End a request and free its slot; `None` where it is over already."""
        return self._finish_request(request_id, FinishReason.STOPPED)

    def clear_scope(self, scope: str) -> None:
        """Wipe what free slots hold of a scope; its running requests leave nothing behind."""
        for slot in self.scheduler.drop_scope(scope):
            self._kv_cache.zero_slot(slot)
        erase_scope(self.host_cache, scope)

    def admit_waiting(self) -> None:
        """Give the free slots to those who wait, with what is kept of their threads."""
        for state, allocation in self.scheduler.admit_waiting():
            try:
                state.num_computed_tokens = restore_prefix(
                    self._kv_cache, self.host_cache, state, allocation
                )
            except Exception as error:  # what was to save time must cost no reply
                if _is_device_error(error):
                    raise DeviceLostError(type(error).__name__) from error
                self.host_cache.drop_all()
                state.num_computed_tokens = 0

    def run_step(self) -> StepOutput:
        """
        Feed the next tokens of everything that runs, but for what is past its deadline.

        Raises `DeviceLostError`.
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

    def _finish_request(self, request_id: str, reason: FinishReason) -> FinishedRequest | None:
        state = self.scheduler.remove_request(request_id)
        return _describe_finish(state, reason) if state else None

    def _execute_step(self, step: list[ScheduledRequest], output: StepOutput) -> None:
        try:
            with torch.inference_mode():
                sampled = self._sample_tokens(step, self.model_runner(step), output)
        except Exception as error:  # noqa: BLE001 - whatever broke the step, its neighbours go on
            self._recover_from_error(step, error, output)
            return
        for scheduled in step:
            token_ids = sampled.get(scheduled.state.request.id, [])
            if token_ids or not scheduled.can_sample:
                self._commit_tokens(scheduled, token_ids, output)

    def _sample_tokens(
        self, step: list[ScheduledRequest], logits: Tensor, output: StepOutput
    ) -> dict[str, list[int]]:
        """Return the next ids of each request whose pending tokens are all fed."""
        sampled: dict[str, list[int]] = {}
        for scheduled, token_ids in sample_step(step, logits):
            sampled[scheduled.state.request.id] = token_ids
            if not token_ids:
                self._fail_request(scheduled, output)
        return sampled

    def _fail_request(self, scheduled: ScheduledRequest, output: StepOutput) -> None:
        """Give a request up whose logits are unusable, or its drafts, which may be to blame."""
        state = scheduled.state
        if scheduled.draft_ids:
            state.proposer = None
            self._kv_cache.zero_slot(state.slot, scheduled.start)
            return
        output.failed[state.request.id] = "nothing to choose from"
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
        if reason is not None:
            self.scheduler.remove_request(state.request.id)
            output.finished[state.request.id] = _describe_finish(state, reason)

    def _recover_from_error(
        self, step: list[ScheduledRequest], error: Exception, output: StepOutput
    ) -> None:
        """Start from fresh slots, and give up only who is to blame."""
        if _is_device_error(error):
            raise DeviceLostError(type(error).__name__) from error
        output.error = type(error).__name__
        if isinstance(error, torch.OutOfMemoryError | MemoryError):
            self.scheduler.max_step_tokens = max(
                MIN_STEP_TOKENS, self.scheduler.max_step_tokens // 2
            )
            self.host_cache.drop_all()
        self._kv_cache.reallocate()
        for state in self.scheduler.record_failure(step):
            self.scheduler.remove_request(state.request.id, keep_prefix=False)
            output.failed[state.request.id] = output.error


def _describe_finish(state: RequestState, reason: FinishReason) -> FinishedRequest:
    return FinishedRequest(reason, len(state.request.prompt), state.num_new_tokens)


def _is_device_error(error: Exception) -> bool:
    """Whether an error came from the device itself; running out of its memory is no such error."""
    if isinstance(error, torch.OutOfMemoryError):
        return False
    text = str(error)
    return isinstance(error, torch.AcceleratorError) or "CUDA" in text or "cuDNN" in text
