"""
Scheduler for continuous batching: slots for waiting requests, and the tokens of the next step.

A step computes the tokens whose KV is missing: one token of a request in decode, or a chunk of a
request in prefill. Chunked prefill (Sarathi-Serve, Agrawal et al., 2024) keeps decodes running
beside a long prompt. A request whose KV was lost is simply prefilled again. A decode may carry
speculative tokens, which count once they are sampled. A decode waits while a request of a higher
priority is in prefill, so that it costs that request's first token no time. Pure Python, no torch.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush

from worker.engine import FinishReason, Request
from worker.engine.core.ngram_proposer import choose_draft_length
from worker.engine.core.request_state import RequestState, ScheduledRequest
from worker.engine.core.slot_allocator import (
    CachedPrefix,
    SlotAllocation,
    SlotAllocator,
    is_within,
)

MAX_FAILED_STEPS = 4
"""A request fails after this number of failed steps, even if it isn't to blame."""
MIN_CHUNK_TOKENS = 16
"""A prompt's share of a step beside others, in tokens; less would cost nearly as much."""

SlotFiller = Callable[[RequestState, SlotAllocation], int]
"""Fills a request's slot as allocated; returns how many of its tokens the slot now holds."""


def count_cached_tokens(_: RequestState, allocation: SlotAllocation) -> int:
    """Fill no slot, for a caller without KV; returns the tokens that the allocation counts."""
    return allocation.num_cached_tokens


