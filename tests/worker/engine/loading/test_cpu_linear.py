"""CPU linear layers: packed layers equal plain ones, up to rounding."""

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM

from testing.checkpoints import tiny_bigcode, tiny_llama
from worker.engine.loading.cpu_linear import (
    TUNED_ROW_COUNTS,
    PackedLinear,
    choose_width,
    prepack_layers,
    tune_widths,
)

TOLERANCE = 1e-4


@pytest.mark.parametrize("checkpoint", [tiny_bigcode, tiny_llama])
def test_packed_network_equals_the_plain_one(checkpoint: Callable[[], Path]) -> None:
    """All linear layers are replaced, the output layer with tied weights too."""
    plain = AutoModelForCausalLM.from_pretrained(checkpoint())
    packed = copy.deepcopy(plain)
    ids = torch.arange(1, 200).view(1, -1) % 448

    count = prepack_layers(packed)

    assert count == sum(type(layer) is nn.Linear for layer in plain.modules()) > 0
    assert not any(type(layer) is nn.Linear for layer in packed.modules())
    with torch.inference_mode():
        for length in (1, 7, 199):
            expected = plain(ids[:, :length]).logits
            assert (packed(ids[:, :length]).logits - expected).abs().max() < TOLERANCE


@pytest.mark.parametrize("turned", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("inputs", "outputs"), [(48, 96), (96, 48)])
@pytest.mark.parametrize("rows", [0, 1, 2, 8, 33, 100])
def test_packed_layer_takes_any_number_of_rows(
    rows: int, inputs: int, outputs: int, *, bias: bool, turned: bool
) -> None:
    """With and without a second, transposed copy."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    given = torch.randn(1, rows, inputs)
    with torch.inference_mode():
        found = PackedLinear(layer, transposed=turned)(given)
        assert found.shape == (1, rows, outputs)
        assert torch.allclose(found, layer(given), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("bias", [True, False])
def test_convolution_takes_any_number_of_rows(*, bias: bool) -> None:
    """Counts between two widths are padded; larger ones take more images."""
    layer = nn.Linear(48, 96, bias=bias)
    packed = PackedLinear(layer, transposed=True, widths=(4, 8, 4, 16, 0, 8, 28))
    with torch.inference_mode():
        for rows in (*range(42), 65, 100):
            given = torch.randn(1, rows, 48)
            found = packed(given)
            assert found.shape == (1, rows, 96)
            assert torch.allclose(found, layer(given), rtol=0, atol=TOLERANCE)


def test_padding_does_not_change_a_row() -> None:
    """Neither do other rows of its image, bit by bit."""
    packed = PackedLinear(nn.Linear(48, 96), transposed=True, widths=(8, 8))
    given = torch.randn(1, 8, 48)
    with torch.inference_mode():
        whole = packed(given)
        for rows in range(2, 8):
            assert torch.equal(packed(given[:, :rows]), whole[:, :rows])


def test_tuned_layer_equals_the_plain_one() -> None:
    """Each number of rows has its tuned width."""
    layer = nn.Linear(1024, 4096)
    network = nn.Sequential(copy.deepcopy(layer))
    prepack_layers(network, layer.weight.nbytes)
    packed = network[0]
    assert isinstance(packed, PackedLinear)
    with torch.inference_mode():
        ways = tune_widths(layer.weight, partial(nn.functional.linear, weight=layer.weight))
        assert len(ways) == len(TUNED_ROW_COUNTS)
        for found in (packed, PackedLinear(layer, transposed=True, widths=ways)):
            for rows in (1, 3, 8, 33, 257):
                given = torch.randn(rows, 1024)
                assert (found(given) - layer(given)).abs().max() < TOLERANCE


@pytest.mark.parametrize(
    ("rows", "width"), [(2, 4), (4, 4), (5, 8), (8, 8), (9, 0), (12, 0), (13, 4), (16, 4), (17, 0)]
)
def test_row_count_uses_the_next_tuned_count(rows: int, width: int) -> None:
    """Beyond the tuned counts torch's own product serves."""
    assert choose_width(rows, (4, 8, 0, 4)) == width


@pytest.mark.parametrize(("spare", "copies"), [(0, 1), (4 * 8 * 16, 1), (2 * 4 * 8 * 16, 2)])
def test_second_copy_is_kept_if_memory_allows(spare: int, copies: int) -> None:
    """All weights or none: two layers of 8 x 16 weights, four bytes each."""
    network = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8))
    prepack_layers(network, spare)
    kept = [value for layer in network.modules() for value in vars(layer).values()]

    assert sum(isinstance(value, torch.Tensor) for value in kept) == 2 * copies


def test_other_dtypes_are_not_packed() -> None:
    """Neither is a network without linear layers."""
    assert prepack_layers(nn.Sequential(nn.Linear(8, 8)).to(torch.bfloat16)) == 0
    assert prepack_layers(nn.Sequential(nn.ReLU())) == 0


def test_refusing_operators_leave_the_network_plain() -> None:
    """A layer without inputs can't be packed, so no layer is."""
    with pytest.warns(UserWarning, match="zero-element"):
        network = nn.Sequential(nn.Linear(0, 8), nn.Linear(8, 8))
    assert prepack_layers(network) == 0
    assert type(network[1]) is nn.Linear
