"""
CUDA graph runner: captures one graph per step shape and replays it.

Launching the kernels of forty layers takes the host longer than the GPU needs to run them. A CUDA
graph launches the whole step at once, and samples its tokens. Before its first use, each graph is
compared with an eager step by SDPA and with the host's sampler. If a shape can't be captured, or
its logits differ, all graphs are disabled: the engine runs eagerly and logs one line. If only its
tokens differ, the host samples.

The capture function is injected. Tests pass one that runs the step again on a CPU.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn

from worker.engine.attention.kv_cache import KVCache
from worker.engine.attention.step_shape import StepShape
from worker.engine.attention.step_tensors import StepTensors, stage_numbers
from worker.engine.attention.varlen_batch import VarlenAttention, VarlenBatch
from worker.engine.attention.verify import LogitsMismatchError, compare_logits
from worker.engine.core.model_runner import ModelRunner, StepLogits, run_network
from worker.engine.core.request_state import ScheduledRequest, list_step_numbers
from worker.engine.core.sampler import sample_step
from worker.engine.cuda_graphs.capture import Capture, Replay
from worker.engine.cuda_graphs.dummy_steps import make_dummy_step
from worker.engine.cuda_graphs.graph_sampler import sample_rows, stage_params
from worker.engine.cuda_graphs.shapes import GraphShapes

Log = Callable[[str], None]
"""Receives one line about an optimisation: in use, or off and why."""


class CudaGraphRunner:
    """
    Captured steps of a model over its KV cache, for `ModelRunner.cuda_graphs`.

    `shapes` must be packed if `varlen_attn` is there. `begin_capture` begins a new set of graphs
    that share memory. `compiled_layers` is the context for capturing compiled layers, if any. `log`
    receives what had to be turned off.
    """

    def __init__(
        self,
        network: nn.Module,
        kv_cache: KVCache,
        shapes: GraphShapes,
        begin_capture: Callable[[], Capture],
        log: Log,
        *,
        varlen_attn: VarlenAttention | None = None,
    ) -> None:
        self.shapes = shapes
        self.is_disabled = False
        self.on_disabled: Callable[[], None] = _do_nothing
        """Called once when the graphs are turned off. What they ran may be wrong elsewhere too."""
        self.compiled_layers: AbstractContextManager[object] | None = None
        self._network = network
        self._kv_cache = kv_cache
        self._varlen_attn = varlen_attn
        # The reference attends by SDPA, so that a wrong kernel is seen.
        self._run_reference = ModelRunner(network, kv_cache).run_eager
        self._begin_capture = begin_capture
        self._capture = begin_capture()
        self._log = log
        self._replays: dict[StepShape, Replay] = {}
        self._num_reallocations = kv_cache.num_reallocations
        all_shapes = shapes.list_shapes()
        self._max_logits = max(shape.num_logits for shape in all_shapes)
        self._device_inputs = torch.zeros(
            max(sum(shape.part_sizes) for shape in all_shapes),
            dtype=torch.long,
            device=kv_cache.layers[0].device,
        )
        # Temperature, top_k, top_p and random number of each row. Idle rows compute, too.
        self._device_params = torch.ones(
            self._max_logits, 4, dtype=torch.float64, device=self._device_inputs.device
        )
        self._token_ids = torch.zeros_like(self._device_params[:, 0], dtype=torch.long)
        self._samples = True
        self._logits: Tensor | None = None

    @property
    def max_drafting_requests(self) -> int:
        """Maximum number of decodes in a captured step with drafts."""
        return 0 if self.is_disabled else self.shapes.max_drafting_requests

    def __call__(self, step: Sequence[ScheduledRequest]) -> StepLogits | None:
        """Return logits and token ids, valid until the next step; `None` if it has no graph."""
        shape = None if self.is_disabled else self.shapes.smallest_for(step)
        if shape is None:
            return None
        if self._num_reallocations != self._kv_cache.num_reallocations:
            self._drop_captures()
        replay = self._replays.get(shape)
        if replay is None:
            return StepLogits(self._capture_new_shape(shape, step))
        self._copy_inputs(shape, step)
        replay()
        num_logits = sum(scheduled.num_logits for scheduled in step)
        token_ids = self._token_ids[:num_logits] if self._samples else None
        return StepLogits(self._logits_view(num_logits), token_ids)

    def plan_captures(self) -> Sequence[Callable[[], object]]:
        """Return one capture function per shape; call them only while all slots are idle."""
        return [partial(self._capture_shape, shape) for shape in self.shapes.list_shapes()]

    def _capture_shape(self, shape: StepShape) -> None:
        self(make_dummy_step(shape, self.shapes.num_slots))

    def _capture_new_shape(self, shape: StepShape, step: Sequence[ScheduledRequest]) -> Tensor:
        """Run a step by SDPA, capture its shape, and keep the replay if its logits match."""
        expected = self._run_reference(step)
        if not expected.isfinite().all(-1).any():
            return expected
        if self._logits is None:
            self._logits = expected.new_empty(self._max_logits, expected.shape[1])
        try:
            self._replays[shape] = self._capture_and_compare(shape, step, expected)
        # Drivers, kernels, compilers and quantized layers raise errors of any class.
        except Exception as error:  # noqa: BLE001
            reason = str(error) if isinstance(error, LogitsMismatchError) else type(error).__name__
            if self.compiled_layers is not None:
                self.compiled_layers = None
                self._log(f"layers are not compiled: {reason} at {shape}")
                return self._capture_new_shape(shape, step)
            self._disable_graphs(f"CUDA graphs are off: {reason} at {shape}")
            # The failed step may have stored wrong keys and values in place of the right ones.
            return self._run_reference(step)
        return expected

    def _capture_and_compare(
        self, shape: StepShape, step: Sequence[ScheduledRequest], expected: Tensor
    ) -> Replay:
        # Padding harms no slot, and inputs that the graph took for constants become visible.
        self._copy_inputs(shape, ())
        replay = self._capture(partial(self._run_model, shape))
        self._copy_inputs(shape, step)
        # The replay writes the KV that the reference wrote, so it may run again.
        replay()
        compare_logits(self._logits_view(len(expected)), expected)
        self._compare_tokens(step)
        return replay

    def _compare_tokens(self, step: Sequence[ScheduledRequest]) -> None:
        """Leave sampling to the host from now on if the replayed step sampled other tokens."""
        num_logits = sum(scheduled.num_logits for scheduled in step)
        logits = self._logits_view(num_logits)
        expected = dict(sample_step(step, logits))
        actual = dict(sample_step(step, logits, self._token_ids[:num_logits]))
        if self._samples and actual != expected:
            self._samples = False
            self._log("captured steps do not sample: their tokens differ")

    def _copy_inputs(self, shape: StepShape, step: Sequence[ScheduledRequest]) -> None:
        """Copy a step's inputs to the graph's fixed memory: numbers, then sampling settings."""
        device = self._device_inputs.device
        staged = stage_numbers(list_step_numbers(shape, step), device)
        self._device_inputs[: len(staged)].copy_(staged, non_blocking=True)
        if self._samples and self._logits is not None and any(part.num_logits for part in step):
            params = stage_params(step, self._logits.shape[1], device)
            self._device_params[: len(params)].copy_(params, non_blocking=True)

    def _run_model(self, shape: StepShape) -> None:
        """Run the model over the fixed memory. This is what a graph captures."""
        tensors = StepTensors.split(shape, self._device_inputs)
        batch = VarlenBatch(self._kv_cache, shape, tensors, self._varlen_attn)
        with self.compiled_layers or nullcontext():
            logits = run_network(self._network, tensors, batch)
        self._logits_view(shape.num_logits).copy_(logits)
        params = self._device_params[: shape.num_logits]
        self._token_ids[: shape.num_logits].copy_(sample_rows(logits, params))

    def _logits_view(self, num_logits: int) -> Tensor:
        """Return the first rows of the fixed output memory, `[num_logits, vocab]`."""
        assert self._logits is not None  # noqa: S101 - created before the first capture
        return self._logits[:num_logits]

    def _drop_captures(self) -> None:
        """Drop all graphs, whose memory was reallocated, and begin a new set."""
        self._replays.clear()
        self._capture = self._begin_capture()
        self._num_reallocations = self._kv_cache.num_reallocations

    def _disable_graphs(self, reason: str) -> None:
        self.is_disabled = True
        self._replays.clear()
        self._log(reason)
        self.on_disabled()


def _do_nothing() -> None:
    pass
