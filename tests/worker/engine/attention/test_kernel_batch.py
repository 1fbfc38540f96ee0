"""The CPU's compiled attention: every token as by SDPA, and nothing read or written elsewhere."""

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from testing.in_process_engine import EngineFactory, make_mixed_requests, run_requests
from worker.engine.attention.kernel_batch import (
    MAX_SPAN,
    KernelBatch,
    describe_attention,
    find_kernel,
)
from worker.engine.attention.kv_cache import KVCache
from worker.engine.attention.layer_spec import LayerSpec
from worker.engine.attention.sdpa import SDPA
from worker.engine.attention.step_tensors import StepTensors
from worker.engine.cpu_kernels.attention import AttentionKernel, load_kernel
from worker.engine.loading.loader import LoadedModel

pytestmark = pytest.mark.gcc

NUM_SLOTS, POSITIONS = 5, 90
CPU = torch.device("cpu")
MAX_ERROR = {torch.float32: 1e-5, torch.bfloat16: 0.01}
"""Relative; a position too many or too few changes a hundredth."""
WORK = ((3, 0, 40), (0, 61, 1), (4, 30, MAX_SPAN + 1), (1, 0, 1), (2, 15, 2))
"""Slot, first position and number of tokens of each request in a step."""


@pytest.fixture
def kernel() -> AttentionKernel:
    """The compiled kernel."""
    found = load_kernel()
    if found is None:
        pytest.skip("needs the kernel that the set-up builds with gcc")
    return found


def make_tensors(work: Sequence[tuple[int, int, int]], num_padding: int = 0) -> StepTensors:
    """Return the positions and slots of a step's tokens."""
    positions = [start + offset for _, start, count in work for offset in range(count)]
    slots = [slot for slot, _, count in work for _ in range(count)]
    empty = torch.empty(0, dtype=torch.long)
    return StepTensors(
        empty,
        torch.tensor(positions + [0] * num_padding),
        torch.tensor(slots + [-1] * num_padding),
        *[empty] * 4,
    )


def draw_heads(count: int, num_tokens: int, dim: int, dtype: torch.dtype, seed: int) -> Tensor:
    """Return `[1, H, T, D]`, laid out as a network's layer does: `[1, T, H, D]`."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, num_tokens, count, dim, generator=generator).to(dtype).transpose(1, 2)


def make_cache(num_kv_heads: int, dim: int, dtype: torch.dtype) -> KVCache:
    """Return a cache that holds noise up to each request's first position, else not a number."""
    kv_cache = KVCache((LayerSpec(num_kv_heads, dim, dtype, CPU),), NUM_SLOTS, POSITIONS)
    layer = kv_cache.layer_view(0)
    layer.fill_(math.nan)
    for slot, start, _ in WORK:
        layer[:, slot, :, :start].normal_()
    return kv_cache


@pytest.mark.parametrize("dtype", MAX_ERROR)
@pytest.mark.parametrize("window", [None, 7, 40])
@pytest.mark.parametrize(
    ("num_heads", "num_kv_heads", "dim"), [(12, 1, 64), (9, 3, 16), (4, 4, 48), (48, 1, 128)]
)
def test_tokens_attend_as_by_sdpa(
    kernel: AttentionKernel,
    num_heads: int,
    num_kv_heads: int,
    dim: int,
    window: int | None,
    dtype: torch.dtype,
) -> None:
    """In a chunk, a decode, drafts and a continued chunk, beside positions that hold NaN."""
    kv_cache = make_cache(num_kv_heads, dim, dtype)
    tensors, count = make_tensors(WORK), sum(work[2] for work in WORK)
    query = draw_heads(num_heads, count, dim, dtype, 1)
    key, value = (draw_heads(num_kv_heads, count, dim, dtype, seed) for seed in (2, 3))
    sdpa = SDPA(0.3, window)
    before = kv_cache.layer_view(0).clone()

    batch = KernelBatch(kernel, kv_cache, tensors, [work[2] for work in WORK])
    found = batch.attend(0, sdpa, (query, key, value))

    layer, offset = kv_cache.layer_view(0), 0
    for slot, start, num_tokens in WORK:
        span, end = slice(offset, offset + num_tokens), start + num_tokens
        before[0, slot, :, start:end], before[1, slot, :, start:end] = (
            key[0, :, span],
            value[0, :, span],
        )
        mask = sdpa.visible_from(start, num_tokens, CPU)
        kv = layer[:, slot : slot + 1, :, :end].float()
        expected = sdpa.attend_with_mask(query[:, :, span].float(), kv[0], kv[1], mask)
        error = found[:, span].transpose(1, 2).float() - expected
        assert error.norm() < MAX_ERROR[dtype] * expected.norm()
        offset += num_tokens
    assert torch.equal(layer.nan_to_num(), before.nan_to_num())


@pytest.mark.parametrize("dtype", MAX_ERROR)
@pytest.mark.parametrize("window", [None, 21])
def test_result_does_not_depend_on_the_cut(
    kernel: AttentionKernel, window: int | None, dtype: torch.dtype
) -> None:
    """To the last bit: *Replay* computes the same tokens in other chunks and drafts."""
    query = draw_heads(6, POSITIONS, 32, dtype, 1)
    key, value = (draw_heads(2, POSITIONS, 32, dtype, seed) for seed in (2, 3))
    outputs = []
    for size in (POSITIONS, 1, 7, MAX_SPAN + 3):
        kv_cache = KVCache((LayerSpec(2, 32, dtype, CPU),), NUM_SLOTS, POSITIONS)
        parts = []
        for start in range(0, POSITIONS, size):
            span = slice(start, min(start + size, POSITIONS))
            count = span.stop - start
            batch = KernelBatch(kernel, kv_cache, make_tensors([(1, start, count)]), [count])
            part = (query[:, :, span], key[:, :, span], value[:, :, span])
            parts.append(batch.attend(0, SDPA(None, window), part))
        outputs.append(torch.cat(parts, 1))

    assert all(torch.equal(output, outputs[0]) for output in outputs)


