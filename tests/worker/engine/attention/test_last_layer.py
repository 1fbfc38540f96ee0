"""The last layer of a CPU's network: keys of all tokens, and nothing else of those not wanted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

from testing.checkpoints import tiny_llama
from worker.engine import Request, SamplingParams
from worker.engine.attention.kv_cache import KVCache
from worker.engine.attention.last_layer import find_last_layer, narrow_layer, restore_layer
from worker.engine.core.model_runner import ModelRunner
from worker.engine.core.request_state import RequestState, ScheduledRequest
from worker.engine.loading.loader import LoadedModel, load_model
from worker.engine.loading.narrowing import narrow_last_layer
from worker.engine.protocol import EngineConfig

KINDS = ["bigcode", "bigcode-heads", "llama", "mistral"]


def make_state(slot: int, length: int) -> RequestState:
    """Return a request with other tokens than those of other slots."""
    tokens = [5 + slot + position * 7 % 300 for position in range(length)]
    return RequestState(Request(str(slot), tuple(tokens), SamplingParams()), tokens, slot, slot)


@contextmanager
def whole_layer(network: Any) -> Iterator[None]:
    """Compute all tokens in the last layer, too."""
    layer = find_last_layer(network)
    assert layer is not None
    restore_layer(layer)
    try:
        yield
    finally:
        narrow_layer(layer)


def run_steps(model: LoadedModel) -> list[Tensor]:
    """
    Return the logits of three steps over four slots; the window of Mistral is 16.

    Two prompts but for their last tokens. Then these, one with drafts, a whole prompt and a part of
    another. Then the rest of that one. So the keys of tokens without logits matter.
    """
    runner = ModelRunner(model.network, KVCache(model.kv_cache.layers, 4, 64))
    decode, drafting, ending, middle = (make_state(slot, 40) for slot in range(4))
    steps = [
        [ScheduledRequest(decode, 0, 39), ScheduledRequest(drafting, 0, 39)],
        [
            ScheduledRequest(decode, 39, 1),
            ScheduledRequest(drafting, 39, 1, draft_ids=(7, 8, 9)),
            ScheduledRequest(ending, 0, 40),
            ScheduledRequest(middle, 0, 30),
        ],
        [ScheduledRequest(middle, 30, 10)],
    ]
    with torch.inference_mode():
        return [runner.run_eager(step) for step in steps]


@pytest.mark.parametrize("kind", KINDS)
def test_logits_stay_as_they_were(models: Callable[[str], LoadedModel], kind: str) -> None:
    """Steps with all kinds of requests, and with no wanted token."""
    model = models(kind)
    narrowed = run_steps(model)
    with whole_layer(model.network):
        expected = run_steps(model)

    assert [len(logits) for logits in narrowed] == [0, 6, 1]
    for actual, reference in zip(narrowed, expected, strict=True):
        assert torch.allclose(actual, reference, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_last_layer_computes_wanted_tokens_only(
    models: Callable[[str], LoadedModel], kind: str
) -> None:
    """Its MLP sees one token of a prompt of 40, where the layer before sees all."""
    model = models(kind)
    seen: list[int] = []

    def record_tokens(_module: Any, args: tuple[Tensor, ...]) -> None:
        seen.append(args[0].shape[1])

    layer = find_last_layer(model.network)
    assert layer is not None
    handle = layer.mlp.register_forward_pre_hook(record_tokens)  # type: ignore[union-attr]
    with torch.inference_mode():
        runner = ModelRunner(model.network, KVCache(model.kv_cache.layers, 1, 64))
        runner.run_eager([ScheduledRequest(make_state(0, 40), 0, 40)])
        handle.remove()

    assert seen == [1]


def test_layer_that_mixes_tokens_stays_whole() -> None:
    """A layer whose output depends on other tokens' hidden states changes the logits."""
    model = load_model(tiny_llama(), EngineConfig(device="cpu"), lambda _stage, _done: None)
    layer = find_last_layer(model.network)
    assert layer is not None
    restore_layer(layer)
    plain_class = type(layer)

    class MixingLayer(plain_class):  # type: ignore[misc,valid-type]
        def forward(self, hidden: Tensor, *args: Any, **options: Any) -> Tensor:
            output: Tensor = super().forward(hidden, *args, **options)
            return output + 10 * output.mean(1, keepdim=True)

    layer.__class__ = MixingLayer

    assert not narrow_last_layer(model.network, model.kv_cache)
    assert "forward" not in vars(layer)
    layer.__class__ = plain_class
    assert narrow_last_layer(model.network, model.kv_cache)
    assert not model.kv_cache.layer_view(0).any()
