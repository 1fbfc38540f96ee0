"""Warm-up: builds the engine core, captures CUDA graphs and runs a first request."""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

import torch

from worker.engine import LoadError, Request, SamplingParams
from worker.engine.attention.varlen_batch import VarlenAttention
from worker.engine.attention.verify import list_probe_tokens
from worker.engine.core.engine_core import EngineCore
from worker.engine.cuda_graphs.capture import Capture, CompiledLayers, begin_cuda_capture
from worker.engine.cuda_graphs.runner import CudaGraphRunner, Log
from worker.engine.cuda_graphs.shapes import GraphShapes
from worker.engine.loading.attention_check import check_kv_attention
from worker.engine.loading.attention_choice import choose_varlen_attn
from worker.engine.loading.loader import LoadedModel
from worker.engine.loading.progress import Progress
from worker.engine.protocol import EngineConfig

CPU_WARMUP_TOKENS: Final = 8
"""Length of the first prompt on a CPU; on a GPU it follows one full prefill chunk."""

MAX_STEP_SECONDS: Final = 5.0
"""
Duration that a step on a CPU should not exceed, when a reply or a stop waits for it.

Six times as long without a step, and the parent takes the child for dead.
"""

MEASURED_TOKENS: Final = 32
"""Length of the prompt whose step tells what a token costs on a CPU."""

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
    default only a GPU has them. Raises `LoadError` if no request would succeed.
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
        _choose_attention(engine_core, loaded, log)
        begin_capture = begin_capture or partial(begin_cuda_capture, device)
    graphs = None
    if begin_capture is not None and config.cuda_graphs:
        varlen_attn = engine_core.model_runner.varlen_attn
        graphs = build_cuda_graphs(loaded, config, begin_capture, log, varlen_attn)
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
    if device.type == "cuda":
        loaded.kv_cache.zero_slots()
    elif not config.max_step_tokens:
        _limit_step(engine_core, loaded, log)
    engine_core.steps = 0
    if graphs is not None:
        _use_graphs(engine_core, graphs)
    return engine_core


def _choose_attention(engine_core: EngineCore, loaded: LoadedModel, log: Log) -> None:
    """Check a GPU's attention and choose it; the slots hold noise until the end of the warm-up."""
    loaded.kv_cache.fill_with_noise()
    with torch.inference_mode():
        check_kv_attention(loaded.network, loaded.kv_cache)
        varlen_attn = choose_varlen_attn(loaded.network, loaded.kv_cache, log)
    engine_core.model_runner.varlen_attn = varlen_attn
    if varlen_attn is None:
        _leave_kernel(engine_core)


def build_cuda_graphs(
    loaded: LoadedModel,
    config: EngineConfig,
    begin_capture: Callable[[], Capture],
    log: Log,
    varlen_attn: VarlenAttention | None,
) -> CudaGraphRunner:
    """Return a graph runner for a model, with no graph captured yet."""
    shapes = GraphShapes(
        loaded.kv_cache.num_slots,
        loaded.kv_cache.max_positions,
        loaded.max_step_tokens,
        config.num_speculative_tokens,
        is_packed=varlen_attn is not None,
    )
    graphs = CudaGraphRunner(
        loaded.network, loaded.kv_cache, shapes, begin_capture, log, varlen_attn=varlen_attn
    )
    if config.compile_layers:
        graphs.compiled_layers = CompiledLayers(loaded.network)
    return graphs


def _use_graphs(engine_core: EngineCore, graphs: CudaGraphRunner) -> None:
    engine_core.use_cuda_graphs(graphs)
    graphs.on_disabled = partial(_leave_kernel, engine_core)
    if graphs.is_disabled:
        graphs.on_disabled()


def _leave_kernel(engine_core: EngineCore) -> None:
    """Attend by SDPA from now on: the kernel may be to blame, and eager steps would use it too."""
    engine_core.model_runner.varlen_attn = None
    # By SDPA each request with drafts is a call, which costs more than it saves.
    engine_core.scheduler.max_drafting_requests = 0


def _limit_step(engine_core: EngineCore, loaded: LoadedModel, log: Log) -> None:
    """Give a step on a CPU no more tokens than it computes in `MAX_STEP_SECONDS`."""
    length = min(MEASURED_TOKENS, loaded.info.max_positions - 1)
    # Other work on this machine may slow one of them down.
    seconds = min(_time_prompt(engine_core, loaded, length) for _ in range(2))
    wanted = engine_core.scheduler.max_step_tokens
    longest_prefill = MAX_STEP_SECONDS * length / seconds
    limit = int(longest_prefill / engine_core.scheduler.prefill_factor)
    if limit < wanted:
        limit = engine_core.limit_step_tokens(limit)
        log(f"steps of {limit} tokens instead of {wanted}: {length} take {seconds:.1f} s here")


def _time_prompt(engine_core: EngineCore, loaded: LoadedModel, length: int) -> float:
    """Return the seconds of a step with a prompt of this length."""
    started = time.perf_counter()
    _run_prompt(engine_core, loaded, length, max_new_tokens=1)
    return time.perf_counter() - started


def _run_dummy_request(engine_core: EngineCore, loaded: LoadedModel) -> None:
    """Run a prefill and one decode step; on a GPU the prefill takes two chunks."""
    on_cpu = loaded.kv_cache.layers[0].device.type == "cpu"
    length = min(
        CPU_WARMUP_TOKENS if on_cpu else loaded.max_step_tokens + CPU_WARMUP_TOKENS,
        loaded.info.max_positions - 2,
    )
    _run_prompt(engine_core, loaded, length, max_new_tokens=2)


def _run_prompt(
    engine_core: EngineCore, loaded: LoadedModel, length: int, max_new_tokens: int
) -> None:
    prompt = tuple(list_probe_tokens(length, loaded.info.vocab_size))
    sampling = SamplingParams(max_new_tokens=max_new_tokens, temperature=0)
    engine_core.add_request(Request("", prompt, sampling))
    while engine_core.has_unfinished_requests:
        output = engine_core.run_step()
        if output.failed:
            # Every request would fail, one by one.
            reason = output.error or "its logits are invalid"
            raise LoadError(f"the model can't compute a first request: {reason}")
