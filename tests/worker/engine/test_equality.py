"""Greedy replies of a mixed batch are those of `generate`, token for token."""

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
def test_a_mixed_batch_says_what_each_would_say_alone(
    models: Models, fresh: EngineFactory, kind: str
) -> None:
    """25 prompts of 1 to 255 tokens share 6 slots, at any budget; each equals `generate`'s."""
    model = models(kind)
    requests = make_mixed_requests(model.info.vocab_size, model.info.max_positions, 25, stop=(0, 7))
    expected = {request.id: reference_greedy(model.network, request) for request in requests}

    for budget in (16, 300):
        replies = run_requests(fresh(kind, slots=6, budget=budget), requests)

        assert {name: reply.ids for name, reply in replies.items()} == expected


def test_starchats_own_geometry_says_what_it_would_say_alone(
    models: Models, fresh: EngineFactory
) -> None:
    """48 heads, one key-value head, 49,156 ids: few layers, and otherwise the real thing."""
    model = models("starchat")
    requests = make_mixed_requests(model.info.vocab_size, 120, 8, stop=(0, 49155))
    expected = {request.id: reference_greedy(model.network, request) for request in requests}

    replies = run_requests(fresh("starchat", slots=8, budget=32), requests)

    assert model.info.max_positions == 8192
    assert {name: reply.ids for name, reply in replies.items()} == expected


def test_the_last_positions_of_a_long_window_are_right(
    models: Models, fresh: EngineFactory
) -> None:
    """A prompt of 8,180 tokens in chunks continues as in `generate`, to the last position."""
    model = models("long")
    prompt = tuple((7919 * n) % model.info.vocab_size for n in range(8180))
    request = Request("long", prompt, SamplingParams(max_new_tokens=12, temperature=0))

    replies = run_requests(fresh("long", slots=1, budget=1024), [request])

    assert replies["long"] == EngineReply(
        reference_greedy(model.network, request), FinishReason.LENGTH
    )


def test_starchats_own_geometry_is_right_to_its_last_position(
    models: Models, fresh: EngineFactory
) -> None:
    """8,192 positions for 48 heads and all ids: one thin layer, and otherwise the real thing."""
    model = models("starchat-long")
    prompt = tuple((7919 * n) % 1000 for n in range(8176))  # goes round, so that drafts come in
    request = Request("long", prompt, SamplingParams(max_new_tokens=16, temperature=0))

    replies = run_requests(fresh("starchat-long", slots=1, budget=1024, drafted=8), [request])

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
def test_a_sampled_reply_is_drawn_from_what_transformers_would_draw_from(
    models: Models, fresh: EngineFactory, sampling: SamplingParams
) -> None:
    """Token by token: transformers' probabilities, likeliest first, at the request's numbers."""
    request = Request("warm", tuple(range(50, 70)), sampling)

    replies = run_requests(fresh(), [*make_mixed_requests(448, 256, 3), request])

    assert replies["warm"].ids == reference_sample(models("bigcode").network, request)


@pytest.mark.parametrize("lengths", [(30, 30, 30, 30), (200, 2, 1, 3)], ids=["even", "uneven"])
@pytest.mark.parametrize("kind", ["llama", "mistral"])
def test_threads_of_even_and_uneven_lengths_grow_alike(
    models: Models, fresh: EngineFactory, kind: str, lengths: tuple[int, ...]
) -> None:
    """Whether slots are attended to together or one by one changes no reply."""
    model = models(kind)
    prompts = [tuple(range(10 + n, 10 + n + length)) for n, length in enumerate(lengths)]
    sampling = SamplingParams(max_new_tokens=40, temperature=0)
    requests = [Request(str(n), prompt, sampling) for n, prompt in enumerate(prompts)]

    replies = run_requests(fresh(kind), requests)

    for request in requests:
        assert replies[request.id].ids == reference_greedy(model.network, request)
