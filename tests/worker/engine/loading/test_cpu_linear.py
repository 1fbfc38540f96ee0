"""CPU linear layers: packed layers equal plain ones, in one copy of the weights."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from transformers import AutoModelForCausalLM

from testing.checkpoints import tiny_bigcode, tiny_llama
from worker.engine.loading import cpu_linear
from worker.engine.loading.cpu_linear import (
    PackedLinear,
    describe_packing,
    has_fbgemm,
    pack_layers,
)

TOLERANCE = {torch.float32: 1e-4, torch.float16: 1e-4, torch.bfloat16: 0.1}
RELATIVE_TOLERANCE = {torch.float32: 1e-4, torch.float16: 1e-4, torch.bfloat16: 0.05}
"""For a whole network, whose layers round to bfloat16: 0.02 with torch's plain layers too."""
pytestmark = pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
requires_fbgemm = pytest.mark.skipif(not has_fbgemm(), reason="needs FBGEMM")


def can_pack_bfloat16() -> bool:
    """Whether oneDNN has bfloat16 on this processor, computed or emulated."""
    return pack_layers(nn.Sequential(nn.Linear(8, 8)).to(torch.bfloat16)) > 0


requires_bfloat16 = pytest.mark.skipif(not can_pack_bfloat16(), reason="needs bfloat16 in oneDNN")
DTYPES = [
    torch.float32,
    pytest.param(torch.float16, marks=requires_fbgemm),
    pytest.param(torch.bfloat16, marks=requires_bfloat16),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("checkpoint", [tiny_bigcode, tiny_llama])
def test_packed_network_equals_the_plain_one(
    checkpoint: Callable[[], Path], dtype: torch.dtype
) -> None:
    """All linear layers are replaced, the output layer with tied weights too."""
    packed = AutoModelForCausalLM.from_pretrained(checkpoint(), dtype=dtype)
    plain = copy.deepcopy(packed).float()
    ids = torch.arange(1, 200).view(1, -1) % 448

    count = pack_layers(packed)

    assert count == sum(type(layer) is nn.Linear for layer in plain.modules()) > 0
    assert not any(type(layer) is nn.Linear for layer in packed.modules())
    with torch.inference_mode():
        for length in (1, 7, 199):
            expected = plain(ids[:, :length]).logits
            found = packed(ids[:, :length]).logits
            assert found.dtype == (torch.bfloat16 if dtype == torch.bfloat16 else torch.float32)
            assert (found - expected).norm() < RELATIVE_TOLERANCE[dtype] * expected.norm()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("inputs", "outputs"), [(48, 96), (96, 48)])
def test_packed_layer_takes_any_number_of_rows(
    inputs: int, outputs: int, dtype: torch.dtype, *, bias: bool
) -> None:
    """A row's product does not depend on the rows beside it, but for the order of its sum."""
    layer = nn.Linear(inputs, outputs, bias=bias, dtype=dtype)
    packed = PackedLinear(layer)
    given = torch.randn(1, 100, inputs)
    given = given if dtype == torch.float16 else given.to(dtype)
    with torch.inference_mode():
        expected = copy.deepcopy(layer).float()(given.float())
        for rows in (0, 1, 2, 8, 33, 100):
            found = packed(given[:, :rows])
            assert found.shape == (1, rows, outputs)
            assert torch.allclose(found.float(), expected[:, :rows], rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_packed_layer_ends_with_its_gelu(approximate: str) -> None:
    """Both forms differ by 0.0005 at most, which only float32 shows."""
    layer = nn.Linear(48, 96)
    given = torch.randn(5, 48) * 3
    with torch.inference_mode():
        found = PackedLinear(layer, gelu=approximate)(given)
        expected = nn.functional.gelu(layer(given), approximate=approximate)
    assert torch.allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gelus_are_computed_with_the_product_where_it_is_faster(dtype: torch.dtype) -> None:
    """In bfloat16, and in float32 with AVX-512."""
    network = AutoModelForCausalLM.from_pretrained(tiny_bigcode(), dtype=dtype)
    pack_layers(network)
    is_fused = [type(block.mlp.act) is nn.Identity for block in network.transformer.h]
    has_avx512 = torch.backends.cpu.get_cpu_capability() == "AVX512"
    faster = dtype == torch.bfloat16 or (dtype == torch.float32 and has_avx512)
    assert is_fused == [faster] * len(is_fused)


def test_float32_rows_are_equal_beside_any_others() -> None:
    """Bit by bit, so a reply does not depend on its batch."""
    packed = PackedLinear(nn.Linear(768, 96))
    given = torch.randn(64, 768)
    with torch.inference_mode():
        whole = packed(given)
        for rows in (1, 2, 3, 7, 8, 31):
            assert torch.equal(packed(given[:rows]), whole[:rows])
            assert torch.equal(packed(given[-rows:]), whole[-rows:])


def refer_to_weights(network: nn.Sequential) -> list[Any]:
    """Return a weak reference to the memory of each layer's weights."""
    layers: list[Any] = list(network)
    make_reference: Any = StorageWeakRef
    return [make_reference(layer.weight.untyped_storage()) for layer in layers]


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_second_copy_of_the_weights_stays(dtype: torch.dtype) -> None:
    """
    Each layer's own weights are freed. An embedding that shares them keeps a copy.

    The weights of a loaded model are parts of a mapped file, which one of them would keep mapped.
    """
    table = nn.Embedding(96, 48, dtype=dtype)
    network = nn.Sequential(
        table, nn.Linear(48, 64, dtype=dtype), nn.Linear(64, 48), nn.Linear(48, 96, bias=False)
    ).to(dtype)
    network[3].weight = table.weight
    weights = refer_to_weights(network)

    assert pack_layers(network) == 3

    assert all(reference.expired() for reference in weights)
    assert [value.dtype for value in network.parameters() if value.ndim == 2] == [dtype]


def test_first_layer_is_freed_before_the_last_is_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights and their packed form never fill the memory together."""
    network = nn.Sequential(*(nn.Linear(8, 8) for _ in range(3)))
    weights = refer_to_weights(network)
    freed: list[list[bool]] = []

    class WatchedLinear(PackedLinear):
        def __init__(self, layer: nn.Linear, **options: Any) -> None:
            freed.append([reference.expired() for reference in weights])
            super().__init__(layer, **options)

    monkeypatch.setattr(cpu_linear, "PackedLinear", WatchedLinear)
    pack_layers(network)

    assert freed[1:] == [[False] * 3, [True, False, False], [True, True, False]]


def test_refusing_operators_leave_the_network_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing ones, another device, and products that are wrong."""
    assert pack_layers(nn.Sequential(nn.ReLU())) == 0
    with torch.device("meta"):
        assert pack_layers(nn.Sequential(nn.Linear(8, 8))) == 0

    monkeypatch.setattr(cpu_linear, "FBGEMM", "none")
    half = nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8)).half()
    assert pack_layers(half) == 0
    assert pack_layers(half, int8=True) == 0
    assert half[1].weight.dtype == torch.float16

    monkeypatch.setattr(
        cpu_linear, "_pack_onednn", lambda layer, _: lambda rows: rows @ layer.weight
    )
    plain = nn.Sequential(nn.Linear(3, 3))
    assert pack_layers(plain) == 0
    assert type(plain[0]) is nn.Linear


