"""
The step: one forward pass over everything that runs, and what became of each request.

One request can never fail another: what cannot run is refused before it waits, unusable logits
fail their own request, and after any other error the slots are rebuilt and every live request is
read again from its tokens, suspects alone until each has gone through.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from worker.engine import FinishReason, Request
from worker.engine.attend import Chunk, Packed
from worker.engine.exits import DeviceLostError
from worker.engine.limits import refusal
from worker.engine.sample import MOST, NoProbabilitiesError, choose, needs_row, ordered, uniform
from worker.engine.schedule import Live, Schedule, Work
from worker.engine.slots import Slots

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
    """Many requests, one model. `model` must use the attention of `worker.engine.attend`."""

    def __init__(self, model: nn.Module, slots: Slots, *, vocabulary: int, budget: int) -> None:
        self.schedule = Schedule(slots.count, budget)
        self.steps = 0
        self._model = model
        self._slots = slots
        self._vocabulary = vocabulary
        self._device = slots.layers[0].device

    @property
    def busy(self) -> bool:
        """Whether a step would do anything."""
        return self.schedule.busy

    def add(self, request: Request) -> str | None:
        """Take a request in, or return the one line that says why it can never run."""
        why = refusal(request, self._slots.positions, self._vocabulary)
        if why is None:
            self.schedule.add(request)
        return why

    def stop(self, request_id: str) -> Ended | None:
        """End a request and free its slot; `None` where it is over already."""
        live = self.schedule.remove(request_id)
        return _ended(live, FinishReason.STOPPED) if live else None

    def forget(self, scope: str) -> None:
        """Wipe what free slots hold of a scope; its running requests leave nothing behind."""
        for slot in self.schedule.forget(scope):
            self._slots.wipe(slot)

    def step(self) -> Outcome:
        """Feed the next tokens of everything that runs. Raises `DeviceLostError`."""
        self.schedule.admit()
        step = self.schedule.plan()
        self.steps += 1
        outcome = Outcome()
        try:
            with torch.inference_mode():
                chosen = self._choose(step, self._forward(step), outcome)
        except Exception as error:  # noqa: BLE001 - whatever broke the step, its neighbours go on
            self._recover(step, error, outcome)
            return outcome
        for work in step:
            if work.live.request.id not in outcome.failed:
                self._advance(work, chosen.get(work.live.request.id), outcome)
        return outcome

    def _forward(self, step: list[Work]) -> Tensor:
        """Return the logits `[complete works, vocabulary]`, in the order of the step."""
        ids: list[int] = []
        positions: list[int] = []
        last, chunks = [], []
        growing = [work for work in step if work.count == 1 and work.complete]
        for work in step:
            if not (work.count == 1 and work.complete):
                chunks.append(Chunk(work.live.slot, work.start, work.count, len(ids)))
            ids += work.ids
            positions += range(work.start, work.start + work.count)
            if work.complete:
                last.append(len(ids) - 1)
        packed = Packed(
            self._slots,
            [work.live.slot for work in growing],
            [work.start for work in growing],
            chunks,
        )
        found = self._model(
            input_ids=self._row(ids),
            position_ids=self._row(positions),
            use_cache=False,
            logits_to_keep=torch.tensor(last, dtype=torch.long, device=self._device),
            packed=packed,
        )
        logits: Tensor = found.logits[0]
        return logits

    def _row(self, numbers: list[int]) -> Tensor:
        return torch.tensor([numbers], dtype=torch.long, device=self._device)

    def _choose(self, step: list[Work], logits: Tensor, outcome: Outcome) -> dict[str, int]:
        """Return the next id of each request whose pending tokens are all fed."""
        lives = [work.live for work in step if work.complete]
        chosen: dict[str, int] = {}
        if not lives:
            return chosen
        most = logits.float().topk(min(MOST, logits.shape[1]))
        values, ids = most.values.cpu().numpy(), most.indices.cpu().numpy()
        for row, live in enumerate(lives):
            try:
                chosen[live.request.id] = self._next(live, values[row], ids[row], logits[row])
            except NoProbabilitiesError:
                outcome.failed[live.request.id] = "nothing to choose from"
                self._slots.wipe(live.slot)
                self.schedule.remove(live.request.id, sound=False)
        return chosen

    def _next(self, live: Live, values: np.ndarray, ids: np.ndarray, row: Tensor) -> int:
        sampling = live.request.sampling
        if sampling.temperature == 0 and values[0] > values[1] and np.isfinite(values[0]):
            return int(ids[0])
        logits, ids = ordered(values, ids)
        if needs_row(logits, sampling):
            whole = row.float().cpu().numpy()
            logits, ids = ordered(whole, np.arange(whole.size))
        return choose(logits, ids, sampling, uniform(sampling, live.new))

    def _advance(self, work: Work, token: int | None, outcome: Outcome) -> None:
        live = work.live
        before = live.new
        reason = self.schedule.advance(work, token)
        if live.new > before and token is not None:
            outcome.tokens[live.request.id] = [token]
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
