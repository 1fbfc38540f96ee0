"""The last layer works for no token from which nothing is chosen, and nobody can tell."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from testing.in_process_engine import GREEDY_SAMPLING, run_requests
from worker.engine import Request
from worker.engine.attention.kv_cache import KVCache
from worker.engine.core.engine_core import EngineCore
from worker.engine.loading.loader import LoadedModel
from worker.engine.loading.spared import (
    SelectiveMLP,
    find_selective_mlps,
    install_selective_mlp,
    select_rows,
)


class DoublingMLP(nn.Module):
    """Doubles tokens, and counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = 0

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the doubles."""
        self.tokens += tokens.shape[1]
        return 2 * tokens


def test_only_wanted_tokens_are_worked_on() -> None:
    """The others are zeros; without a wish all are wanted, and after one again."""
    inner = DoublingMLP()
    network = nn.Sequential(SelectiveMLP(inner))
    tokens = torch.ones(1, 5, 3)

    with select_rows(find_selective_mlps(network), torch.tensor([1, 4])):
        found = network(tokens)
    with select_rows(find_selective_mlps(network), torch.tensor([], dtype=torch.long)):
        nothing = network(tokens)

    assert found[0, :, 0].tolist() == [0, 2, 0, 0, 2]
    assert not nothing.any()
    assert inner.tokens == 2
    assert torch.equal(network(tokens), 2 * tokens)


@pytest.mark.parametrize("kind", ["bigcode", "llama"])
def test_a_long_prompt_is_fed_to_the_last_layer_in_part(
    models: Callable[[str], LoadedModel], kind: str
) -> None:
    """One token of 60 is chosen from; the reply is that of an engine that works for all."""
    model = models(kind)
    parts = find_selective_mlps(model.network)
    assert len(parts) == 1
    [part] = parts
    inner, counted = part.inner, TokenCounter(part.inner)
    slots = KVCache(model.kv_cache.layers, 1, model.info.max_positions)
    engine = EngineCore(model.network, slots, vocab_size=model.info.vocab_size, max_step_tokens=64)
    asked = Request("a", tuple(range(30, 90)), GREEDY_SAMPLING)
    try:
        part.inner = counted
        found = run_requests(engine, [asked])["a"]
    finally:
        part.inner = inner

    assert counted.tokens == len(found.ids)


class TokenCounter(nn.Module):
    """Counts the tokens that a part is given."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self._part = part
        self.tokens = 0

    def forward(self, tokens: Tensor) -> Tensor:
        """Return what the part returns."""
        self.tokens += tokens.shape[1]
        found: Tensor = self._part(tokens)
        return found


def test_a_network_of_another_build_is_left_alone() -> None:
    """Without layers in the usual place there is nothing to spare."""
    network = nn.Sequential(nn.Linear(2, 2))
    install_selective_mlp(network)

    assert not find_selective_mlps(network)


def test_a_part_that_needs_more_than_tokens_is_left_alone() -> None:
    """Some architectures hand the residual in as well."""
    layer, inner = nn.Module(), nn.Bilinear(3, 3, 3)
    layer.mlp = inner
    network = nn.Module()
    network.model = nn.Module()
    network.model.layers = nn.ModuleList([layer])
    vars(network).update(config=SimpleNamespace(hidden_size=3), dtype=torch.float32)
    install_selective_mlp(network)

    assert layer.mlp is inner
