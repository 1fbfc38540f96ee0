"""GPU benchmark of StarChat-β's geometry with random weights: throughput and roofline limit."""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import torch
from transformers import GPTBigCodeConfig
from transformers import GPTBigCodeForCausalLM as BigCode

from bench import step_budgets
from bench.engine import roofline
from worker.engine import Request, SamplingParams
from worker.engine.attention.kv_cache import KVCache
from worker.engine.attention.layer_spec import LayerSpec
from worker.engine.attention.varlen_batch import VarlenAttention
from worker.engine.attention.verify import verify_model
from worker.engine.core.engine_core import EngineCore, StepOutput
from worker.engine.core.request_state import RequestState
from worker.engine.cuda_graphs.capture import Capture, CompiledLayers, begin_cuda_capture
from worker.engine.cuda_graphs.runner import CudaGraphRunner
from worker.engine.cuda_graphs.shapes import GraphShapes
from worker.engine.loading.attention_choice import choose_varlen_attn
from worker.engine.loading.cpu_linear import pack_layers

STARCHAT_CONFIG: Final[dict[str, Any]] = {
    "vocab_size": 49156,
    "n_positions": 8192,
    "n_embd": 6144,
    "n_layer": 40,
    "n_head": 48,
    "multi_query": True,
    "activation_function": "gelu",
    "layer_norm_epsilon": 1e-5,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
"""15.5 billion weights; 31 GB in bfloat16."""
WORKLOADS: Final = ((1, 128), (1, 1024), (1, 8000), (8, 1024), (32, 1024), (64, 1024))
"""Number of requests and prompt tokens of each request."""
MAX_BATCHED_TOKENS: Final = 512
"""Maximum tokens of a step, as in a worker on a GPU."""
TIMED_STEPS: Final = 64
"""Timed decode steps, one token of each request a step."""
WARMUP_STEPS: Final = 8
"""Untimed decode steps before them, which capture CUDA graphs."""
MODES: Final = ("eager", "cuda_graphs", "sampled", "compiled")
"""Greedy decoding in each, except that `sampled` has CUDA graphs and the default settings."""


@dataclass(frozen=True, slots=True)
class BenchmarkConfig:
    """
    The model, its device and workloads, and the device's memory bandwidth in bytes per second.

    Without the bandwidth the throughput has no limit to compare with. `start_capture` starts a set
    of CUDA graphs; `warnings` collects what the engine disabled.
    """

    model_config: dict[str, Any]
    device: torch.device
    dtype: torch.dtype
    workloads: Sequence[tuple[int, int]]
    timed_steps: int
    bytes_per_second: float | None
    start_capture: Callable[[], Capture]
    modes: Sequence[str] = MODES
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Throughput:
    """Prefill and decode throughput, and the mean KV cache tokens of a request during decoding."""

    prefill_tokens_per_second: float
    decode_tokens_per_second: float
    mean_kv_tokens: float


def main() -> str:
    """Measure on this machine's GPU. Raises `SystemExit` if there is none."""
    if not torch.cuda.is_available():
        raise SystemExit(
            "bench engine: --starchat needs a CUDA device, and there is none; "
            "`python -m bench step-budgets` is the part that needs none"
        )
    gpu_name = torch.cuda.get_device_name()
    bytes_per_second = roofline.find_bandwidth(gpu_name)
    device = torch.device("cuda", torch.cuda.current_device())
    start_capture = partial(begin_cuda_capture, device)
    config = BenchmarkConfig(
        STARCHAT_CONFIG,
        device,
        torch.bfloat16,
        WORKLOADS,
        TIMED_STEPS,
        bytes_per_second,
        start_capture,
    )
    bandwidth = f"{bytes_per_second / 1e12:.2f} TB/s" if bytes_per_second else "unknown bandwidth"
    step_budgets.count_kernels()  # first: if it fails, no measurement is lost
    heading = f"{gpu_name}, {bandwidth}, bfloat16"
    return "\n\n".join((heading, format_throughput(config), step_budgets.main()))


def format_throughput(config: BenchmarkConfig) -> str:
    """Build the model and return its throughput as a Markdown table, with the engine's warnings."""
    model = _build_model(config)
    layers = verify_model(model)
    # Mode by mode, because torch.compile leaves global state.
    throughputs = [
        [_measure_workload(model, layers, config, workload, mode) for workload in config.workloads]
        for mode in config.modes
    ]
    modes = ", ".join(config.modes)
    lines = [
        f"| requests | prompt, tokens | tokens/s: {modes} | limit, tokens/s | prompts, tokens/s |",
        "|---|---|---|---|---|",
    ]
    for (count, length), *by_mode in zip(config.workloads, *throughputs, strict=True):
        limits = [_compute_limit(model, config, count, found) for found in by_mode]
        speeds = [_format_speed(found, limit) for found, limit in zip(by_mode, limits, strict=True)]
        limit = next(map(_format_number, filter(None, limits)), "unknown")
        prefill = max((found.prefill_tokens_per_second for found in by_mode if found), default=None)
        lines.append(
            f"| {count} | {length} | {', '.join(speeds)} | {limit} | {_format_number(prefill)} |"
        )
    return "\n".join([*lines, "", *dict.fromkeys(config.warnings)]).rstrip()


def _compute_limit(
    model: Any, config: BenchmarkConfig, count: int, found: Throughput | None
) -> float | None:
    if found is None or config.bytes_per_second is None:
        return None
    load = (count, round(found.mean_kv_tokens))
    return roofline.compute_throughput_limit(
        model.config, config.dtype.itemsize, load, config.bytes_per_second
    )


def _format_speed(found: Throughput | None, limit: float | None) -> str:
    """Return a decode throughput with its share of the limit, if that is known."""
    if found is None:
        return "does not fit"
    speed = found.decode_tokens_per_second
    return f"{speed:.1f} ({speed / limit:.0%})" if limit else f"{speed:.1f}"


def _format_number(number: float | None) -> str:
    return "unknown" if number is None else f"{number:.1f}"


def _measure_workload(
    model: Any,
    layers: tuple[LayerSpec, ...],
    config: BenchmarkConfig,
    workload: tuple[int, int],
    mode: str,
) -> Throughput | None:
    """Return the throughput in a mode, or `None` if the GPU has too little memory for it."""
    # Free the last engine first: its CUDA graphs hold memory.
    gc.collect()
    if config.device.type == "cuda":
        torch.cuda.empty_cache()
    try:
        return _time_engine(_build_engine(model, layers, config, workload, mode), *workload)
    except torch.OutOfMemoryError:
        return None


@dataclass(frozen=True, slots=True)
class TimedEngine:
    """An engine with the sampling settings of each request and the number of timed steps."""

    engine: EngineCore
    device: torch.device
    vocab_size: int
    sampling: SamplingParams
    timed_steps: int


def _build_engine(
    model: Any,
    layers: tuple[LayerSpec, ...],
    config: BenchmarkConfig,
    workload: tuple[int, int],
    mode: str,
) -> TimedEngine:
    """Return an engine with the fewest and shortest slots (a power of two) for the workload."""
    count, length = workload
    # The first request decodes while the others prefill, and must outlast the timed steps.
    prefill_steps = count * length // max(1, MAX_BATCHED_TOKENS - count) + count + 1
    max_new_tokens = prefill_steps + WARMUP_STEPS + config.timed_steps + 1
    positions = 1 << (length + max_new_tokens - 1).bit_length()
    kv_cache = KVCache(layers, count, min(positions, model.config.n_positions))
    vocab_size = model.config.vocab_size - 4
    engine = EngineCore(model, kv_cache, vocab_size=vocab_size, max_step_tokens=MAX_BATCHED_TOKENS)
    varlen_attn: VarlenAttention | None = None
    if config.device.type == "cuda":
        kv_cache.fill_with_noise()
        with torch.inference_mode():
            varlen_attn = choose_varlen_attn(model, kv_cache, config.warnings.append)
        engine.model_runner.varlen_attn = varlen_attn
    if mode != "eager":
        shapes = GraphShapes(
            kv_cache.num_slots,
            kv_cache.max_positions,
            MAX_BATCHED_TOKENS,
            is_packed=varlen_attn is not None,
        )
        graphs = CudaGraphRunner(
            model,
            kv_cache,
            shapes,
            config.start_capture,
            config.warnings.append,
            varlen_attn=varlen_attn,
        )
        graphs.compiled_layers = CompiledLayers(model) if mode == "compiled" else None
        engine.use_cuda_graphs(graphs)
    sampling = SamplingParams(max_new_tokens)
    if mode != "sampled":
        sampling = replace(sampling, temperature=0)
    return TimedEngine(engine, config.device, vocab_size, sampling, config.timed_steps)


def _time_engine(timed: TimedEngine, count: int, length: int) -> Throughput:
    """Return prefill and decode throughput in tokens per second of wall time."""
    engine = timed.engine
    # The first time pays for the lazy initialization of libraries, and for CUDA graphs.
    _add_requests(timed, count, length, SamplingParams(max_new_tokens=2, temperature=0))
    while engine.has_unfinished_requests:
        _run_good_step(engine)
    _add_requests(timed, count, length, timed.sampling)
    started_at = _read_clock(timed.device)
    while any(request.num_new_tokens == 0 for request in _list_requests(engine)):
        _run_good_step(engine)
    prefill_speed = count * length / (_read_clock(timed.device) - started_at)
    for _ in range(WARMUP_STEPS):
        _run_good_step(engine)
    requests = _list_requests(engine)
    kv_tokens = sum(len(request.token_ids) for request in requests) / len(requests)
    kv_tokens += timed.timed_steps / 2
    started_at = _read_clock(timed.device)
    num_decoded = sum(
        len(ids) for _ in range(timed.timed_steps) for ids in _run_good_step(engine).tokens.values()
    )
    seconds = _read_clock(timed.device) - started_at
    if num_decoded != count * timed.timed_steps:
        raise RuntimeError("a request ended before the last timed step")
    return Throughput(prefill_speed, num_decoded / seconds, kv_tokens)


def _add_requests(timed: TimedEngine, count: int, length: int, sampling: SamplingParams) -> None:
    for number in range(count):
        prompt = tuple((7919 * (number + at) + 1) % timed.vocab_size for at in range(length))
        request = Request(str(number), prompt, replace(sampling, seed=number))
        error = timed.engine.add_request(request)
        if error is not None:
            raise RuntimeError(error)


def _run_good_step(engine: EngineCore) -> StepOutput:
    """Run one step. A worker would go on with smaller ones after one without memory."""
    output = engine.run_step()
    if output.error is not None:
        is_memory = output.error.startswith(torch.OutOfMemoryError.__name__)
        raise (torch.OutOfMemoryError if is_memory else RuntimeError)(output.error)
    return output


def _read_clock(device: torch.device) -> float:
    """Synchronize the device and return the time in seconds."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _build_model(config: BenchmarkConfig) -> Any:
    previous_dtype = torch.get_default_dtype()
    torch.set_default_dtype(config.dtype)
    try:
        with config.device:
            model: Any = BigCode(GPTBigCodeConfig(**config.model_config))
    finally:
        torch.set_default_dtype(previous_dtype)
    model.train(mode=False)
    model.requires_grad_(requires_grad=False)
    pack_layers(model)
    return model


def _list_requests(engine: EngineCore) -> list[RequestState]:
    scheduler = engine.scheduler
    return [*scheduler.running.values(), *(request for _, _, request in scheduler.waiting)]