@requires_fbgemm
@pytest.mark.parametrize("vnni", [True, False])
def test_int8_rows_are_rounded_one_by_one(monkeypatch: pytest.MonkeyPatch, *, vnni: bool) -> None:
    """A large row changes no other, bit by bit; weights have 7 bits where sums could overflow."""
    if vnni and not cpu_linear.has_vnni():
        pytest.skip("needs VNNI")
    monkeypatch.setattr(cpu_linear, "has_vnni", lambda: vnni)
    layer = nn.Linear(768, 96).half()
    packed = PackedLinear(layer, int8=True)
    given = torch.randn(64, 768)
    given[5] *= 1000
    given[6] = 0
    with torch.inference_mode():
        whole = packed(given)
        exact = copy.deepcopy(layer).float()(given)
        for rows in (1, 2, 3, 7, 8, 31):
            assert torch.equal(packed(given[:rows]), whole[:rows])
            assert torch.equal(packed(given[-rows:]), whole[-rows:])
        error = (whole - exact).norm(dim=1) / exact.norm(dim=1)
    assert error.max() < 0.03
    assert torch.equal(whole[6], exact[6])


@requires_fbgemm
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_int8_network_is_close_to_the_plain_one(dtype: torch.dtype) -> None:
    """The output layer is quantized too; the embedding that shares its weights is not."""
    plain = AutoModelForCausalLM.from_pretrained(tiny_bigcode())
    packed = AutoModelForCausalLM.from_pretrained(tiny_bigcode(), dtype=dtype)
    ids = torch.arange(1, 200).view(1, -1) % 448

    assert pack_layers(packed, int8=True) == sum(type(m) is nn.Linear for m in plain.modules())
    with torch.inference_mode():
        expected, found = plain(ids).logits, packed(ids).logits
    assert found.dtype == torch.float32
    assert (found - expected).norm() < 0.05 * expected.norm()
    assert packed.get_input_embeddings().weight.dtype == dtype


@pytest.mark.parametrize(
    ("count", "name", "native", "line"),
    [
        (49, "float16", True, "49 linear layers are packed in float16; the CPU has bfloat16 inst"),
        (49, "float16", False, "49 linear layers are packed in float16; the CPU lacks bfloat16 i"),
        (49, "int8", False, "49 linear layers are packed in int8; the CPU lacks VNNI instructions"),
        (0, "float16", False, "linear layers are not packed: torch can't pack float16 on this pr"),
    ],
)
def test_log_line_names_format_and_reason(
    monkeypatch: pytest.MonkeyPatch, count: int, name: str, line: str, *, native: bool
) -> None:
    """An operator sees what was chosen, and what the processor has."""
    monkeypatch.setattr(cpu_linear, "has_native_bfloat16", lambda: native)
    monkeypatch.setattr(cpu_linear, "has_vnni", lambda: native)

    assert describe_packing(count, name).startswith(line)
