"""Makes a loaded model ready: its step loop, and first runs of what a request would wait for."""

from collections.abc import Callable
from functools import partial
from typing import Final

import torch

from worker.engine import Request, SamplingParams
from worker.engine.attention.flash_varlen import load_flash_varlen
from worker.engine.core.engine_core import EngineCore
from worker.engine.cuda_graphs.capture import begin_cuda_capture
from worker.engine.cuda_graphs.compiled import CompiledLayers
from worker.engine.cuda_graphs.runner import Capture, CudaGraphRunner, Log
from worker.engine.cuda_graphs.shapes import GraphShapes
from worker.engine.loading.loader import LoadedModel
from worker.engine.loading.progress import Progress
from worker.engine.options import EngineConfig

CPU_WARMUP_TOKENS: Final = 8
"""Tokens of the first prompt on a CPU, where many would take seconds, or behind a whole step."""

WARMUP_START_FRACTION: Final = 0.92
"""The share of the whole start that is done when the warm-up begins."""


def warm_up(
    loaded: LoadedModel,
    config: EngineConfig,
    progress: Progress,
    log: Log,
    begin_capture: Callable[[], Capture] | None = None,
) -> EngineCore:
    """
    Return the step loop over a loaded model once all of it has run.

    `tell` hears what it goes without, and how it reads. `begin` begins a set of recorded steps;
    unless it is given, they are for a GPU alone.
    """
    engine_core = EngineCore(
        loaded.network,
        loaded.kv_cache,
        vocab_size=loaded.info.vocab_size,
        max_step_tokens=loaded.max_step_tokens,
        host_cache_bytes=loaded.host_cache_bytes,
        num_speculative_tokens=config.num_speculative_tokens,
    )
    device = loaded.kv_cache.layers[0].device
    if device.type == "cuda":
        engine_core.model_runner.flash_varlen = load_flash_varlen(log)
        begin_capture = begin_capture or partial(begin_cuda_capture, device)
    graphs = None
    if begin_capture is not None and config.cuda_graphs:
        graphs = build_cuda_graphs(loaded, config, begin_capture, log)
    elif config.compile_layers:
        log("layers are not compiled: that is for steps recorded on a GPU")
    runs: list[Callable[[], object]] = [
        partial(_run_dummy_request, engine_core, loaded),
        *(graphs.plan_captures() if graphs else ()),
    ]
    for number, run in enumerate(runs):
        done = WARMUP_START_FRACTION + (1 - WARMUP_START_FRACTION) * number / len(runs)
        progress(f"warming up {number + 1} of {len(runs)}", round(done, 3))
        with torch.inference_mode():
            run()
    engine_core.steps = 0
    if graphs is not None:
        engine_core.use_cuda_graphs(graphs)
    return engine_core


def build_cuda_graphs(
    loaded: LoadedModel, config: EngineConfig, begin_capture: Callable[[], Capture], log: Log
) -> CudaGraphRunner:
    """Return the recorded steps of a model, none of which is recorded yet."""
    shapes = GraphShapes(
        loaded.kv_cache.num_slots, loaded.kv_cache.max_positions, config.num_speculative_tokens
    )
    graphs = CudaGraphRunner(loaded.network, loaded.kv_cache, shapes, begin_capture, log)
    if config.compile_layers:
        graphs.compiled_layers = CompiledLayers(loaded.network)
    return graphs


def _run_dummy_request(engine_core: EngineCore, loaded: LoadedModel) -> None:
    """Read a prompt and grow by a token; on a GPU one that takes two steps to read."""
    on_cpu = loaded.kv_cache.layers[0].device.type == "cpu"
    length = min(
        CPU_WARMUP_TOKENS if on_cpu else loaded.max_step_tokens + CPU_WARMUP_TOKENS,
        loaded.info.max_positions - 2,
    )
    prompt = tuple(at * 7919 % loaded.info.vocab_size for at in range(length))
    engine_core.add_request(Request("", prompt, SamplingParams(max_new_tokens=2, temperature=0)))
    while engine_core.has_unfinished_requests:
        engine_core.run_step()
