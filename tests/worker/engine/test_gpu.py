"""What only a GPU can show: that recorded steps and its own kernels say what eager ones say."""

import gc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from testing.checkpoints import shallow_starchat, tiny_bigcode, tiny_llama, tiny_mistral
from testing.in_process_engine import GREEDY_SAMPLING, make_mixed_requests, run_requests
from worker.engine import Request, Sampling
from worker.engine.attention.kv_cache import Slots
from worker.engine.core.engine_core import Batching
from worker.engine.cuda_graphs.runner import Graphs
from worker.engine.loading.loader import Loaded, load
from worker.engine.loading.warmup import warmed
from worker.engine.options import Options

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]

KINDS: dict[str, Callable[[], Path]] = {
    "bigcode": tiny_bigcode,
    "llama": tiny_llama,
    "mistral": tiny_mistral,
}


@pytest.fixture(autouse=True)
def _given_back() -> Iterator[None]:
    """Recordings of one test are gone before those of the next one."""
    yield
    gc.collect()
    torch.cuda.empty_cache()


def loaded(directory: Path, dtype: str = "float32", slots: int = 7) -> Loaded:
    """Load a checkpoint onto the GPU."""
    options = Options(model=str(directory), device="cuda", dtype=dtype, slots=slots)
    return load(directory, options, lambda _stage, _done: None)


def made(model: Loaded, told: list[str], options: Options) -> Batching:
    """Make an engine over fresh slots."""
    slots = Slots(model.slots.layers, model.slots.count, model.slots.positions)
    return warmed(replace(model, slots=slots), options, lambda _stage, _done: None, told.append)


def silent(told: list[str]) -> bool:
    """Whether nothing had to be done without."""
    return not [line for line in told if " not " in line]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("drafted", [0, 4])
def test_recorded_steps_say_what_eager_ones_say(kind: str, drafted: int) -> None:
    """In float32, token for token, on lanes of 1, 2 and all slots."""
    model = loaded(KINDS[kind]())
    requests = make_mixed_requests(model.about.vocabulary, model.about.positions, 25, stop=(0, 7))
    requests.append(Request("loop", (5, 6, 7) * 30, Sampling(60, temperature=0)))
    told: list[str] = []
    expected = run_requests(made(model, [], Options(graphs=False)), requests)
    engine = made(model, told, Options(drafted=drafted))

    assert run_requests(engine, requests) == expected
    assert isinstance(engine.forward.recorded, Graphs)
    assert silent(told), told


def test_recordings_are_made_anew_after_a_rebuild() -> None:
    """They read and wrote memory that is another one now."""
    model = loaded(tiny_bigcode())
    request = Request("a", tuple(range(20, 40)), GREEDY_SAMPLING)
    slots = Slots(model.slots.layers, model.slots.count, model.slots.positions)
    told: list[str] = []
    engine = warmed(replace(model, slots=slots), Options(), lambda _stage, _done: None, told.append)
    expected = run_requests(engine, [request])
    kept = [slots.layer(index) for index in range(len(slots.layers))]  # so the address differs
    slots.rebuild()

    assert run_requests(engine, [request]) == expected
    assert kept
    assert silent(told), told


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_compiled_layers_are_recorded() -> None:
    """Triton's kernels instead of torch's, in the same recordings."""
    model = loaded(tiny_bigcode(), slots=2)
    requests = make_mixed_requests(model.about.vocabulary, model.about.positions, 6)
    told: list[str] = []
    expected = run_requests(made(model, [], Options(graphs=False)), requests)

    assert run_requests(made(model, told, Options(compiled=True)), requests) == expected
    assert silent(told), told


def test_starchats_geometry_is_recorded_in_bfloat16() -> None:
    """48 heads, 8,192 positions: every shape agrees with the eager step, or it would be told."""
    model = loaded(shallow_starchat(), dtype="bfloat16")
    told: list[str] = []
    engine = made(model, told, Options(drafted=8))
    prompt = tuple((7919 * n) % 1000 for n in range(1500))

    replies = run_requests(engine, [Request("a", prompt, Sampling(40, temperature=0))])

    assert len(replies["a"].ids) == 40
    assert silent(told), told


def test_how_chunks_are_read_is_told_once() -> None:
    """Either way; which one is the card's and torch's business."""
    told: list[str] = []
    made(loaded(shallow_starchat(), dtype="bfloat16"), told, Options(graphs=False))

    assert [line.startswith("chunks of prompts are read by ") for line in told] == [True]
