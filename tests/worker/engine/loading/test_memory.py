"""Memory planning: number and length of slots; unused slots take no memory."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from worker.engine import LoadError
from worker.engine.attention.kv_cache import KVCache
from worker.engine.attention.layer_spec import LayerSpec
from worker.engine.loading import memory
from worker.engine.loading.memory import (
    MIN_SLOT_POSITIONS,
    choose_step_tokens,
    free_bytes,
    plan_kv_cache,
    used_bytes,
)
from worker.engine.loading.progress import report_progress
from worker.engine.protocol import EngineConfig

CPU = torch.device("cpu")
LAYERS = (LayerSpec(num_kv_heads=1, head_dim=128, dtype=torch.float16, device=CPU),) * 40
"""StarChat's layers: 20 KiB a token."""

POSITION_BYTES = 20_480


def test_token_of_starchat_takes_20_kib() -> None:
    """One key-value head of 128 numbers in 40 layers."""
    assert sum(layer.bytes_per_token for layer in LAYERS) == POSITION_BYTES


def test_unlimited_memory_gives_all_requested_slots() -> None:
    """Each with all positions of the model."""
    assert plan_kv_cache(EngineConfig(slots=2), LAYERS, 1024) == (2, 1024)


@given(st.integers(1, 64), st.integers(1, 8192), st.integers(0, 2**33))
def test_slots_stay_within_the_memory_limit(slots: int, positions: int, limit: int) -> None:
    """First there are fewer slots, then shorter ones; below the minimum it is an error."""
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


@pytest.mark.parametrize(
    ("free_gb", "planned"),
    [(107, (64, 8192)), (16, (64, 8192)), (13, (52, 8192)), (8, (32, 8192)), (2, (4, 8192))],
)
def test_gpu_has_as_many_slots_as_fit(
    monkeypatch: pytest.MonkeyPatch, free_gb: int, planned: tuple[int, int]
) -> None:
    """64 beside their graphs, or fewer; on a small GPU 32 beside smaller graphs, or fewer."""
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda _: (free_gb * 10**9, 144 * 10**9))
    on_gpu = tuple(replace(layer, device=torch.device("cuda", 0)) for layer in LAYERS)

    found = plan_kv_cache(EngineConfig(), on_gpu, 8192, lambda slots: slots * 30 * 10**6)
    assert found == planned


@pytest.mark.parametrize(("gpus", "share"), [(0, 0.25), (1, 0.25), (8, 0.25 / 8)])
def test_workers_of_all_gpus_share_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpus: int, share: float
) -> None:
    """Each GPU of the host counts, whether this worker sees it or not."""
    for number in range(gpus):
        (tmp_path / f"0000:0{number}:00.0").mkdir()
    monkeypatch.setattr(memory, "GPU_DIRECTORY", tmp_path if gpus else tmp_path / "none")
    monkeypatch.setattr(memory, "free_bytes", lambda _: 64 * 10**9)

    assert memory.plan_host_cache(EngineConfig()) == int(share * 64 * 10**9)
    assert memory.plan_host_cache(EngineConfig(host_cache_bytes=5)) == 5


@pytest.mark.parametrize(
    ("device", "name", "native", "tokens"),
    [
        ("cuda", "bfloat16", True, 512),
        ("cpu", "bfloat16", True, 512),
        ("cpu", "bfloat16", False, 256),
        ("cpu", "float16", True, 256),
        ("cpu", "int8", True, 256),
    ],
)
def test_step_is_longer_where_a_token_is_cheap(
    monkeypatch: pytest.MonkeyPatch, device: str, name: str, tokens: int, *, native: bool
) -> None:
    """The setting overrides the choice."""
    monkeypatch.setattr(memory, "has_native_bfloat16", lambda: native)
    config = EngineConfig(model="m")
    assert choose_step_tokens(config, torch.device(device), name) == tokens
    assert choose_step_tokens(replace(config, max_step_tokens=7), torch.device(device), name) == 7


def test_host_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with much memory keeps most of it free."""
    monkeypatch.setattr(memory, "free_bytes", lambda _: 2 * 10**12)

    assert memory.plan_host_cache(EngineConfig()) == memory.MAX_HOST_CACHE_BYTES


def test_free_and_used_memory_are_measured() -> None:
    """Both are above zero in a running test."""
    assert free_bytes(CPU) > 10**6
    assert used_bytes(CPU) > 10**6


def test_container_limit_bounds_free_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page cache counts as free."""
    (tmp_path / "memory.max").write_text("1000000\n", "ascii")
    (tmp_path / "memory.stat").write_text("file 900000\nanon 400000\n", "ascii")
    monkeypatch.setattr("worker.engine.loading.memory.CGROUP_ROOT", tmp_path)

    assert free_bytes(CPU) == 600_000


def test_unused_slots_take_no_memory() -> None:
    """A gigabyte of slots costs almost nothing before it is written to."""
    before = used_bytes(CPU)

    slots = KVCache(LAYERS, num_slots=8, max_positions=8192)

    assert slots.layer_view(39).shape == (2, 8, 1, 8192, 128)
    assert used_bytes(CPU) - before < 50 * 10**6


def test_zero_slot_leaves_other_slots_untouched() -> None:
    """Stale positions are multiplied by zero, which doesn't remove a NaN."""
    slots = KVCache(LAYERS[:2], num_slots=3, max_positions=10)
    for index in range(2):
        slots.layer_view(index).fill_(torch.nan)

    slots.zero_slot(1)

    for index in range(2):
        assert slots.layer_view(index)[:, 1].eq(0).all()
        assert slots.layer_view(index)[:, [0, 2]].isnan().all()


def test_long_loading_reports_progress() -> None:
    """The fraction follows the memory in use and never falls."""
    log_lines: list[float] = []
    seen = torch.zeros(0)

    with report_progress(
        lambda _, done: log_lines.append(done), "weights", (0.1, 0.9), CPU, 200 * 10**6
    ):
        while len(log_lines) < 3:
            seen = torch.ones(20 * 10**6)

    assert seen.numel()
    assert log_lines == sorted(log_lines)
    assert log_lines[0] == 0.1
    assert 0.1 < log_lines[-1] <= 0.9
