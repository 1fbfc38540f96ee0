"""Equality with transformers' `generate`: the replies of a mixed batch, token for token."""

from collections.abc import Callable

import pytest

from testing.in_process_engine import (
    EngineFactory,
    EngineReply,
    make_mixed_requests,
    reference_greedy,
    reference_sample,
    run_requests,
)
from worker.engine import FinishReason, Request, SamplingParams
from worker.engine.loading.loader import LoadedModel

Models = Callable[[str], LoadedModel]


@pytest.mark.parametrize("kind", ["bigcode", "bigcode-heads", "llama", "mistral"])
def test_mixed_batch_equals_generate(models: Models, new_engine: EngineFactory, kind: str) -> None:
    """Nine prompts of 1 to 255 tokens share 4 slots, with several step sizes."""
    model = models(kind)
    requests = make_mixed_requests(model.info.vocab_size, model.info.max_positions, 9, stop=(0, 7))
    expected = {request.id: reference_greedy(model.network, request) for request in requests}

    for max_step_tokens in (16, 300):
        replies = run_requests(new_engine(kind, slots=4, max_step_tokens=max_step_tokens), requests)

        assert {name: reply.ids for name, reply in replies.items()} == expected


def test_starchats_geometry_equals_generate(models: Models, new_engine: EngineFactory) -> None:
    """48 heads, one key-value head and 49,156 ids, with few layers."""
    model = models("starchat")
    requests = make_mixed_requests(model.info.vocab_size, 120, 8, stop=(0, 49155))
    expected = {request.id: reference_greedy(model.network, request) for request in requests}

    replies = run_requests(new_engine("starchat", slots=8, max_step_tokens=32), requests)

    assert model.info.max_positions == 8192
    assert {name: reply.ids for name, reply in replies.items()} == expected


def test_long_prompt_equals_generate_to_the_last_position(
    models: Models, new_engine: EngineFactory
) -> None:
    """A prompt of 8,180 tokens, prefilled in chunks."""
    model = models("long")
    prompt = tuple((7919 * n) % model.info.vocab_size for n in range(8180))
    request = Request("long", prompt, SamplingParams(max_new_tokens=12, temperature=0))

    replies = run_requests(new_engine("long", slots=1, max_step_tokens=1024), [request])

    assert replies["long"] == EngineReply(
        reference_greedy(model.network, request), FinishReason.LENGTH
    )


@pytest.mark.slow
def test_starchats_last_position_equals_generate(models: Models, new_engine: EngineFactory) -> None:
    """8,192 positions for 48 heads and all ids, with one thin layer."""
    model = models("starchat-long")
    prompt = tuple((7919 * n) % 1000 for n in range(8176))  # goes round, so that drafts come in
    request = Request("long", prompt, SamplingParams(max_new_tokens=16, temperature=0))

    replies = run_requests(
        new_engine("starchat-long", slots=1, max_step_tokens=1024, num_speculative_tokens=8),
        [request],
    )

    assert len(prompt) + 16 == model.info.max_positions == 8192
    assert replies["long"] == EngineReply(
        reference_greedy(model.network, request), FinishReason.LENGTH
    )


@pytest.mark.parametrize(
    "sampling",
    [
        SamplingParams(30, temperature=1.2, top_k=0, top_p=1.0, seed=1),
        SamplingParams(30, temperature=0.8, top_k=40, top_p=0.9, seed=2),
        SamplingParams(30, temperature=1.5, top_k=200, top_p=0.98, seed=3),
    ],
    ids=["all ids", "few ids", "more ids than come from the device at first"],
)
def test_sampled_reply_follows_transformers_probabilities(
    models: Models, new_engine: EngineFactory, sampling: SamplingParams
) -> None:
    """Token by token, at the request's own random numbers."""
    request = Request("warm", tuple(range(50, 70)), sampling)

    replies = run_requests(new_engine(), [*make_mixed_requests(448, 256, 3), request])

    assert replies["warm"].ids == reference_sample(models("bigcode").network, request)


@pytest.mark.parametrize("lengths", [(30, 30, 30, 30), (200, 2, 1, 3)], ids=["even", "uneven"])
@pytest.mark.parametrize("kind", ["llama", "mistral"])
def test_batched_and_separate_decodes_are_equal(
    models: Models, new_engine: EngineFactory, kind: str, lengths: tuple[int, ...]
) -> None:
    """Slots of even lengths attend together, those of uneven lengths two by two."""
    model = models(kind)
    prompts = [tuple(range(10 + n, 10 + n + length)) for n, length in enumerate(lengths)]
    sampling = SamplingParams(max_new_tokens=40, temperature=0)
    requests = [Request(str(n), prompt, sampling) for n, prompt in enumerate(prompts)]

    replies = run_requests(new_engine(kind), requests)

    for request in requests:
        assert replies[request.id].ids == reference_greedy(model.network, request)
