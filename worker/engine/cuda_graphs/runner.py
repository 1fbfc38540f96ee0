"""
Steps in which every request grows, recorded once for each shape and repeated from then on.

Eagerly, the host takes longer to start the kernels of forty layers than a GPU to run them; a
recorded step is started as one. Each recording is compared with the eager step before its first
use. A shape that cannot be recorded, or says something else, turns all of it off: the worker goes
on eagerly, with one line in its log.

What records is given (see `worker.engine.cuda_graphs.capture`): what runs a step again and again
serves as well, which is how all of this is tested on a CPU.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn

from worker.engine import Request, Sampling
from worker.engine.attention.kv_cache import Slots
from worker.engine.attention.verify import CLOSE
from worker.engine.core.model_runner import CALL, Forward
from worker.engine.core.request_state import Live, Work
from worker.engine.cuda_graphs.padded_batch import Lanes
from worker.engine.cuda_graphs.shapes import Bucket, Buckets, Laid, laid

Repeat = Callable[[], None]
Record = Callable[[Repeat], Repeat]
"""Takes what is to be repeated; returns what repeats it, on the same memory."""

Tell = Callable[[str], None]
"""Is told in one line what saves time here, or why something that would is off."""

PARTS: Final = 4
"""Numbers that are fed for each row, see `Laid`."""

LONG: Final = 1024
"""From so many positions on, two ways to attend are recorded and the faster one is kept."""

TRIES: Final = 5
"""Steps by which it is found."""


class WrongError(Exception):
    """A recorded step says something else than the eager one."""


@dataclass(frozen=True, slots=True)
class Example:
    """What is fed in a step, the logits `expected` of it, and which rows of them are `sound`."""

    numbers: Laid
    expected: Tensor
    sound: Tensor

    def compare(self, logits: Tensor) -> None:
        """Raise `WrongError` if the logits of a recorded step are others."""
        found = logits[: self.numbers.wanted][self.sound].float()
        expected = self.expected[self.sound].float()
        off = (found - expected).norm(dim=-1) / expected.norm(dim=-1)
        if not off.max() < CLOSE[self.expected.dtype.itemsize]:
            raise WrongError("it says something else")


class Graphs:
    """
    Recorded steps of a model over its slots, for `Forward.recorded`.

    `recorder` begins a new set of recordings, which share memory. `faster` is what the model runs
    in while it is recorded, if anything. `tell` hears what cannot be had.
    """

    def __init__(
        self,
        network: nn.Module,
        slots: Slots,
        buckets: Buckets,
        recorder: Callable[[], Record],
        tell: Tell,
    ) -> None:
        self.buckets = buckets
        self.off = False
        self.faster: AbstractContextManager[object] | None = None
        self._network = network
        self._slots = slots
        self._plain = Forward(network, slots).plain
        self._recorder = recorder
        self._record = recorder()
        self._tell = tell
        self._repeats: dict[Bucket, Repeat] = {}
        self._rebuilt = slots.rebuilt
        rows = max(bucket.rows for bucket in buckets.all())
        device = slots.layers[0].device
        away = device.type != "cpu"
        self._staged = torch.zeros(PARTS * rows, dtype=torch.long, pin_memory=away)
        self._fed = torch.zeros(PARTS * rows, dtype=torch.long, device=device)
        self._logits: Tensor | None = None

    def __call__(self, step: Sequence[Work]) -> Tensor | None:
        """Return the logits of a step, until the next one; `None` where it must run eagerly."""
        bucket = None if self.off else self.buckets.fitting(step)
        if bucket is None:
            return None
        if self._rebuilt != self._slots.rebuilt:
            self._forget()
        repeat = self._repeats.get(bucket)
        if repeat is None:
            return self._first(bucket, step)
        numbers = laid(bucket, step)
        self._feed(numbers)
        repeat()
        return self._out(bucket)[: numbers.wanted]

    def warm(self) -> Sequence[Callable[[], object]]:
        """Return what records every shape, one after the other; only for slots that are idle."""
        return [partial(self._rehearse, bucket) for bucket in self.buckets.all()]

    def _rehearse(self, bucket: Bucket) -> None:
        self(_rehearsal(bucket, self.buckets.slots))

    def _first(self, bucket: Bucket, step: Sequence[Work]) -> Tensor:
        """Take a step eagerly, record its shape, and keep what says the same and is fastest."""
        expected = self._plain(step)
        example = Example(laid(bucket, step), expected, expected.isfinite().all(-1))
        if not example.sound.any():
            return expected
        if self._logits is None:
            self._logits = expected.new_empty(len(self._fed) // PARTS, expected.shape[1])
        ways = (False, True) if bucket.length >= LONG else (False,)
        kept: list[tuple[float, Repeat]] = []
        why = ""
        for spread in ways:
            try:
                kept.append(self._tried(bucket, example, spread=spread, tries=len(ways) - 1))
            # Drivers, kernels, compilers and smaller weights raise whatever they like.
            except Exception as error:  # noqa: BLE001
                why = str(error) if isinstance(error, WrongError) else type(error).__name__
                if self.faster is not None:
                    self.faster = None
                    self._tell(f"layers are not compiled: {why} at {bucket}")
                    return self._first(bucket, step)
        if kept:
            self._repeats[bucket] = min(kept, key=lambda found: found[0])[1]
        else:
            self._give_up(f"steps are not recorded: {why} at {bucket}")
        return expected

    def _tried(
        self, bucket: Bucket, example: Example, *, spread: bool, tries: int
    ) -> tuple[float, Repeat]:
        """Record a shape and compare it; returns what repeats it and how long that takes (s)."""
        # Idle lanes harm no slot, and a number that the recording takes for fixed will show.
        self._feed(laid(bucket, ()))
        repeat = self._record(lambda: self._run(bucket, spread=spread))
        self._feed(example.numbers)
        # Its keys and values are those that are there already, so this step may be repeated.
        repeat()
        example.compare(self._out(bucket))
        began = time.perf_counter()
        for _ in range(tries * TRIES):
            repeat()
        self._out(bucket)[0, 0].item()  # waits for the device, as the comparison has
        return time.perf_counter() - began, repeat

    def _feed(self, numbers: Laid) -> None:
        """Copy a step's numbers to where the recorded one reads them, in one piece."""
        fed = torch.tensor(numbers.numbers)
        # Nothing reads the stage any more: a step is over when its logits are on the host.
        self._staged[: len(fed)].copy_(fed)
        self._fed[: len(fed)].copy_(self._staged[: len(fed)], non_blocking=True)

    def _run(self, bucket: Bucket, *, spread: bool) -> None:
        """Run the model over the fixed memory: what is recorded."""
        ids, at, owners, order = self._fed[: PARTS * bucket.rows].view(PARTS, -1)
        with self.faster or nullcontext():
            found: Any = self._network(
                input_ids=ids.unsqueeze(0),
                position_ids=at.unsqueeze(0),
                logits_to_keep=order,
                packed=Lanes(self._slots, bucket, at, owners, spread),
                **CALL,
            )
        self._out(bucket).copy_(found.logits[0])

    def _out(self, bucket: Bucket) -> Tensor:
        assert self._logits is not None  # noqa: S101 - made before anything is recorded
        return self._logits[: bucket.rows]

    def _forget(self) -> None:
        """Begin anew: what was recorded reads and writes memory that is gone."""
        self._repeats.clear()
        self._record = self._recorder()
        self._rebuilt = self._slots.rebuilt

    def _give_up(self, why: str) -> None:
        self.off = True
        self._repeats.clear()
        self._tell(why)


def _rehearsal(bucket: Bucket, slots: int) -> list[Work]:
    """Return a step that fills a bucket: another length in each lane, the last slots, backwards."""
    step = []
    for number in range(bucket.lanes):
        start = max(0, bucket.length - bucket.width - 37 * number)
        tokens = [
            (number + at) * 7919 % 31 for at in range(min(start + bucket.width, bucket.length))
        ]
        request = Request(str(number), tuple(tokens[: start + 1]), Sampling())
        live = Live(request, tokens[: start + 1], age=0, slot=slots - 1 - number)
        step.append(Work(live, start, 1, tuple(tokens[start + 1 :])))
    return step
