"""Host arena: prefixes of any length survive the way to the host and back, and free their pages."""

import pytest
import torch
from torch import Tensor

from worker.engine.attention.host_arena import PAGE_TOKENS, SLAB_BYTES, HostArena
from worker.engine.attention.layer_spec import LayerSpec

CPU = torch.device("cpu")
STARCHAT = [LayerSpec(1, 128, torch.bfloat16, CPU)] * 40
MIXED = [
    LayerSpec(2, 8, torch.float32, CPU),
    LayerSpec(1, 16, torch.bfloat16, CPU),
    LayerSpec(2, 8, torch.float32, CPU),
]
"""Layers of two kinds in turn."""


def make_blocks(layers: list[LayerSpec], num_tokens: int) -> list[Tensor]:
    """Return random `[2, H_kv, T, D]` for each layer, as views of longer slots."""
    dice = torch.Generator().manual_seed(num_tokens)
    return [
        torch.randn((2, layer.num_kv_heads, num_tokens + 9, layer.head_dim), generator=dice)
        .to(layer.dtype)
        .narrow(2, 0, num_tokens)
        for layer in layers
    ]


def load_prefix(
    arena: HostArena, layers: list[LayerSpec], pages: object, count: int
) -> list[Tensor]:
    """Return the first `count` tokens of what `pages` hold."""
    blocks = [torch.zeros_like(block) for block in make_blocks(layers, count)]
    arena.load_blocks(pages, blocks)  # type: ignore[arg-type]
    return blocks


@pytest.mark.parametrize("layers", [STARCHAT[:2], MIXED], ids=["starchat", "mixed"])
@pytest.mark.parametrize(
    "num_tokens", [1, PAGE_TOKENS - 1, PAGE_TOKENS, PAGE_TOKENS + 1, 3 * PAGE_TOKENS]
)
def test_prefix_survives_the_round_trip(layers: list[LayerSpec], num_tokens: int) -> None:
    """Whole, and each beginning of it that a request shares."""
    arena = HostArena(layers)
    blocks = make_blocks(layers, num_tokens)
    pages = arena.store_blocks(blocks)

    for count in {1, num_tokens // 2, num_tokens} - {0}:
        for block, loaded in zip(blocks, load_prefix(arena, layers, pages, count), strict=True):
            assert torch.equal(block[:, :, :count], loaded)


def test_deleted_prefix_frees_its_pages() -> None:
    """Its neighbours stay as they are, and the arena grows only if no page is free."""
    arena = HostArena(STARCHAT)
    per_slab = SLAB_BYTES // (PAGE_TOKENS * 20_480)
    first, second = (make_blocks(STARCHAT, PAGE_TOKENS + n) for n in (1, 2))
    kept, deleted = arena.store_blocks(first), arena.store_blocks(second)
    freed = deleted.numbers
    del deleted
    again = arena.store_blocks(make_blocks(STARCHAT, PAGE_TOKENS + 3))

    assert set(again.numbers) == set(freed)
    assert torch.equal(load_prefix(arena, STARCHAT, kept, PAGE_TOKENS + 1)[39], first[39])
    filling = [arena.store_blocks(make_blocks(STARCHAT, 1)) for _ in range(per_slab - 4)]
    assert len(arena._pages) == per_slab
    filling.append(arena.store_blocks(make_blocks(STARCHAT, 1)))
    assert len(arena._pages) == 2 * per_slab


@pytest.mark.parametrize(
    ("num_tokens", "pages"), [(1, 1), (PAGE_TOKENS, 1), (PAGE_TOKENS + 1, 2), (8_192, 64)]
)
def test_counted_bytes_are_those_of_the_slabs(num_tokens: int, pages: int) -> None:
    """What is left at the end of a slab counts too."""
    assert HostArena(STARCHAT).count_bytes(num_tokens) == pages * (SLAB_BYTES // 25)


def test_large_tokens_share_a_slab() -> None:
    """A page has fewer tokens if a token takes much memory."""
    layers = [LayerSpec(64, 128, torch.float32, CPU)] * 40

    arena = HostArena(layers)

    assert arena.page_tokens == 25
    assert arena.count_bytes(25) == SLAB_BYTES


def test_erasure_spares_other_prefixes() -> None:
    """Free pages are zeroed too: they hold the text of prefixes that were evicted."""
    arena = HostArena(MIXED)
    blocks = make_blocks(MIXED, 3)
    kept, erased, evicted = (arena.store_blocks(blocks) for _ in range(3))
    del evicted

    arena.erase_pages([erased])

    assert [bool(page.any()) for page in arena._pages].count(True) == 1
    assert torch.equal(load_prefix(arena, MIXED, kept, 3)[0], blocks[0])
