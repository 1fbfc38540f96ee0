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
from worker.engine.core.ngram_proposer import worthwhile
from worker.engine.core.request_state import Live, Work
from worker.engine.core.slot_allocator import Claim, Parked

MOST_FAILURES = 4
"""In so many failed steps may a request take part before it is given up, guilty or not."""


@dataclass(slots=True)
class Schedule:
    """
    Waiting and running requests. `budget` is the most tokens in one step.

    Up to `drafted` tokens are drafted for a request in a step, where that is worth it on a device
    whose `ridge` and `single` are given (see `worker.engine.core.ngram_proposer`); 0 turns it off.
    None are while more than `crowd` requests grow.
    """

    slots: int
    budget: int
    drafted: int = 0
    ridge: float = 0.0
    single: float = 1.0
    crowd: int = sys.maxsize
    waiting: list[tuple[int, int, Live]] = field(default_factory=list)
    running: dict[str, Live] = field(default_factory=dict)
    free: Parked = field(init=False)
    _age: int = 0

    def __post_init__(self) -> None:
        self.free = Parked(set(range(self.slots)))

    @property
    def busy(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.waiting or self.running)

    def add(self, request: Request) -> None:
        """Let a request wait for a slot."""
        self._age += 1
        live = Live(request, list(request.prompt), self._age)
        heappush(self.waiting, (-request.priority, live.age, live))

    def remove(self, request_id: str, *, sound: bool = True) -> Live | None:
        """
        Take a request out, waiting or running, and free its slot at once.

        What the slot holds may be used again if it is `sound`.
        """
        live = self.running.pop(request_id, None)
        if live is not None:
            held = live.tokens[: live.held] if sound else []
            self.free.park(live.slot, live.request.scope, held)
            return live
        for entry in self.waiting:
            if entry[2].request.id == request_id:
                self.waiting.remove(entry)
                self.waiting.sort()
                return entry[2]
        return None

    def late(self, now: float) -> list[str]:
        """Return the requests, waiting or running, whose deadline has passed (s, monotonic)."""
        lives = [*self.running.values(), *(live for _, _, live in self.waiting)]
        requests = [live.request for live in lives]
        return [r.id for r in requests if r.deadline is not None and r.deadline <= now]

    def forget(self, scope: str) -> list[int]:
        """Let nothing of a scope be used again; returns the free slots that still hold some."""
        lives = [*self.running.values(), *(live for _, _, live in self.waiting)]
        for live in lives:
            if live.request.scope == scope:
                live.request = replace(live.request, scope="")
        return self.free.forget(scope)

    def admit(self) -> list[tuple[Live, Claim]]:
        """
        Give the free slots to those who wait: by priority, then by age.

        Returns the claims in their order; the caller sees to it that each slot holds what its
        claim says.
        """
        claims = []
        while self.free and self.waiting:
            live = heappop(self.waiting)[2]
            claim = self.free.claim(live.request.scope, live.tokens)
            live.slot, live.held = claim.slot, claim.held
            self.running[live.request.id] = live
            claims.append((live, claim))
        return claims

    def plan(self) -> list[Work]:
        """Return the next step: who grows goes first, then who is read, oldest first."""
        lives = sorted(self.running.values(), key=lambda live: (-live.request.priority, live.age))
        suspects = [live for live in lives if live.suspect]
        if suspects:
            # Alone in its step, a request that breaks it cannot be taken for another.
            lives = suspects[:1]
        growing = [Work(live, live.held, 1) for live in lives if live.pending == 1]
        unread = [live for live in lives if live.pending > 1]
        room = _share(sum(live.pending for live in unread), self.budget - len(growing))
        reading = []
        for live in unread:
            if room > 0:
                reading.append(Work(live, live.held, min(live.pending, room)))
                room -= reading[-1].count
        if self.drafted and len(growing) <= self.crowd:
            fed = len(growing) + sum(work.count for work in reading)
            growing = self._with_drafts(growing, self.budget - fed, fed)
        return growing + reading

    def _with_drafts(self, growing: list[Work], room: int, rows: int) -> list[Work]:
        """Add drafts to the growing requests of a step of `rows` tokens; those without go first."""
        plain: list[Work] = []
        drafting: list[Work] = []
        for work in growing:
            drafted = self._draft(work.live, room, rows)
            room -= len(drafted)
            rows += len(drafted)
            (drafting if drafted else plain).append(replace(work, drafted=drafted))
        return plain + drafting

    def _draft(self, live: Live, room: int, rows: int) -> tuple[int, ...]:
        if live.drafter is None:
            return ()
        live.drafter.learn()
        # The last token of a reply is chosen and never fed.
        most = min(self.drafted, room, live.request.sampling.max_new_tokens - live.new - 1)
        length = worthwhile(live.drafter.trust, rows, self.ridge, most, self.single)
        return tuple(live.drafter.draft(length))

    def advance(self, work: Work, chosen: Sequence[int]) -> FinishReason | None:
        """
        Note that a step went through, with the tokens chosen for this request, if any, in order.

        All but the last one were drafted, so their keys and values are held already; what the slot
        has beyond is fed again. The last one may end the reply.
        """
        live = work.live
        live.held += work.count
        if not chosen:
            return None
        live.suspect = False
        live.held += len(chosen) - 1
        if work.ends(chosen[-1]):
            live.tokens += chosen[:-1]
            return FinishReason.STOP
        live.tokens += chosen
        if live.new >= live.request.sampling.max_new_tokens:
            return FinishReason.LENGTH
        return None

    def fail(self, step: list[Work]) -> list[Live]:
        """
        Note that a step failed and that no slot holds anything any more.

        Returns who must be given up: a request that was alone in the step, or one that was in too
        many failed steps. All others are read again, one at a time until each has gone through.
        """
        self.free.forget_all()
        for live in self.running.values():
            live.held = 0
        for work in step:
            work.live.failures += 1
            work.live.suspect = True
        lives = [work.live for work in step]
        if len(lives) == 1 and lives[0].failures > 1:
            return lives
        return [live for live in lives if live.failures >= MOST_FAILURES]


def _share(pending: int, room: int) -> int:
    """
    Return how many of so many tokens to read now if a step has so much room.

    The same number of steps, but none of them with a small rest: few rows cost more for each.
    """
    if pending <= room or room <= 0:
        return room
    steps = -(-pending // room)
    return -(-pending // steps)
