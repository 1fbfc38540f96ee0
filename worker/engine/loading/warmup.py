"""Warm-up: builds the engine core, captures CUDA graphs and runs a first request."""

from collections.abc import Callable
from functools import partial
from typing import Final

import torch

from worker.engine import Request, SamplingParams
from worker.engine.attention.flash_varlen import load_flash_varlen
from worker.engine.core.engine_core import EngineCore
from worker.engine.cuda_graphs.capture import Capture, CompiledLayers, begin_cuda_capture
from worker.engine.cuda_graphs.runner import CudaGraphRunner, Log
from worker.engine.cuda_graphs.shapes import GraphShapes
from worker.engine.loading.loader import LoadedModel
from worker.engine.loading.progress import Progress
from worker.engine.protocol import EngineConfig

CPU_WARMUP_TOKENS: Final = 8
"""Length of the first prompt on a CPU; on a GPU it follows one full prefill chunk."""

WARMUP_START_FRACTION: Final = 0.92
"""Progress of the whole start at the beginning of the warm-up."""


def warm_up(
    loaded: LoadedModel,
    config: EngineConfig,
    progress: Progress,
    log: Log,
    begin_capture: Callable[[], Capture] | None = None,
) -> EngineCore:
    """
    Return the engine core of a loaded model after a first run of everything.

    `log` receives one line per optimisation. `begin_capture` begins a set of CUDA graphs; by
    default only a GPU has them.
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
        log("layers are not compiled: only CUDA graphs on a GPU use compiled layers")
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
    """Return a graph runner for a model, with no graph captured yet."""
    shapes = GraphShapes(
        loaded.kv_cache.num_slots, loaded.kv_cache.max_positions, config.num_speculative_tokens
    )
    graphs = CudaGraphRunner(loaded.network, loaded.kv_cache, shapes, begin_capture, log)
    if config.compile_layers:
        graphs.compiled_layers = CompiledLayers(loaded.network)
    return graphs


def _run_dummy_request(engine_core: EngineCore, loaded: LoadedModel) -> None:
    """Run a prefill and one decode step; on a GPU the prefill takes two chunks."""
    on_cpu = loaded.kv_cache.layers[0].device.type == "cpu"
    length = min(
        CPU_WARMUP_TOKENS if on_cpu else loaded.max_step_tokens + CPU_WARMUP_TOKENS,
        loaded.info.max_positions - 2,
    )
    prompt = tuple(position * 7919 % loaded.info.vocab_size for position in range(length))
    engine_core.add_request(Request("", prompt, SamplingParams(max_new_tokens=2, temperature=0)))
    while engine_core.has_unfinished_requests:
        engine_core.run_step()
