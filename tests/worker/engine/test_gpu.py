"""GPU tests: captured steps and CUDA kernels equal eager steps."""

import gc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from testing.checkpoints import shallow_starchat, tiny_bigcode, tiny_llama, tiny_mistral
from testing.in_process_engine import GREEDY_SAMPLING, make_mixed_requests, run_requests
from worker.engine import Request, SamplingParams
from worker.engine.attention.kv_cache import KVCache
from worker.engine.core.engine_core import EngineCore
from worker.engine.cuda_graphs.runner import CudaGraphRunner
from worker.engine.loading.loader import LoadedModel, load_model
from worker.engine.loading.warmup import warm_up
from worker.engine.protocol import EngineConfig

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]

CHECKPOINTS: dict[str, Callable[[], Path]] = {
    "bigcode": tiny_bigcode,
    "llama": tiny_llama,
    "mistral": tiny_mistral,
}


@pytest.fixture(autouse=True)
def _free_gpu_memory() -> Iterator[None]:
    """Free the graphs of one test before the next one."""
    yield
    gc.collect()
    torch.cuda.empty_cache()


def load_on_gpu(directory: Path, dtype: str = "float32", slots: int = 7) -> LoadedModel:
    """Load a checkpoint onto the GPU."""
    options = EngineConfig(model=str(directory), device="cuda", dtype=dtype, slots=slots)
    return load_model(directory, options, lambda _stage, _done: None)


def make_engine(model: LoadedModel, log_lines: list[str], options: EngineConfig) -> EngineCore:
    """Return an engine with an empty KV cache."""
    slots = KVCache(model.kv_cache.layers, model.kv_cache.num_slots, model.kv_cache.max_positions)
    return warm_up(
        replace(model, kv_cache=slots), options, lambda _stage, _done: None, log_lines.append
    )


def has_no_fallback(log_lines: list[str]) -> bool:
    """Whether no log line reports an unavailable optimisation."""
    return not [line for line in log_lines if " not " in line]


@pytest.mark.parametrize("kind", CHECKPOINTS)
@pytest.mark.parametrize("num_speculative_tokens", [0, 4])
def test_captured_steps_equal_eager_steps(kind: str, num_speculative_tokens: int) -> None:
    """In float32, token for token, in shapes of 1, 2 and all slots."""
    model = load_on_gpu(CHECKPOINTS[kind]())
    requests = make_mixed_requests(model.info.vocab_size, model.info.max_positions, 25, stop=(0, 7))
    requests.append(Request("loop", (5, 6, 7) * 30, SamplingParams(60, temperature=0)))
    log_lines: list[str] = []
    expected = run_requests(make_engine(model, [], EngineConfig(cuda_graphs=False)), requests)
    engine = make_engine(
        model, log_lines, EngineConfig(num_speculative_tokens=num_speculative_tokens)
    )

    assert run_requests(engine, requests) == expected
    assert isinstance(engine.model_runner.cuda_graphs, CudaGraphRunner)
    assert has_no_fallback(log_lines), log_lines


def test_reallocated_kv_cache_is_captured_again() -> None:
    """Old graphs read and wrote other memory."""
    model = load_on_gpu(tiny_bigcode())
    request = Request("a", tuple(range(20, 40)), GREEDY_SAMPLING)
    slots = KVCache(model.kv_cache.layers, model.kv_cache.num_slots, model.kv_cache.max_positions)
    log_lines: list[str] = []
    engine = warm_up(
        replace(model, kv_cache=slots), EngineConfig(), lambda _stage, _done: None, log_lines.append
    )
    expected = run_requests(engine, [request])
    kept = [slots.layer_view(index) for index in range(len(slots.layers))]  # so the address differs
    slots.reallocate()

    assert run_requests(engine, [request]) == expected
    assert kept
    assert has_no_fallback(log_lines), log_lines


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_compiled_layers_are_captured() -> None:
    """Triton's kernels instead of torch's, in the same graphs."""
    model = load_on_gpu(tiny_bigcode(), slots=2)
    requests = make_mixed_requests(model.info.vocab_size, model.info.max_positions, 6)
    log_lines: list[str] = []
    expected = run_requests(make_engine(model, [], EngineConfig(cuda_graphs=False)), requests)

    assert (
        run_requests(make_engine(model, log_lines, EngineConfig(compile_layers=True)), requests)
        == expected
    )
    assert has_no_fallback(log_lines), log_lines


def test_starchats_geometry_is_captured_in_bfloat16() -> None:
    """48 heads, 8,192 positions: every shape equals the eager step, or a log line says so."""
    model = load_on_gpu(shallow_starchat(), dtype="bfloat16")
    log_lines: list[str] = []
    engine = make_engine(model, log_lines, EngineConfig(num_speculative_tokens=8))
    prompt = tuple((7919 * n) % 1000 for n in range(1500))

    replies = run_requests(engine, [Request("a", prompt, SamplingParams(40, temperature=0))])

    assert len(replies["a"].ids) == 40
    assert has_no_fallback(log_lines), log_lines


def test_attention_kernel_is_used() -> None:
    """In bfloat16 on a GPU that FlashAttention supports; a log line says so."""
    log_lines: list[str] = []
    make_engine(
        load_on_gpu(shallow_starchat(), dtype="bfloat16"),
        log_lines,
        EngineConfig(cuda_graphs=False),
    )

    assert log_lines == ["attention uses varlen_attn"]
