"""Decodes of uneven lengths on a CPU: two by two, with the result of each alone."""

import pytest
import torch

from worker.engine.attention.batch import MAX_PADDING_RATIO, PackedBatch
from worker.engine.attention.kv_cache import KVCache
from worker.engine.attention.layer_spec import LayerSpec
from worker.engine.attention.sdpa import SDPA
from worker.engine.attention.step_tensors import StepTensors

NUM_HEADS, DIM = 6, 16
SLOTS = [7, 0, 8, 3, 4]
POSITIONS = [60, 3, 20, 3, 31]


def attend(kv_cache: KVCache, sdpa: SDPA, rows: list[int]) -> torch.Tensor:
    """Attend from the decodes in `rows` of `SLOTS`, by one batch. Returns `[B, H, D]`."""
    slots, positions = [SLOTS[row] for row in rows], [POSITIONS[row] for row in rows]
    empty = torch.empty(0, dtype=torch.long)
    places = (torch.tensor(positions), torch.tensor(slots))
    tensors = StepTensors(empty, *places, empty, empty, empty, empty)
    generator = torch.Generator().manual_seed(1)
    heads = kv_cache.layers[0].num_kv_heads
    query, key, value = (
        torch.randn(1, count, len(SLOTS), DIM, generator=generator)[:, :, rows]
        for count in (NUM_HEADS, heads, heads)
    )
    batch = PackedBatch(kv_cache, tensors, slots, positions, [])
    return batch.attend(0, sdpa, (query, key, value))[0]


@pytest.mark.parametrize("window", [None, 16])
@pytest.mark.parametrize("num_kv_heads", [1, 3])
@pytest.mark.parametrize("count", [2, 4, 5])
def test_pairs_attend_as_each_decode_alone(
    num_kv_heads: int, count: int, window: int | None
) -> None:
    """In any order of slots, for equal lengths and an odd last decode."""
    rows = list(range(len(SLOTS)))[:count]
    total = sum(POSITIONS[row] + 1 for row in rows)
    assert (max(SLOTS[:count]) + 1) * 61 > MAX_PADDING_RATIO * total, "else they attend at once"
    kv_cache = KVCache((LayerSpec(num_kv_heads, DIM, torch.float32, torch.device("cpu")),), 9, 64)
    kv_cache.fill_with_noise()
    sdpa = SDPA(None, window)

    together = attend(kv_cache, sdpa, rows)

    alone = torch.cat([attend(kv_cache, sdpa, [row]) for row in rows])
    assert torch.allclose(together, alone, rtol=1e-5, atol=1e-5)
