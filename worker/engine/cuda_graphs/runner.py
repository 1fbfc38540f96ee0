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

from worker.engine import Request, SamplingParams
from worker.engine.attention.kv_cache import KVCache
from worker.engine.attention.verify import TOLERANCE
from worker.engine.core.model_runner import MODEL_KWARGS, ModelRunner
from worker.engine.core.request_state import RequestState, ScheduledRequest
from worker.engine.cuda_graphs.padded_batch import PaddedBatch
from worker.engine.cuda_graphs.shapes import GraphInputs, GraphShape, GraphShapes, build_inputs

Replay = Callable[[], None]
Capture = Callable[[Replay], Replay]
"""Takes what is to be repeated; returns what repeats it, on the same memory."""

Log = Callable[[str], None]
"""Is told in one line what saves time here, or why something that would is off."""

NUMBERS_PER_ROW: Final = 4
"""Numbers that are fed for each row, see `Laid`."""

MIN_UNFUSED_LENGTH: Final = 1024
"""From so many positions on, two ways to attend are recorded and the faster one is kept."""

TIMING_STEPS: Final = 5
"""Steps by which it is found."""


class GraphMismatchError(Exception):
    """A recorded step says something else than the eager one."""


@dataclass(frozen=True, slots=True)
class ReferenceStep:
    """What is fed in a step, the logits `expected` of it, and which rows of them are `sound`."""

    inputs: GraphInputs
    expected: Tensor
    finite_rows: Tensor

    def check_logits(self, logits: Tensor) -> None:
        """Raise `WrongError` if the logits of a recorded step are others."""
        found = logits[: self.inputs.num_logits][self.finite_rows].float()
        expected = self.expected[self.finite_rows].float()
        relative_error = (found - expected).norm(dim=-1) / expected.norm(dim=-1)
        if not relative_error.max() < TOLERANCE[self.expected.dtype.itemsize]:
            raise GraphMismatchError("it says something else")


