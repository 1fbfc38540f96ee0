"""Padded batch: captured steps equal eager steps, for all mixes of requests and slots."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from testing.in_process_engine import (
    GREEDY_SAMPLING,
    EngineFactory,
    EngineReply,
    TracedGraphCapture,
    build_captured_engine,
    make_mixed_requests,
    record_step,
    reference_greedy,
    run_requests,
)
from worker.engine import Request, SamplingParams
from worker.engine.attention.sdpa import SDPA
from worker.engine.core.request_state import RequestState, ScheduledRequest
from worker.engine.cuda_graphs.shapes import GraphShape
from worker.engine.loading.loader import LoadedModel

Models = Callable[[str], LoadedModel]

NUM_SPECULATIVE_TOKENS = 4
"""Tokens drafted for a request in a step."""


@pytest.mark.parametrize("kind", ["bigcode", "bigcode-heads", "llama", "mistral"])
@pytest.mark.parametrize(("slots", "budget", "count"), [(7, 300, 10), (13, 90, 14)])
def test_recorded_steps_say_what_eager_ones_say(
    models: Models, fresh: EngineFactory, kind: str, slots: int, budget: int, count: int
) -> None:
    """Prompts of 1 to 255 tokens, greedy, in lanes of 1, 2, 4 and all slots."""
    model = models(kind)
    requests = make_mixed_requests(
        model.info.vocab_size, model.info.max_positions, count, stop=(0, 7)
    )
    ours = build_captured_engine(model, slots=slots, budget=budget)

    assert run_requests(ours.engine_core, requests) == run_requests(
        fresh(kind, slots=slots, budget=budget), requests
    )
    assert ours.capture.replayed > 20
    assert not ours.log_lines


@pytest.mark.parametrize("kind", ["bigcode", "llama", "mistral"])
def test_recorded_steps_with_drafts_say_what_eager_ones_say(
    models: Models, fresh: EngineFactory, kind: str
) -> None:
    """Greedy and sampled requests with repetitive prompts, which invite drafts."""
    vocabulary = models(kind).info.vocab_size
    requests = [
        Request(
            str(number),
            tuple((place % (3 + number)) * 11 % vocabulary for place in range(20 + 10 * number)),
            SamplingParams(70, temperature=(0, 0.1, 0.9)[number % 3], seed=number),
        )
        for number in range(6)
    ]
    expected = run_requests(fresh(kind, slots=7), requests)
    ours = build_captured_engine(models(kind), slots=7, drafted=NUM_SPECULATIVE_TOKENS)
    ours.engine_core.scheduler.ridge_tokens = 1e6

    assert run_requests(ours.engine_core, requests) == expected
    assert any(
        bucket.tokens_per_request == 1 + NUM_SPECULATIVE_TOKENS for bucket in ours.graphs._replays
    )
    assert not ours.log_lines


def make_step(lengths: dict[int, int], drafted: int, vocabulary: int) -> list[ScheduledRequest]:
    """Return a step in which the slots grow from so many tokens each, in the order given."""
    works = []
    for slot, length in lengths.items():
        tokens = [(slot * 31 + at * 7) % vocabulary for at in range(length + 1)]
        draft = tuple((slot + at) % vocabulary for at in range(drafted))
        live = RequestState(
            Request(str(slot), tuple(tokens), GREEDY_SAMPLING), tokens, arrival=0, slot=slot
        )
        works.append(ScheduledRequest(live, length, 1, draft))
    return works


@pytest.mark.parametrize("kind", ["bigcode", "llama", "mistral"])
@pytest.mark.parametrize("drafted", [0, NUM_SPECULATIVE_TOKENS])
@pytest.mark.parametrize(
    "lengths",
    [
        {5: 0},
        {0: 255 - NUM_SPECULATIVE_TOKENS},
        {6: 3, 0: 200},
        {4: 99, 1: 0, 3: 40},
        {6: 1, 5: 2, 4: 3, 3: 240, 2: 5, 1: 6, 0: 7},
    ],
    ids=["first token", "last position", "two lanes", "any lanes", "all slots"],
)
def test_a_step_touches_nothing_but_the_positions_that_it_feeds(
    models: Models, kind: str, drafted: int, lengths: dict[int, int]
) -> None:
    """Logits and keys are those of the eager step; all else in all slots stays, to the bit."""
    model = models(kind)
    ours = build_captured_engine(model, slots=7, drafted=NUM_SPECULATIVE_TOKENS)
    works = make_step(lengths, drafted, model.info.vocab_size)
    dice = torch.Generator().manual_seed(1)
    for index in range(len(ours.kv_cache.layers)):
        ours.kv_cache.layer_view(index).normal_(generator=dice)
    before = [ours.kv_cache.layer_view(index).clone() for index in range(len(ours.kv_cache.layers))]
    with torch.inference_mode():
        expected = ours.engine_core.model_runner.run_eager(works).clone()
        eager = [ours.kv_cache.layer_view(index).clone() for index in range(len(before))]
        for index, block in enumerate(before):
            ours.kv_cache.layer_view(index).copy_(block)
        ours.graphs(works)
        for index, block in enumerate(before):
            ours.kv_cache.layer_view(index).copy_(block)
        found = ours.graphs(works)

    assert found is not None
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()
    assert ours.capture.replayed == 2
    for index, block in enumerate(before):
        fed = torch.zeros(block.shape, dtype=torch.bool)
        for slot, length in lengths.items():
            fed[:, slot, :, length : length + 1 + drafted] = True
        now = ours.kv_cache.layer_view(index)
        assert torch.equal(now[~fed], block[~fed])
        assert torch.allclose(now, eager[index], atol=1e-4)


def test_starchats_last_positions_and_the_edge_of_a_length_are_right(models: Models) -> None:
    """48 heads on one key-value head, up to position 8,191, with drafts over an edge."""
    model = models("starchat-long")
    ours = build_captured_engine(model, slots=7, drafted=NUM_SPECULATIVE_TOKENS)
    works = make_step({6: 8187, 0: 4094}, NUM_SPECULATIVE_TOKENS, 1000)
    dice = torch.Generator().manual_seed(1)
    ours.kv_cache.layer_view(0)[:, [0, 6]] = torch.randn(2, 2, 1, 8192, 4, generator=dice)
    bucket = GraphShape(2, 1 + NUM_SPECULATIVE_TOKENS, 8192, all_slots=False)
    with torch.inference_mode():
        expected = ours.engine_core.model_runner.run_eager(works)
        assert ours.graphs(works) is not None
        for spread in (False, True):
            ours.graphs._run_model(bucket, unfused=spread)
            found = ours.graphs._logits_view(bucket)
            assert (found - expected).abs().max() < 1e-4 * expected.abs().max()

    assert list(ours.graphs._replays) == [bucket]
    assert ours.capture.captured == 2


@pytest.mark.parametrize(("width", "served"), [(1, 1), (1, 6), (3, 4)])
@pytest.mark.parametrize("window", [None, 5])
def test_both_ways_to_attend_are_the_same(width: int, served: int, window: int | None) -> None:
    """With a mask for each lane, a scale of the layer's own, several key-value heads."""
    dice = torch.Generator().manual_seed(0)
    look = SDPA(0.3, window)
    query = torch.randn(3, 2, served * width, 8, generator=dice)
    held = torch.randn(2, 3, 2, 20, 8, generator=dice)
    at = torch.tensor([0, 9, 19]).view(3, 1, 1, 1)
    added = look.additive_mask(at, 20, query.dtype)

    found = look.attend_without_fusion(query, held, added)

    assert (found - look.attend_grouped_query(query, held, added)).abs().max() < 1e-5


