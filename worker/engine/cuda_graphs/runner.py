"""
CUDA graph runner: captures one graph per decode shape and replays it.

Launching the kernels of forty layers takes the host longer than the GPU needs to run them. A CUDA
graph launches the whole step at once. Each graph is compared with an eager step before its first
use. If a shape can't be captured, or its logits differ, all graphs are disabled: the engine runs
eagerly and logs one line.

The capture function is injected. Tests pass one that runs the step again on a CPU.
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
from worker.engine.cuda_graphs.capture import Capture, Replay
from worker.engine.cuda_graphs.padded_batch import PaddedBatch
from worker.engine.cuda_graphs.shapes import GraphInputs, GraphShape, GraphShapes, build_inputs

Log = Callable[[str], None]
"""Receives one line about an optimisation: in use, or off and why."""

NUMBERS_PER_ROW: Final = 4
"""Numbers per row in `GraphInputs.flat_numbers`."""

MIN_UNFUSED_LENGTH: Final = 1024
"""From this KV length on, fused and unfused attention are captured; the faster one is kept."""

TIMING_STEPS: Final = 5
"""Replays per timing."""


class GraphMismatchError(Exception):
    """A captured step returns other logits than the eager one."""


@dataclass(frozen=True, slots=True)
class ReferenceStep:
    """An eager step: inputs, `expected` logits `[N, vocab]`, and boolean `finite_rows` `[N]`."""

    inputs: GraphInputs
    expected: Tensor
    finite_rows: Tensor

    def check_logits(self, logits: Tensor) -> None:
        """Raise `GraphMismatchError` if a captured step's logits `[rows, vocab]` differ."""
        actual = logits[: self.inputs.num_logits][self.finite_rows].float()
        expected = self.expected[self.finite_rows].float()
        relative_error = (actual - expected).norm(dim=-1) / expected.norm(dim=-1)
        if not relative_error.max() < TOLERANCE[self.expected.dtype.itemsize]:
            raise GraphMismatchError("its logits differ")


class CudaGraphRunner:
    """
    Captured decode steps of a model over its KV cache, for `ModelRunner.cuda_graphs`.

    `begin_capture` begins a new set of graphs that share memory. `compiled_layers` is the context
    for capturing compiled layers, if any. `log` receives what had to be turned off. `clock`
    returns seconds, and times the variants of a shape.
    """

    def __init__(
        self,
        network: nn.Module,
        kv_cache: KVCache,
        shapes: GraphShapes,
        begin_capture: Callable[[], Capture],
        log: Log,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.shapes = shapes
        self._clock = clock
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
        max_rows = max(shape.num_rows for shape in shapes.list_shapes())
        device = kv_cache.layers[0].device
        on_device = device.type != "cpu"
        self._host_inputs = torch.zeros(
            NUMBERS_PER_ROW * max_rows, dtype=torch.long, pin_memory=on_device
        )
        self._device_inputs = torch.zeros(
            NUMBERS_PER_ROW * max_rows, dtype=torch.long, device=device
        )
        self._logits: Tensor | None = None

    @property
    def max_drafting_requests(self) -> int:
        """Maximum number of requests in a captured step with drafts."""
        return self.shapes.max_requests_with_drafts

    def __call__(self, step: Sequence[ScheduledRequest]) -> Tensor | None:
        """Return logits `[N, vocab]`, valid until the next step; `None` if it has no graph."""
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
        """Return one capture function per shape; call them only while all slots are idle."""
        return [partial(self._capture_shape, shape) for shape in self.shapes.list_shapes()]

    def _capture_shape(self, shape: GraphShape) -> None:
        self(_dummy_step(shape, self.shapes.num_slots))

    def _capture_new_shape(self, shape: GraphShape, step: Sequence[ScheduledRequest]) -> Tensor:
        """Run a step eagerly, capture its shape, and keep the fastest replay that matches."""
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
            # Drivers, kernels, compilers and quantized layers raise errors of any class.
            except Exception as error:  # noqa: BLE001
                reason = (
                    str(error) if isinstance(error, GraphMismatchError) else type(error).__name__
                )
                if self.compiled_layers is not None:
                    self.compiled_layers = None
                    self._log(f"layers are not compiled: {reason} at {shape}")
                    return self._capture_new_shape(shape, step)
        if timed_replays:
            self._replays[shape] = min(timed_replays, key=lambda timed: timed[0])[1]
        else:
            self._disable_graphs(f"CUDA graphs are off: {reason} at {shape}")
        return expected

    def _capture_and_time(
        self, shape: GraphShape, reference: ReferenceStep, *, unfused: bool, repetitions: int
    ) -> tuple[float, Replay]:
        """Capture a shape and check its logits; returns the timing in seconds and the replay."""
        # Padding harms no slot, and inputs that the graph took for constants become visible.
        self._copy_inputs(build_inputs(shape, ()))
        replay = self._capture(lambda: self._run_model(shape, unfused=unfused))
        self._copy_inputs(reference.inputs)
        # The replay writes the KV that the eager step wrote, so it may run again.
        replay()
        reference.check_logits(self._logits_view(shape))
        started_at = self._clock()
        for _ in range(repetitions * TIMING_STEPS):
            replay()
        self._logits_view(shape)[0, 0].item()  # waits for the device, as `check_logits` did
        return self._clock() - started_at, replay

    def _copy_inputs(self, inputs: GraphInputs) -> None:
        """Copy a step's inputs to the graph's fixed memory in one transfer."""
        numbers_tensor = torch.tensor(inputs.flat_numbers)
        # The staging memory is free: the last step ended when its logits reached the host.
        self._host_inputs[: len(numbers_tensor)].copy_(numbers_tensor)
        self._device_inputs[: len(numbers_tensor)].copy_(
            self._host_inputs[: len(numbers_tensor)], non_blocking=True
        )

    def _run_model(self, shape: GraphShape, *, unfused: bool) -> None:
        """Run the model over the fixed memory. This is what a graph captures."""
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
        """Return the fixed output memory of a shape, `[rows, vocab]`."""
        assert self._logits is not None  # noqa: S101 - created before the first capture
        return self._logits[: shape.num_rows]

    def _drop_captures(self) -> None:
        """Drop all graphs, whose memory was reallocated, and begin a new set."""
        self._replays.clear()
        self._capture = self._begin_capture()
        self._num_reallocations = self._kv_cache.num_reallocations

    def _disable_graphs(self, reason: str) -> None:
        self.is_disabled = True
        self._replays.clear()
        self._log(reason)


def _dummy_step(shape: GraphShape, num_slots: int) -> list[ScheduledRequest]:
    """Return a step that fills a shape, with different lengths, in the last slots."""
    step = []
    for number in range(shape.num_requests):
        start = max(0, shape.kv_length - shape.tokens_per_request - 37 * number)
        tokens = [
            (number + position) * 7919 % 31
            for position in range(min(start + shape.tokens_per_request, shape.kv_length))
        ]
        request = Request(str(number), tuple(tokens[: start + 1]), SamplingParams())
        state = RequestState(request, tokens[: start + 1], arrival=0, slot=num_slots - 1 - number)
        step.append(ScheduledRequest(state, start, 1, tuple(tokens[start + 1 :])))
    return step
