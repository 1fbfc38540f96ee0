"""What runs before a worker says that it is ready, and what it says of it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from testing.in_process_engine import make_mixed_requests, reference_greedy, run_requests
from testing.traced_cuda_graphs import FakeGraphCapture
from worker.engine.attention.kv_cache import Layer, Slots
from worker.engine.loading.loader import Loaded
from worker.engine.loading.memory import NODES, recorded
from worker.engine.loading.warmup import warmed
from worker.engine.options import Options

Models = Callable[[str], Loaded]


def begun(models: Models) -> Loaded:
    """Return a loaded model with four empty slots."""
    model = models("bigcode")
    return replace(model, slots=Slots(model.slots.layers, 4, model.about.positions))


def test_all_shapes_are_recorded_before_the_worker_is_ready(models: Models) -> None:
    """Each is told with its number; then requests find them, and say what they say."""
    told: list[tuple[str, float]] = []
    without: list[str] = []
    recorder = FakeGraphCapture()

    engine = warmed(
        begun(models),
        Options(drafted=4),
        lambda stage, done: told.append((stage, done)),
        without.append,
        recorder.start_set,
    )

    assert [stage for stage, _ in told] == [f"warming up {n} of 5" for n in (1, 2, 3, 4, 5)]
    assert [done for _, done in told] == sorted({done for _, done in told})
    assert 0.9 < told[0][1] < told[-1][1] < 1
    assert (recorder.captured, engine.steps, without) == (4, 0, [])
    requests = make_mixed_requests(448, 256, 6)
    replies = run_requests(engine, requests)
    network = models("bigcode").network
    assert [replies[r.id].ids for r in requests] == [reference_greedy(network, r) for r in requests]
    assert recorder.captured == 4 < recorder.replayed


@pytest.mark.parametrize("options", [Options(), Options(graphs=False), Options(compiled=True)])
def test_a_processor_runs_a_prompt_and_records_nothing(models: Models, options: Options) -> None:
    """What is asked for in vain is told in one line."""
    told: list[str] = []
    without: list[str] = []

    engine = warmed(begun(models), options, lambda stage, _: told.append(stage), without.append)

    assert told == ["warming up 1 of 1"]
    assert engine.forward.recorded is None
    assert len(without) == options.compiled
    assert not engine.busy


def test_recorded_steps_are_not_taken_for_slots() -> None:
    """StarChat's 54 shapes of 40 layers take more than a gigabyte of a GPU, none of a CPU."""

    class Config:
        vocab_size = 49156
        num_attention_heads = 48

    def taken(device: str, options: Options) -> int:
        layer = Layer(heads=1, dim=128, dtype=torch.bfloat16, device=torch.device(device))
        return recorded(options, (layer,) * 40, Config, 8192)

    assert taken("cpu", Options()) == taken("meta", Options(graphs=False)) == 0
    assert 1e9 < taken("meta", Options(slots=32, drafted=8)) < 2e9
    assert taken("meta", Options(slots=32, drafted=8)) > 54 * 40 * NODES