def test_what_idle_slots_keep_of_their_threads_survives(
    models: Models, fresh: EngineFactory
) -> None:
    """A thread continues from its slot after captured steps of other requests."""
    ours = build_captured_engine(models("bigcode"), slots=3)
    thread = Request("thread", tuple(range(60)), GREEDY_SAMPLING, scope="T1")
    [said] = run_requests(ours.engine_core, [thread]).values()
    others = [
        Request(str(n), tuple(range(n, 90 + n)), GREEDY_SAMPLING, scope="T2") for n in range(2)
    ]
    run_requests(ours.engine_core, others)
    following = replace(thread, id="next", prompt=(*thread.prompt, *said.ids, 1, 2, 3))
    assert ours.engine_core.add_request(following) is None
    ours.engine_core.admit_waiting()

    assert (
        ours.engine_core.scheduler.running["next"].num_computed_tokens
        == len(thread.prompt) + len(said.ids) - 1
    )
    replies = {"next": EngineReply()}
    while ours.engine_core.has_unfinished_requests:
        record_step(replies, ours.engine_core.run_step())
    assert replies == run_requests(fresh(), [replace(following, scope="")])


def test_a_crowd_that_drafts_runs_over_fixed_memory_without_its_drafts(models: Models) -> None:
    """With more requests than the largest shape holds, the scheduler drafts for none."""
    ours = build_captured_engine(
        models("bigcode"), slots=40, drafted=NUM_SPECULATIVE_TOKENS, budget=300
    )
    ours.engine_core.scheduler.ridge_tokens = 1e6
    requests = [
        Request(str(n), (5, 6, 7) * 5, SamplingParams(30, temperature=0)) for n in range(40)
    ]

    run_requests(ours.engine_core, requests)

    assert GraphShape(40, 1, 256, all_slots=True) in ours.graphs._replays
    assert not any(
        bucket.all_slots and bucket.tokens_per_request > 1 for bucket in ours.graphs._replays
    )


def test_nothing_but_tensors_decides_what_a_recorded_step_does(models: Models) -> None:
    """Operations written down once say the right thing to other requests at other lengths."""
    model = models("bigcode")
    requests = make_mixed_requests(model.info.vocab_size, model.info.max_positions, 8, stop=(0, 7))
    requests.append(Request("loop", (5, 6, 7) * 20, SamplingParams(60, temperature=0)))
    ours = build_captured_engine(
        model, slots=4, drafted=NUM_SPECULATIVE_TOKENS, capture=TracedGraphCapture()
    )
    ours.engine_core.scheduler.ridge_tokens = 1e6

    replies = run_requests(ours.engine_core, requests)

    assert [replies[r.id].ids for r in requests] == [
        reference_greedy(model.network, r) for r in requests
    ]
    assert ours.capture.replayed > 10 * ours.capture.captured
    assert not ours.log_lines
