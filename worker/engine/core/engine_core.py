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
from worker.engine.attention.kv_cache import Slots
from worker.engine.core.furnish import Pasts, furnish, wipe
from worker.engine.core.model_runner import Forward
from worker.engine.core.ngram_proposer import RIDGE, SINGLE
from worker.engine.core.prefix_cache import Shelf
from worker.engine.core.request_state import Live, Work
from worker.engine.core.sampler import choices
from worker.engine.core.scheduler import Schedule
from worker.engine.cuda_graphs.runner import Graphs
from worker.engine.exits import DeviceLostError
from worker.engine.validation import refusal

LEAST_BUDGET: Final = 16
"""Running out of memory halves the tokens of a step, down to this."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a request ended and its counts of tokens."""

    reason: FinishReason
    prompt_tokens: int
    new_tokens: int


@dataclass(slots=True)
class Outcome:
    """What one step brought: new ids, ends, and codes of failures by request id."""

    tokens: dict[str, list[int]] = field(default_factory=dict)
    ended: dict[str, Ended] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    trouble: str | None = None
    """The class of the error that broke the step, if one did."""


class Batching:
    """
    Many requests, one model. `model` must use the attention of `worker.engine.attention.backend`.

    `budget` are the most tokens in a step, `drafted` the most that are drafted for a request in it,
    `shelf` the bytes of what slots had to give up.
    """

    def __init__(
        self,
        model: nn.Module,
        slots: Slots,
        *,
        vocabulary: int,
        budget: int,
        drafted: int = 0,
        shelf: int = 0,
    ) -> None:
        kind = slots.layers[0].device.type
        self.schedule = Schedule(slots.count, budget, drafted, RIDGE[kind], SINGLE[kind])
        self.shelf: Pasts = Shelf(shelf)
        self.forward = Forward(model, slots)
        self.steps = 0
        self._slots = slots
        self._vocabulary = vocabulary

    @property
    def busy(self) -> bool:
        """Whether a step would do anything."""
        return self.schedule.busy

    def engage(self, graphs: Graphs) -> None:
        """Let steps in which everybody grows be repeated from recordings from now on."""
        self.forward.recorded = graphs
        # An eager step costs a draft more than it saves: who has no recorded one drafts nothing.
        self.schedule.crowd = graphs.buckets.crowd

    def add(self, request: Request) -> str | None:
        """Take a request in, or return the one line that says why it can never run."""
        why = refusal(request, self._slots.positions, self._vocabulary)
        if why is None:
            self.schedule.add(request)
        return why

    def stop(self, request_id: str) -> Ended | None:
        """End a request and free its slot; `None` where it is over already."""
        return self._end(request_id, FinishReason.STOPPED)

    def forget(self, scope: str) -> None:
        """Wipe what free slots hold of a scope; its running requests leave nothing behind."""
        for slot in self.schedule.forget(scope):
            self._slots.wipe(slot)
        wipe(self.shelf, scope)

    def admit(self) -> None:
        """Give the free slots to those who wait, with what is kept of their threads."""
        for live, claim in self.schedule.admit():
            try:
                live.held = furnish(self._slots, self.shelf, live, claim)
            except Exception as error:  # what was to save time must cost no reply
                if _device_lost(error):
                    raise DeviceLostError(type(error).__name__) from error
                self.shelf.clear()
                live.held = 0

    def step(self) -> Outcome:
        """
        Feed the next tokens of everything that runs, but for what is past its deadline.

        Raises `DeviceLostError`.
        """
        self.steps += 1
        outcome = Outcome()
        for name in self.schedule.late(time.monotonic()):
            if ended := self._end(name, FinishReason.TIMEOUT):
                outcome.ended[name] = ended
        self.admit()
        step = self.schedule.plan()
        if step:
            self._take(step, outcome)
        return outcome

    def _end(self, request_id: str, reason: FinishReason) -> Ended | None:
        live = self.schedule.remove(request_id)
        return _ended(live, reason) if live else None

    def _take(self, step: list[Work], outcome: Outcome) -> None:
        try:
            with torch.inference_mode():
                chosen = self._choose(step, self.forward(step), outcome)
        except Exception as error:  # noqa: BLE001 - whatever broke the step, its neighbours go on
            self._recover(step, error, outcome)
            return
        for work in step:
            found = chosen.get(work.live.request.id, [])
            if found or not work.complete:
                self._advance(work, found, outcome)

    def _choose(self, step: list[Work], logits: Tensor, outcome: Outcome) -> dict[str, list[int]]:
        """Return the next ids of each request whose pending tokens are all fed."""
        chosen: dict[str, list[int]] = {}
        for work, found in choices(step, logits):
            chosen[work.live.request.id] = found
            if not found:
                self._fail(work, outcome)
        return chosen

    def _fail(self, work: Work, outcome: Outcome) -> None:
        """Give a request up whose logits are unusable, or its drafts, which may be to blame."""
        live = work.live
        if work.drafted:
            live.drafter = None
            self._slots.wipe(live.slot, work.start)
            return
        outcome.failed[live.request.id] = "nothing to choose from"
        self._slots.wipe(live.slot)
        self.schedule.remove(live.request.id, sound=False)

    def _advance(self, work: Work, chosen: list[int], outcome: Outcome) -> None:
        live = work.live
        before = len(live.tokens)
        reason = self.schedule.advance(work, chosen)
        if len(live.tokens) > before:
            outcome.tokens[live.request.id] = live.tokens[before:]
        if reason is not None:
            self.schedule.remove(live.request.id)
            outcome.ended[live.request.id] = _ended(live, reason)

    def _recover(self, step: list[Work], error: Exception, outcome: Outcome) -> None:
        """Start from fresh slots, and give up only who is to blame."""
        if _device_lost(error):
            raise DeviceLostError(type(error).__name__) from error
        outcome.trouble = type(error).__name__
        if isinstance(error, torch.OutOfMemoryError | MemoryError):
            self.schedule.budget = max(LEAST_BUDGET, self.schedule.budget // 2)
            self.shelf.clear()
        self._slots.rebuild()
        for live in self.schedule.fail(step):
            self.schedule.remove(live.request.id, sound=False)
            outcome.failed[live.request.id] = outcome.trouble


def _ended(live: Live, reason: FinishReason) -> Ended:
    return Ended(reason, len(live.request.prompt), live.new)


def _device_lost(error: Exception) -> bool:
    """Whether an error came from the device itself; running out of its memory is no such error."""
    if isinstance(error, torch.OutOfMemoryError):
        return False
    text = str(error)
    return isinstance(error, torch.AcceleratorError) or "CUDA" in text or "cuDNN" in text
