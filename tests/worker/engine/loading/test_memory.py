"""Memory plan: number and length of slots; unused slots take no memory."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from worker.engine import LoadError
from worker.engine.attention.kv_cache import KVCache, LayerSpec
from worker.engine.loading.memory import MIN_SLOT_POSITIONS, free_bytes, plan_kv_cache, used_bytes
from worker.engine.loading.progress import report_progress
from worker.engine.protocol import EngineConfig

CPU = torch.device("cpu")
LAYERS = (LayerSpec(num_kv_heads=1, head_dim=128, dtype=torch.float16, device=CPU),) * 40
"""StarChat's: 20 KiB a position."""

POSITION_BYTES = 20_480


def test_a_position_of_starchat_takes_20_kib() -> None:
    """One key-value head of 128 numbers in 40 layers."""
    assert sum(layer.bytes_per_token for layer in LAYERS) == POSITION_BYTES


def test_without_a_limit_there_are_as_many_slots_as_were_asked_for() -> None:
    """Each with all positions of the model."""
    assert plan_kv_cache(EngineConfig(slots=2), LAYERS, 1024) == (2, 1024)


@given(st.integers(1, 64), st.integers(1, 8192), st.integers(0, 2**33))
def test_slots_never_take_more_than_they_may(slots: int, positions: int, limit: int) -> None:
    """First there are fewer slots, then shorter ones; below a useful length it is an error."""
    options = EngineConfig(slots=slots, kv_cache_bytes=limit + 1)
    try:
        count, held = plan_kv_cache(options, LAYERS, positions)
    except LoadError:
        assert limit + 1 < POSITION_BYTES * min(positions, MIN_SLOT_POSITIONS)
        return

    assert 1 <= count <= slots
    assert count * held * POSITION_BYTES <= limit + 1
    assert held == positions or count == 1
    assert held >= min(positions, MIN_SLOT_POSITIONS)


def test_free_memory_is_what_the_system_says() -> None:
    """A machine that runs tests has some, and this process has taken some."""
    assert free_bytes(CPU) > 10**6
    assert used_bytes(CPU) > 10**6


def test_a_containers_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside a container the machine's memory is not ours; pages that are only cached are."""
    (tmp_path / "memory.max").write_text("1000000\n", "ascii")
    (tmp_path / "memory.stat").write_text("file 900000\nanon 400000\n", "ascii")
    monkeypatch.setattr("worker.engine.loading.memory.CGROUP_ROOT", tmp_path)

    assert free_bytes(CPU) == 600_000


def test_slots_take_memory_only_as_threads_grow() -> None:
    """A gigabyte of slots costs next to nothing until it is written to."""
    before = used_bytes(CPU)

    slots = KVCache(LAYERS, num_slots=8, max_positions=8192)

    assert slots.layer_view(39).shape == (2, 8, 1, 8192, 128)
    assert used_bytes(CPU) - before < 50 * 10**6


def test_a_wiped_slot_is_finite_again_and_its_neighbours_are_untouched() -> None:
    """Stale positions are multiplied by zero, which a NaN survives."""
    slots = KVCache(LAYERS[:2], num_slots=3, max_positions=10)
    for index in range(2):
        slots.layer_view(index).fill_(torch.nan)

    slots.zero_slot(1)

    for index in range(2):
        assert slots.layer_view(index)[:, 1].eq(0).all()
        assert slots.layer_view(index)[:, [0, 2]].isnan().all()


def test_loading_that_takes_long_shows_how_far_it_is() -> None:
    """The share done follows the memory taken and never falls."""
    told: list[float] = []
    seen = torch.zeros(0)

    with report_progress(
        lambda _, done: told.append(done), "weights", (0.1, 0.9), CPU, 200 * 10**6
    ):
        while len(told) < 3:
            seen = torch.ones(20 * 10**6)

    assert seen.numel()
    assert told == sorted(told)
    assert told[0] == 0.1
    assert 0.1 < told[-1] <= 0.9
