"""
Who runs in which slot and which tokens go into the next step; pure Python, no torch.

What a slot does not hold yet is fed in: one token for a request that is growing, a chunk for one
that is being read. So a request that lost its slot's memory is simply read again. Behind its one
token a growing request may be fed drafted ones; they count once they are chosen.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush

from worker.engine import FinishReason, Request
from worker.engine.core.ngram_proposer import choose_draft_length
from worker.engine.core.request_state import RequestState, ScheduledRequest
from worker.engine.core.slot_allocator import SlotAllocation, SlotAllocator

MAX_FAILED_STEPS = 4
"""In so many failed steps may a request take part before it is given up, guilty or not."""


@dataclass(slots=True)
class Scheduler:
    """
    Waiting and running requests. `budget` is the most tokens in one step.

    Up to `drafted` tokens are drafted for a request in a step, where that is worth it on a device
    whose `ridge` and `single` are given (see `worker.engine.core.ngram_proposer`); 0 turns it off.
    None are while more than `crowd` requests grow.
    """

    num_slots: int
    max_step_tokens: int
    num_speculative_tokens: int = 0
    ridge_tokens: float = 0.0
    single_row_cost: float = 1.0
    max_drafting_requests: int = sys.maxsize
    waiting: list[tuple[int, int, RequestState]] = field(default_factory=list)
    running: dict[str, RequestState] = field(default_factory=dict)
    slot_allocator: SlotAllocator = field(init=False)
    _num_arrivals: int = 0

    def __post_init__(self) -> None:
        self.slot_allocator = SlotAllocator(set(range(self.num_slots)))

    @property
    def has_unfinished_requests(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.waiting or self.running)

    def add_request(self, request: Request) -> None:
        """Let a request wait for a slot."""
        self._num_arrivals += 1
        state = RequestState(request, list(request.prompt), self._num_arrivals)
        heappush(self.waiting, (-request.priority, state.arrival, state))

    def remove_request(self, request_id: str, *, keep_prefix: bool = True) -> RequestState | None:
        """
        Take a request out, waiting or running, and free its slot at once.

        What the slot holds may be used again if it is `sound`.
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
        """Return the requests, waiting or running, whose deadline has passed (s, monotonic)."""
        states = [*self.running.values(), *(live for _, _, live in self.waiting)]
        requests = [live.request for live in states]
        return [r.id for r in requests if r.deadline is not None and r.deadline <= now]

    def drop_scope(self, scope: str) -> list[int]:
        """Let nothing of a scope be used again; returns the free slots that still hold some."""
        states = [*self.running.values(), *(state for _, _, state in self.waiting)]
        for live in states:
            if live.request.scope == scope:
                live.request = replace(live.request, scope="")
        return self.slot_allocator.drop_scope(scope)

    def admit_waiting(self) -> list[tuple[RequestState, SlotAllocation]]:
        """
        Give the free slots to those who wait: by priority, then by age.

        Returns the claims in their order; the caller sees to it that each slot holds what its
        claim says.
        """
        allocations = []
        while self.slot_allocator and self.waiting:
            state = heappop(self.waiting)[2]
            allocation = self.slot_allocator.allocate_slot(state.request.scope, state.token_ids)
            state.slot, state.num_computed_tokens = allocation.slot, allocation.num_cached_tokens
            self.running[state.request.id] = state
            allocations.append((state, allocation))
        return allocations

    def schedule_step(self) -> list[ScheduledRequest]:
        """Return the next step: who grows goes first, then who is read, oldest first."""
        states = sorted(
            self.running.values(), key=lambda live: (-live.request.priority, live.arrival)
        )
        suspects = [state for state in states if state.is_suspect]
        if suspects:
            # Alone in its step, a request that breaks it cannot be taken for another.
            states = suspects[:1]
        decodes = [
            ScheduledRequest(live, live.num_computed_tokens, 1)
            for live in states
            if live.num_uncomputed_tokens == 1
        ]
        prefilling = [live for live in states if live.num_uncomputed_tokens > 1]
        remaining_tokens = _even_chunk(
            sum(live.num_uncomputed_tokens for live in prefilling),
            self.max_step_tokens - len(decodes),
        )
        prefills = []
        for live in prefilling:
            if remaining_tokens > 0:
                prefills.append(
                    ScheduledRequest(
                        live,
                        live.num_computed_tokens,
                        min(live.num_uncomputed_tokens, remaining_tokens),
                    )
                )
                remaining_tokens -= prefills[-1].num_tokens
        if self.num_speculative_tokens and len(decodes) <= self.max_drafting_requests:
            num_rows = len(decodes) + sum(prefill.num_tokens for prefill in prefills)
            decodes = self._add_drafts(decodes, self.max_step_tokens - num_rows, num_rows)
        return decodes + prefills

    def _add_drafts(
        self, decodes: list[ScheduledRequest], remaining_tokens: int, num_rows: int
    ) -> list[ScheduledRequest]:
        """Add drafts to the growing requests of a step of `rows` tokens; those without go first."""
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
        # The last token of a reply is chosen and never fed.
        max_length = min(
            self.num_speculative_tokens,
            remaining_tokens,
            state.request.sampling.max_new_tokens - state.num_new_tokens - 1,
        )
        length = choose_draft_length(
            state.proposer.acceptance_rate,
            num_rows,
            self.ridge_tokens,
            max_length,
            self.single_row_cost,
        )
        return tuple(state.proposer.propose_tokens(length))

    def commit_tokens(
        self, scheduled: ScheduledRequest, sampled: Sequence[int]
    ) -> FinishReason | None:
        """
        Note that a step went through, with the tokens chosen for this request, if any, in order.

        All but the last one were drafted, so their keys and values are held already; what the slot
        has beyond is fed again. The last one may end the reply.
        """
        state = scheduled.state
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

    def record_failure(self, step: list[ScheduledRequest]) -> list[RequestState]:
        """
        Note that a step failed and that no slot holds anything any more.

        Returns who must be given up: a request that was alone in the step, or one that was in too
        many failed steps. All others are read again, one at a time until each has gone through.
        """
        self.slot_allocator.drop_all()
        for state in self.running.values():
            state.num_computed_tokens = 0
        for scheduled in step:
            scheduled.state.failed_steps += 1
            scheduled.state.is_suspect = True
        states = [work.state for work in step]
        if len(states) == 1 and states[0].failed_steps > 1:
            return states
        return [live for live in states if live.failed_steps >= MAX_FAILED_STEPS]


def _even_chunk(num_uncomputed_tokens: int, max_tokens: int) -> int:
    """
    Return how many of so many tokens to read now if a step has so much room.

    The same number of steps, but none of them with a small rest: few rows cost more for each.
    """
    if num_uncomputed_tokens <= max_tokens or max_tokens <= 0:
        return max_tokens
    steps = -(-num_uncomputed_tokens // max_tokens)
    return -(-num_uncomputed_tokens // steps)