@dataclass(slots=True)
class Scheduler:
    """
    Waiting and running requests. `max_step_tokens` bounds the tokens of one step.

    `num_speculative_tokens` bounds the draft of one request; 0 turns drafts off. `ridge_tokens`
    describes the device (see `worker.engine.core.ngram_proposer`). A step with more than
    `max_drafting_requests` decodes carries no drafts. While no request is in decode, a step may
    have `prefill_factor` times as many tokens: it delays no reply.
    """

    num_slots: int
    max_step_tokens: int
    num_speculative_tokens: int = 0
    ridge_tokens: float = 0.0
    max_drafting_requests: int = sys.maxsize
    prefill_factor: int = 1
    waiting: list[tuple[int, int, RequestState]] = field(default_factory=list)
    running: dict[str, RequestState] = field(default_factory=dict)
    slot_allocator: SlotAllocator = field(init=False)
    num_prefilled_tokens: int = 0
    """Prompt tokens computed so far; those from a cached prefix are not among them."""
    _num_arrivals: int = 0

    def __post_init__(self) -> None:
        self.slot_allocator = SlotAllocator(set(range(self.num_slots)))

    @property
    def has_unfinished_requests(self) -> bool:
        """Whether any request is waiting or running."""
        return bool(self.waiting or self.running)

    def add_request(self, request: Request) -> None:
        """Queue a request until a slot is free."""
        self._num_arrivals += 1
        state = RequestState(request, list(request.prompt), self._num_arrivals)
        heappush(self.waiting, (-request.priority, state.arrival, state))

    def remove_request(self, request_id: str, *, keep_prefix: bool = True) -> RequestState | None:
        """
        Remove a waiting or running request and free its slot.

        With `keep_prefix` the slot's KV may be reused.
        """
        state = self.running.pop(request_id, None)
        if state is not None:
            computed_ids = state.token_ids[: state.num_computed_tokens] if keep_prefix else []
            self.slot_allocator.release_slot(state.slot, state.request.scope, computed_ids)
            return state
        for entry in self.waiting:
            if entry[2].request.id == request_id:
                self.waiting.remove(entry)
                self.waiting.sort()
                return entry[2]
        return None

    def expired_requests(self, now: float) -> list[str]:
        """Return the ids of requests whose deadline has passed at `now` (seconds, monotonic)."""
        requests = [state.request for state in self._list_states()]
        return [
            request.id
            for request in requests
            if request.deadline is not None and request.deadline <= now
        ]

    def drop_scope(self, scope: str) -> list[int]:
        """Keep no prefix within a scope; returns the free slots that still hold its KV."""
        for state in self._list_states():
            if is_within(state.request.scope, scope):
                state.request = replace(state.request, scope="")
        return self.slot_allocator.drop_scope(scope)

    def admit_waiting(self, fill_slot: SlotFiller = count_cached_tokens) -> None:
        """
        Give free slots to waiting requests: by priority, then by age.

        Each slot is filled before the next allocation, which may name it as its source.
        """
        while self.slot_allocator and self.waiting:
            state = heappop(self.waiting)[2]
            allocation = self.slot_allocator.allocate_slot(
                state.request.scope, state.token_ids, self._list_running_prefixes()
            )
            state.slot = allocation.slot
            state.num_computed_tokens = fill_slot(state, allocation)
            self.running[state.request.id] = state

    def schedule_step(self) -> list[ScheduledRequest]:
        """
        Return the next step: decodes first, then prefill chunks, each by priority and age.

        While there are suspects, a step holds one suspect only.
        """
        states = sorted(
            self.running.values(), key=lambda state: (-state.request.priority, state.arrival)
        )
        suspects = [state for state in states if state.is_suspect]
        if suspects:
            # A request that breaks a step alone is certainly the one to blame.
            states = suspects[:1]
        in_prefill = [state for state in states if state.num_uncomputed_tokens > 1]
        min_priority = in_prefill[0].request.priority if in_prefill else -sys.maxsize
        decodes = [
            ScheduledRequest(state, state.num_computed_tokens, 1)
            for state in states
            if state.num_uncomputed_tokens == 1 and state.request.priority >= min_priority
        ]
        factor = self.prefill_factor if len(in_prefill) == len(states) else 1
        prefills = _schedule_prefills(in_prefill, self.max_step_tokens * factor - len(decodes))
        if self.num_speculative_tokens and len(decodes) <= self.max_drafting_requests:
            num_rows = len(decodes) + sum(prefill.num_tokens for prefill in prefills)
            decodes = self._add_drafts(decodes, self.max_step_tokens - num_rows, num_rows)
        return decodes + prefills

    def _add_drafts(
        self, decodes: list[ScheduledRequest], remaining_tokens: int, num_rows: int
    ) -> list[ScheduledRequest]:
        """Add drafts to the decodes of a step of `num_rows` tokens; those without come first."""
        plain: list[ScheduledRequest] = []
        drafting: list[ScheduledRequest] = []
        for scheduled in decodes:
            drafted = self._propose_draft(scheduled.state, remaining_tokens, num_rows)
            remaining_tokens -= len(drafted)
            num_rows += len(drafted)
            (drafting if drafted else plain).append(replace(scheduled, draft_ids=drafted))
        return plain + drafting

    def _propose_draft(
        self, state: RequestState, remaining_tokens: int, num_rows: int
    ) -> tuple[int, ...]:
        if state.proposer is None:
            return ()
        state.proposer.update_index()
        # The last token of a reply is sampled and never computed.
        max_length = min(
            self.num_speculative_tokens,
            remaining_tokens,
            state.request.sampling.max_new_tokens - state.num_new_tokens - 1,
        )
        length = choose_draft_length(
            state.proposer.acceptance_rate, num_rows, self.ridge_tokens, max_length
        )
        return tuple(state.proposer.propose_tokens(length))

    def commit_tokens(
        self, scheduled: ScheduledRequest, sampled: Sequence[int]
    ) -> FinishReason | None:
        """
        Record a request's share of a successful step with the tokens sampled for it, in order.

        All but the last one were drafted, so their KV is in the slot; KV of rejected drafts is
        overwritten later. Returns the finish reason if the last token ends the reply.
        """
        state = scheduled.state
        end = min(scheduled.start + scheduled.num_tokens, len(state.request.prompt))
        self.num_prefilled_tokens += max(0, end - scheduled.start)
        state.num_computed_tokens += scheduled.num_tokens
        if not sampled:
            return None
        state.is_suspect = False
        state.num_computed_tokens += len(sampled) - 1
        if scheduled.is_stop_token(sampled[-1]):
            state.token_ids += sampled[:-1]
            return FinishReason.STOP
        state.token_ids += sampled
        if state.num_new_tokens >= state.request.sampling.max_new_tokens:
            return FinishReason.LENGTH
        return None

    def record_failure(
        self, step: list[ScheduledRequest], *, keeps_kv: bool = False
    ) -> list[RequestState]:
        """
        Record a failed step, after which the KV cache is empty unless `keeps_kv`.

        Returns the requests to fail: one that broke a step alone, or one with too many failed
        steps. All others run again, one at a time until each has passed a step. With `keeps_kv`
        the next step is smaller, so one that broke a step alone may try it.
        """
        if not keeps_kv:
            self.slot_allocator.drop_all()
            for state in self.running.values():
                state.num_computed_tokens = 0
        for scheduled in step:
            scheduled.state.failed_steps += 1
            scheduled.state.is_suspect = True
        states = [scheduled.state for scheduled in step]
        if len(states) == 1 and states[0].failed_steps > 1 and not keeps_kv:
            return states
        return [state for state in states if state.failed_steps >= MAX_FAILED_STEPS]

    def _list_running_prefixes(self) -> list[tuple[int, CachedPrefix]]:
        """Return the slot of each running request, with the tokens whose KV it holds."""
        return [
            (
                state.slot,
                CachedPrefix(
                    state.request.scope, tuple(state.token_ids[: state.num_computed_tokens])
                ),
            )
            for state in self.running.values()
        ]

    def _list_states(self) -> list[RequestState]:
        return [*self.running.values(), *(state for _, _, state in self.waiting)]


def _schedule_prefills(states: list[RequestState], max_tokens: int) -> list[ScheduledRequest]:
    """
    Return prefill chunks of at most `max_tokens` in all, in the order of `states`.

    A prompt that follows others in a step waits for the next one if it would get a small chunk.
    """
    num_uncomputed_tokens = sum(state.num_uncomputed_tokens for state in states)
    remaining_tokens = _even_chunk(num_uncomputed_tokens, max_tokens)
    prefills: list[ScheduledRequest] = []
    for state in states:
        chunk = min(state.num_uncomputed_tokens, remaining_tokens)
        if chunk <= 0 or (prefills and chunk < min(state.num_uncomputed_tokens, MIN_CHUNK_TOKENS)):
            break
        prefills.append(ScheduledRequest(state, state.num_computed_tokens, chunk))
        remaining_tokens -= chunk
    return prefills


def _even_chunk(num_uncomputed_tokens: int, max_tokens: int) -> int:
    """
    Return the chunk size that spreads a prefill evenly over the steps it needs anyway.

    A small last chunk would cost nearly as much as a full one.
    """
    if num_uncomputed_tokens <= max_tokens or max_tokens <= 0:
        return max_tokens
    steps = -(-num_uncomputed_tokens // max_tokens)
    return -(-num_uncomputed_tokens // steps)
