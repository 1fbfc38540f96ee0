"""Prefill chunks of one token: no repeated keys under a mask, and unchanged logits."""

from collections.abc import Callable

import pytest
import torch

from testing.fake_cuda import FakeCuda
from testing.fake_starchat import load_fake_starchat, make_chunk
from worker.engine import Request, SamplingParams
from worker.engine.attention.kv_cache import KVCache
from worker.engine.core.model_runner import ModelRunner
from worker.engine.core.request_state import RequestState, ScheduledRequest
from worker.engine.loading.loader import LoadedModel


def test_single_query_has_no_repeated_keys() -> None:
    """SDPA's memory-efficient kernel returns wrong values for them up to torch 2.13."""
    with FakeCuda() as fake_cuda, torch.no_grad():
        model = load_fake_starchat()
        runner = ModelRunner(model.network, model.kv_cache)
        log = fake_cuda.record_run(lambda: runner.run_eager([make_chunk(3, 64, 1)]))

    [call] = log.attention_calls
    assert (call.query_shape, call.has_mask) == ((1, 1, 48, 128), False)
    assert 0 not in call.key_strides


@pytest.mark.parametrize("kind", ["bigcode", "bigcode-heads", "llama", "mistral"])
def test_single_token_chunk_changes_no_logits(
    models: Callable[[str], LoadedModel], kind: str
) -> None:
    """A prompt of 22 tokens at once, or as chunks of 20, 1 and 1; the window is 16."""
    model = models(kind)
    runner = ModelRunner(model.network, KVCache(model.kv_cache.layers, 2, 32))
    tokens = tuple(range(5, 27))
    request = Request("a", tokens, SamplingParams())
    whole, parts = (RequestState(request, list(tokens), slot, slot=slot) for slot in (0, 1))
    with torch.inference_mode():
        expected = runner.run_eager([ScheduledRequest(whole, 0, 22)])
        for start, count in ((0, 20), (20, 1), (21, 1)):
            logits = runner.run_eager([ScheduledRequest(parts, start, count)])

    assert torch.allclose(logits, expected, rtol=1e-4, atol=1e-4)