def test_threads_share_a_step(kernel: AttentionKernel) -> None:
    """They are those of torch; each has a scratch memory, and bits stay the same."""
    layer = LayerSpec(2, 64, torch.float32, CPU)
    kv_cache = KVCache((layer,), 8, 2000)
    kv_cache.fill_with_noise()
    tensors = make_tensors([(slot, 1999 - 100 * slot, 1) for slot in range(8)])
    query, key = (draw_heads(heads, 8, 64, torch.float32, 1) for heads in (12, 2))
    outputs, num_threads = [], torch.get_num_threads()
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            batch = KernelBatch(kernel, kv_cache, tensors, [1] * 8)
            outputs += [batch.attend(0, SDPA(None, None), (query, key, key)) for _ in range(10)]
    finally:
        torch.set_num_threads(num_threads)

    assert all(torch.equal(output, outputs[0]) for output in outputs)


def test_padding_is_zero_and_stored_nowhere(kernel: AttentionKernel) -> None:
    """A step of few tokens is padded, because its products are faster."""
    kv_cache = KVCache((LayerSpec(1, 16, torch.float32, CPU),), NUM_SLOTS, POSITIONS)
    heads = draw_heads(1, 3, 16, torch.float32, 1)

    batch = KernelBatch(kernel, kv_cache, make_tensors([(2, 5, 1)], num_padding=2), [1])
    found = batch.attend(0, SDPA(None, None), (heads, heads, heads))

    assert not found[:, 1:].any()
    stored = kv_cache.flat_view(0).any(-1).nonzero().tolist()
    assert stored == [[0, 2 * POSITIONS + 5], [1, 2 * POSITIONS + 5]]


@pytest.mark.parametrize(("slot", "position"), [(NUM_SLOTS, 0), (0, POSITIONS), (0, -1)])
def test_place_outside_of_the_cache_is_refused(
    kernel: AttentionKernel, slot: int, position: int
) -> None:
    """Nothing is written then."""
    kv_cache = KVCache((LayerSpec(1, 16, torch.float32, CPU),), NUM_SLOTS, POSITIONS)
    heads = draw_heads(1, 1, 16, torch.float32, 1)
    batch = KernelBatch(kernel, kv_cache, make_tensors([(slot, position, 1)]), [1])

    with pytest.raises(RuntimeError, match="outside of the KV cache"):
        batch.attend(0, SDPA(None, None), (heads, heads, heads))

    assert not kv_cache.flat_view(0).any()


def test_number_that_is_none_reaches_the_output(kernel: AttentionKernel) -> None:
    """The engine fails a request whose logits are not finite; it must see them."""
    kv_cache = make_cache(1, 16, torch.float32)
    heads = draw_heads(1, 1, 16, torch.float32, 1)
    for half in (0, 1):
        kv_cache.zero_slots()
        kv_cache.layer_view(0)[half, 2, 0, 30] = math.nan
        batch = KernelBatch(kernel, kv_cache, make_tensors([(2, 40, 1)]), [1])

        assert batch.attend(0, SDPA(None, None), (heads, heads, heads)).isnan().all()


def test_heads_whose_numbers_lie_apart_are_copied(kernel: AttentionKernel) -> None:
    """The kernel reads the numbers of a head in one run."""
    heads = draw_heads(2, 6, 16, torch.float32, 1)
    apart = heads.transpose(2, 3).contiguous().transpose(2, 3)
    assert apart.stride(3) != 1
    outputs = []
    for given in (heads, apart):
        kv_cache = make_cache(2, 16, torch.float32)
        batch = KernelBatch(kernel, kv_cache, make_tensors([(1, 0, 6)]), [6])
        outputs.append(batch.attend(0, SDPA(None, None), (given, given, given)))

    assert torch.equal(*outputs)


@pytest.mark.parametrize("kind", ["bigcode", "bigcode-heads", "llama", "mistral"])
def test_replies_equal_those_by_sdpa(
    models: Callable[[str], LoadedModel], new_engine: EngineFactory, kind: str
) -> None:
    """Of a worker without the kernel, whose steps pad their rows too."""
    requests = make_mixed_requests(models(kind).info.vocab_size, 90, 6)
    engine, without = (new_engine(kind, slots=3, max_step_tokens=32) for _ in range(2))
    assert engine.model_runner.cpu_kernel is not None
    without.model_runner.cpu_kernel = None

    assert run_requests(engine, requests) == run_requests(without, requests)


def test_unsuitable_layers_have_no_kernel(kernel: AttentionKernel) -> None:
    """Of other devices, number formats and sizes; one such layer is enough."""
    del kernel
    good = LayerSpec(1, 32, torch.float32, CPU)
    assert find_kernel((good,)) is not None
    assert describe_attention((good,)) == "by the compiled kernel"
    for other, line in (
        (LayerSpec(1, 32, torch.float32, torch.device("meta")), ""),
        (LayerSpec(1, 32, torch.float16, CPU), "by torch, which is slower"),
        (LayerSpec(1, 24, torch.float32, CPU), "by torch, which is slower"),
    ):
        assert find_kernel((good, other)) is None
        assert describe_attention((good, other)).partition(":")[0] == line


def test_wrong_kernel_is_not_used() -> None:
    """It is compared with SDPA at load. Here a call leaves the output at zero."""
    wrong = AttentionKernel({torch.float32: lambda _call: 0})

    assert find_kernel((LayerSpec(1, 32, torch.float32, CPU),), lambda: wrong) is None