class CudaGraphRunner:
    """
    Recorded steps of a model over its slots, for `Forward.recorded`.

    `recorder` begins a new set of recordings, which share memory. `faster` is what the model runs
    in while it is recorded, if anything. `tell` hears what cannot be had.
    """

    def __init__(
        self,
        network: nn.Module,
        kv_cache: KVCache,
        shapes: GraphShapes,
        begin_capture: Callable[[], Capture],
        log: Log,
    ) -> None:
        self.shapes = shapes
        self.is_disabled = False
        self.compiled_layers: AbstractContextManager[object] | None = None
        self._network = network
        self._kv_cache = kv_cache
        self._run_eager = ModelRunner(network, kv_cache).run_eager
        self._begin_capture = begin_capture
        self._capture = begin_capture()
        self._log = log
        self._replays: dict[GraphShape, Replay] = {}
        self._num_reallocations = kv_cache.num_reallocations
        max_rows = max(bucket.num_rows for bucket in shapes.list_shapes())
        device = kv_cache.layers[0].device
        on_device = device.type != "cpu"
        self._host_inputs = torch.zeros(
            NUMBERS_PER_ROW * max_rows, dtype=torch.long, pin_memory=on_device
        )
        self._device_inputs = torch.zeros(
            NUMBERS_PER_ROW * max_rows, dtype=torch.long, device=device
        )
        self._logits: Tensor | None = None

    def __call__(self, step: Sequence[ScheduledRequest]) -> Tensor | None:
        """Return the logits of a step, until the next one; `None` where it must run eagerly."""
        shape = None if self.is_disabled else self.shapes.smallest_for(step)
        if shape is None:
            return None
        if self._num_reallocations != self._kv_cache.num_reallocations:
            self._drop_captures()
        replay = self._replays.get(shape)
        if replay is None:
            return self._capture_new_shape(shape, step)
        inputs = build_inputs(shape, step)
        self._copy_inputs(inputs)
        replay()
        return self._logits_view(shape)[: inputs.num_logits]

    def plan_captures(self) -> Sequence[Callable[[], object]]:
        """Return what records every shape, one after the other; only for slots that are idle."""
        return [partial(self._capture_shape, bucket) for bucket in self.shapes.list_shapes()]

    def _capture_shape(self, shape: GraphShape) -> None:
        self(_dummy_step(shape, self.shapes.num_slots))

    def _capture_new_shape(self, shape: GraphShape, step: Sequence[ScheduledRequest]) -> Tensor:
        """Take a step eagerly, record its shape, and keep what says the same and is fastest."""
        expected = self._run_eager(step)
        reference = ReferenceStep(build_inputs(shape, step), expected, expected.isfinite().all(-1))
        if not reference.finite_rows.any():
            return expected
        if self._logits is None:
            self._logits = expected.new_empty(
                len(self._device_inputs) // NUMBERS_PER_ROW, expected.shape[1]
            )
        unfused_options = (False, True) if shape.kv_length >= MIN_UNFUSED_LENGTH else (False,)
        timed_replays: list[tuple[float, Replay]] = []
        reason = ""
        for unfused in unfused_options:
            try:
                timed_replays.append(
                    self._capture_and_time(
                        shape, reference, unfused=unfused, repetitions=len(unfused_options) - 1
                    )
                )
            # Drivers, kernels, compilers and smaller weights raise whatever they like.
            except Exception as error:  # noqa: BLE001
                reason = (
                    str(error) if isinstance(error, GraphMismatchError) else type(error).__name__
                )
                if self.compiled_layers is not None:
                    self.compiled_layers = None
                    self._log(f"layers are not compiled: {reason} at {shape}")
                    return self._capture_new_shape(shape, step)
        if timed_replays:
            self._replays[shape] = min(timed_replays, key=lambda found: found[0])[1]
        else:
            self._disable_graphs(f"steps are not recorded: {reason} at {shape}")
        return expected

    def _capture_and_time(
        self, shape: GraphShape, reference: ReferenceStep, *, unfused: bool, repetitions: int
    ) -> tuple[float, Replay]:
        """Record a shape and compare it; returns what repeats it and how long that takes (s)."""
        # Idle lanes harm no slot, and a number that the recording takes for fixed will show.
        self._copy_inputs(build_inputs(shape, ()))
        replay = self._capture(lambda: self._run_model(shape, unfused=unfused))
        self._copy_inputs(reference.inputs)
        # Its keys and values are those that are there already, so this step may be repeated.
        replay()
        reference.check_logits(self._logits_view(shape))
        started_at = time.perf_counter()
        for _ in range(repetitions * TIMING_STEPS):
            replay()
        self._logits_view(shape)[0, 0].item()  # waits for the device, as the comparison has
        return time.perf_counter() - started_at, replay

    def _copy_inputs(self, inputs: GraphInputs) -> None:
        """Copy a step's numbers to where the recorded one reads them, in one piece."""
        numbers_tensor = torch.tensor(inputs.flat_numbers)
        # Nothing reads the stage any more: a step is over when its logits are on the host.
        self._host_inputs[: len(numbers_tensor)].copy_(numbers_tensor)
        self._device_inputs[: len(numbers_tensor)].copy_(
            self._host_inputs[: len(numbers_tensor)], non_blocking=True
        )

    def _run_model(self, shape: GraphShape, *, unfused: bool) -> None:
        """Run the model over the fixed memory: what is recorded."""
        ids, positions, slot_ids, logit_rows = self._device_inputs[
            : NUMBERS_PER_ROW * shape.num_rows
        ].view(NUMBERS_PER_ROW, -1)
        with self.compiled_layers or nullcontext():
            output: Any = self._network(
                input_ids=ids.unsqueeze(0),
                position_ids=positions.unsqueeze(0),
                logits_to_keep=logit_rows,
                packed=PaddedBatch(self._kv_cache, shape, positions, slot_ids, unfused),
                **MODEL_KWARGS,
            )
        self._logits_view(shape).copy_(output.logits[0])

    def _logits_view(self, shape: GraphShape) -> Tensor:
        assert self._logits is not None  # noqa: S101 - made before anything is recorded
        return self._logits[: shape.num_rows]

    def _drop_captures(self) -> None:
        """Begin anew: what was recorded reads and writes memory that is gone."""
        self._replays.clear()
        self._capture = self._begin_capture()
        self._num_reallocations = self._kv_cache.num_reallocations

    def _disable_graphs(self, reason: str) -> None:
        self.is_disabled = True
        self._replays.clear()
        self._log(reason)


def _dummy_step(shape: GraphShape, num_slots: int) -> list[ScheduledRequest]:
    """Return a step that fills a bucket: another length in each lane, the last slots, backwards."""
    step = []
    for number in range(shape.num_requests):
        start = max(0, shape.kv_length - shape.tokens_per_request - 37 * number)
        tokens = [
            (number + at) * 7919 % 31
            for at in range(min(start + shape.tokens_per_request, shape.kv_length))
        ]
        request = Request(str(number), tuple(tokens[: start + 1]), SamplingParams())
        state = RequestState(request, tokens[: start + 1], arrival=0, slot=num_slots - 1 - number)
        step.append(ScheduledRequest(state, start, 1, tuple(tokens[start + 1 :])))
    return step
