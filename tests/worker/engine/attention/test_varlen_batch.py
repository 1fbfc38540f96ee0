"""Varlen batch: one attention call for decodes, drafts and prefill chunks of any slots."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from testing.in_process_engine import EngineFactory, make_mixed_requests, run_requests
from testing.reference_varlen import reference_varlen_attn
from worker.engine import Request, SamplingParams
from worker.engine.attention.batch import PackedBatch, PrefillChunk
from worker.engine.attention.kv_cache import KVCache
from worker.engine.attention.layer_spec import LayerSpec
from worker.engine.attention.sdpa import SDPA
from worker.engine.attention.step_tensors import StepTensors
from worker.engine.attention.varlen_batch import VarlenBatch, load_varlen_attn
from worker.engine.core.request_state import (
    RequestState,
    ScheduledRequest,
    list_step_numbers,
    measure_step,
)
from worker.engine.loading.loader import LoadedModel

NUM_SLOTS, POSITIONS, DIM = 5, 24, 4


@pytest.mark.parametrize("kind", ["bigcode", "bigcode-heads", "llama", "mistral"])
def test_replies_equal_those_by_sdpa(
    models: Callable[[str], LoadedModel], new_engine: EngineFactory, kind: str
) -> None:
    """With one, two and four query heads per key-value head, a sliding window, and drafts."""
    model = models(kind)
    requests = make_mixed_requests(model.info.vocab_size, 90, 4)
    requests.append(Request("loop", (5, 6, 7) * 10, SamplingParams(40, temperature=0)))
    engine = new_engine(kind, slots=3, max_step_tokens=32, num_speculative_tokens=4)
    engine.scheduler.ridge_tokens = 1e6
    num_calls = [0]
    longest = [0]

    def count_call(*tensors: Any, **options: Any) -> Tensor:
        num_calls[0] += 1
        longest[0] = max(longest[0], len(tensors[0]))
        return reference_varlen_attn(*tensors, **options)

    engine.model_runner.varlen_attn = count_call

    replies = run_requests(engine, requests)

    assert replies == run_requests(new_engine(kind, slots=3, max_step_tokens=32), requests)
    assert num_calls[0] == engine.steps * len(model.kv_cache.layers)
    assert longest[0] > 16


def make_work(slot: int, start: int, count: int, num_drafts: int) -> ScheduledRequest:
    """Return tokens of a request; with drafts it is a decode."""
    tokens = [0] * (start + count + (not num_drafts))
    state = RequestState(Request(str(slot), tuple(tokens), SamplingParams()), tokens, 0, slot)
    return ScheduledRequest(state, start, count, (0,) * num_drafts)


works = st.tuples(st.integers(0, 10), st.integers(1, 10), st.integers(0, 3)).map(
    lambda work: (work[0], 1, work[2]) if work[2] else work
)


@settings(max_examples=60)
@given(
    st.permutations(range(NUM_SLOTS)),
    st.lists(works, min_size=1, max_size=NUM_SLOTS),
    st.sampled_from([1, 2, 4]),
    st.sampled_from([None, 3, 7]),
    st.booleans(),
)
def test_attention_equals_packed_sdpa(
    slots: list[int],
    asked: list[tuple[int, int, int]],
    num_kv_heads: int,
    window: int | None,
    has_kernel: bool,  # noqa: FBT001 - hypothesis passes it by position
) -> None:
    """The kernel's arguments and the gathered keys, for all mixes; both store the same keys."""
    step = [make_work(slot, *work) for slot, work in zip(slots, asked, strict=False)]
    shape = measure_step(step)
    dice = torch.Generator().manual_seed(0)
    query, key, value = (
        torch.randn(1, heads, shape.num_tokens, DIM, generator=dice)
        for heads in (4, num_kv_heads, num_kv_heads)
    )
    layer = LayerSpec(num_kv_heads, DIM, torch.float32, torch.device("cpu"))
    one, two = (KVCache((layer,), NUM_SLOTS, POSITIONS) for _ in range(2))
    one.layer_view(0).normal_(generator=dice)
    two.layer_view(0).copy_(one.layer_view(0))
    tensors = StepTensors.split(shape, torch.tensor(list_step_numbers(shape, step)))
    chunks, offset = [], 0
    for work in step:
        chunks.append(PrefillChunk(work.state.slot, work.start, work.num_fed_tokens, offset))
        offset += work.num_fed_tokens
    sdpa = SDPA(0.3, window)

    varlen = VarlenBatch(one, shape, tensors, reference_varlen_attn if has_kernel else None)
    found = varlen.attend(0, sdpa, (query, key, value))
    expected = PackedBatch(two, tensors, [], [], chunks).attend(0, sdpa, (query, key, value))

    assert found.shape == expected.shape == (1, shape.num_tokens, 4, DIM)
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.equal(one.layer_view(0), two.layer_view(0))


def test_decodes_leave_both_sides_of_the_window_open() -> None:
    """FlashAttention 2 splits keys over the GPU only then; a chunk must be causal."""
    windows = []

    def read_window(query: Tensor, *_: Any, window_size: tuple[int, int], **__: Any) -> Tensor:
        windows.append(window_size)
        return query

    layer = LayerSpec(1, DIM, torch.float32, torch.device("cpu"))
    for count, window in ((1, None), (1, 7), (2, None), (2, 7)):
        step = [make_work(0, 5, count, 0)]
        shape = measure_step(step)
        tensors = StepTensors.split(shape, torch.tensor(list_step_numbers(shape, step)))
        batch = VarlenBatch(KVCache((layer,), 1, POSITIONS), shape, tensors, read_window)
        qkv = tuple(torch.zeros(1, heads, count, DIM) for heads in (4, 1, 1))
        batch.attend(0, SDPA(None, window), qkv)  # type: ignore[arg-type]

    assert windows == [(-1, -1), (6, 0), (-1, 0), (6, 0)]


def test_torch_has_the_kernel() -> None:
    """Torch 2.13 does, on a build without CUDA too."""
    assert load_varlen_attn() is not None
