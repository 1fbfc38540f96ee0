"""Prefill attention in bfloat16 by blocks: as exact as the format allows."""

import pytest
import torch

from testing.checkpoints import tiny_bigcode
from worker.engine import Request, SamplingParams
from worker.engine.attention.bfloat16_cpu import (
    BLOCK_TOKENS,
    attend_by_blocks,
    has_native_bfloat16,
    suits_blocks,
)
from worker.engine.attention.sdpa import SDPA
from worker.engine.core.model_runner import ModelRunner
from worker.engine.core.request_state import RequestState, ScheduledRequest
from worker.engine.loading.loader import load_model
from worker.engine.protocol import EngineConfig

MAX_ERROR = 0.01
"""Relative; a position too many or too few changes a tenth."""


@pytest.mark.parametrize("num_kv_heads", [1, 3, 12])
@pytest.mark.parametrize(
    ("start", "num_tokens", "num_positions"),
    [(0, 64, 256), (0, 65, 256), (0, 200, 200), (70, 128, 256), (99, 77, 190), (156, 100, 256)],
)
def test_blocks_agree_with_masked_attention(
    num_kv_heads: int, start: int, num_tokens: int, num_positions: int
) -> None:
    """Other positions of the slot hold noise, and a slot's length need not suit the blocks."""
    generator = torch.Generator().manual_seed(num_tokens)
    query = torch.randn(1, num_tokens, 12, 16, generator=generator).bfloat16().transpose(1, 2)
    kv = torch.randn(2, num_kv_heads, num_positions, 16, generator=generator).bfloat16()
    sdpa, end = SDPA(0.3, None), start + num_tokens
    expected = sdpa.attend_with_mask(
        query.float(),
        kv[:1, :, :end].float(),
        kv[1:, :, :end].float(),
        sdpa.visible_from(start, num_tokens, query.device),
    )[0].transpose(0, 1)

    actual = attend_by_blocks(query, kv, start, sdpa.scale).float()

    assert (actual - expected).norm() < MAX_ERROR * expected.norm()


@pytest.mark.parametrize(
    ("dtype", "num_tokens", "window", "suits"),
    [
        (torch.bfloat16, 64, None, True),
        (torch.bfloat16, 64, 80, True),
        (torch.bfloat16, 64, 79, False),
        (torch.bfloat16, 63, None, False),
        (torch.float32, 64, None, False),
    ],
)
def test_blocks_serve_long_chunks_of_full_attention(
    dtype: torch.dtype, num_tokens: int, window: int | None, *, suits: bool
) -> None:
    """In bfloat16 where the processor computes it."""
    query = torch.empty(1, 2, num_tokens, 16, dtype=dtype)

    assert suits_blocks(query, SDPA(None, window), 80) == (suits and has_native_bfloat16())


def test_long_chunk_returns_the_logits_of_short_ones() -> None:
    """A prompt in one chunk, and in chunks below a block."""
    config = EngineConfig(device="cpu", dtype="bfloat16", slots=2)
    model = load_model(tiny_bigcode(), config, lambda _stage, _done: None)
    runner = ModelRunner(model.network, model.kv_cache)
    tokens = tuple(range(5, 5 + BLOCK_TOKENS + 26))
    request = Request("a", tokens, SamplingParams())
    whole, parts = (RequestState(request, list(tokens), slot, slot=slot) for slot in (0, 1))
    with torch.inference_mode():
        expected = runner.run_eager([ScheduledRequest(whole, 0, len(tokens))])
        for start in range(0, len(tokens), 30):
            logits = runner.run_eager([ScheduledRequest(parts, start, 30)])

    assert (logits - expected).norm() < 0.03 * expected.norm()
