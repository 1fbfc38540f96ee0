"""Captured steps equal eager steps by SDPA, for all mixes of requests and slots."""

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
from worker.engine.attention.step_shape import StepShape
from worker.engine.core.request_state import RequestState, ScheduledRequest
from worker.engine.loading.loader import LoadedModel

Models = Callable[[str], LoadedModel]

NUM_SPECULATIVE_TOKENS = 4
"""Maximum draft length of a request."""


@pytest.mark.parametrize("kind", ["bigcode", "bigcode-heads", "llama", "mistral"])
@pytest.mark.parametrize(
    ("is_packed", "slots", "max_step_tokens", "count"),
    [(True, 7, 300, 10), (True, 13, 90, 14), (False, 7, 300, 10)],
)
def test_captured_steps_equal_eager_steps(
    models: Models,
    new_engine: EngineFactory,
    kind: str,
    slots: int,
    max_step_tokens: int,
    count: int,
    *,
    is_packed: bool,
) -> None:
    """Greedy prompts of 1 to 255 tokens: decodes and, with one attention call, prefill chunks."""
    model = models(kind)
    requests = make_mixed_requests(
        model.info.vocab_size, model.info.max_positions, count, stop=(0, 7)
    )
    captured = build_captured_engine(
        model, slots=slots, max_step_tokens=max_step_tokens, is_packed=is_packed
    )

    assert run_requests(captured.engine_core, requests) == run_requests(
        new_engine(kind, slots=slots, max_step_tokens=max_step_tokens), requests
    )
    assert captured.capture.replayed > 20
    has_prefills = any(shape.max_query_length > 1 for shape in captured.graphs._replays)
    assert has_prefills == is_packed
    assert not captured.log_lines


@pytest.mark.parametrize(("kind", "first_seed"), [("bigcode", 20), ("llama", 20), ("mistral", 300)])
def test_captured_steps_with_drafts_equal_eager_steps(
    models: Models, new_engine: EngineFactory, kind: str, first_seed: int
) -> None:
    """Greedy and sampled requests with repetitive prompts, and seeds whose replies repeat too."""
    vocabulary = models(kind).info.vocab_size
    requests = [
        Request(
            str(number),
            tuple((place % (3 + number)) * 11 % vocabulary for place in range(20 + 10 * number)),
            SamplingParams(110, (0, 0.1, 0.9)[number % 3], seed=first_seed + number),
        )
        for number in range(6)
    ]
    expected = run_requests(new_engine(kind, slots=7), requests)
    captured = build_captured_engine(
        models(kind), slots=7, num_speculative_tokens=NUM_SPECULATIVE_TOKENS
    )
    captured.engine_core.scheduler.ridge_tokens = 1e6

    assert run_requests(captured.engine_core, requests) == expected
    assert any(
        shape.num_tokens > len(requests) and shape.num_tokens < 64
        for shape in captured.graphs._replays
    )
    assert not captured.log_lines


def make_step(
    lengths: dict[int, int], num_speculative_tokens: int, vocabulary: int
) -> list[ScheduledRequest]:
    """Return a decode step; `lengths` maps slots to computed tokens, in the step's order."""
    step_requests = []
    for slot, length in lengths.items():
        tokens = [(slot * 31 + at * 7) % vocabulary for at in range(length + 1)]
        draft = tuple((slot + at) % vocabulary for at in range(num_speculative_tokens))
        state = RequestState(
            Request(str(slot), tuple(tokens), GREEDY_SAMPLING), tokens, arrival=0, slot=slot
        )
        step_requests.append(ScheduledRequest(state, length, 1, draft))
    return step_requests


@pytest.mark.parametrize("kind", ["bigcode", "llama", "mistral"])
@pytest.mark.parametrize(
    ("is_packed", "num_speculative_tokens"),
    [(True, 0), (True, NUM_SPECULATIVE_TOKENS), (False, 0)],
)
@pytest.mark.parametrize(
    "lengths",
    [
        {5: 0},
        {0: 255 - NUM_SPECULATIVE_TOKENS},
        {6: 3, 0: 200},
        {4: 99, 1: 0, 3: 40},
        {6: 1, 5: 2, 4: 3, 3: 240, 2: 5, 1: 6, 0: 7},
    ],
    ids=["first token", "last position", "two slots", "any slots", "all slots"],
)
def test_captured_step_writes_only_its_own_positions(
    models: Models,
    kind: str,
    num_speculative_tokens: int,
    lengths: dict[int, int],
    *,
    is_packed: bool,
) -> None:
    """Logits and keys equal the eager step's; all other positions are unchanged, bit by bit."""
    model = models(kind)
    captured = build_captured_engine(
        model, slots=7, num_speculative_tokens=NUM_SPECULATIVE_TOKENS, is_packed=is_packed
    )
    step_requests = make_step(lengths, num_speculative_tokens, model.info.vocab_size)
    dice = torch.Generator().manual_seed(1)
    for index in range(len(captured.kv_cache.layers)):
        captured.kv_cache.layer_view(index).normal_(generator=dice)
    before = [
        captured.kv_cache.layer_view(index).clone()
        for index in range(len(captured.kv_cache.layers))
    ]
    with torch.inference_mode():
        expected = captured.engine_core.model_runner.run_eager(step_requests).clone()
        eager = [captured.kv_cache.layer_view(index).clone() for index in range(len(before))]
        for index, block in enumerate(before):
            captured.kv_cache.layer_view(index).copy_(block)
        captured.graphs(step_requests)
        for index, block in enumerate(before):
            captured.kv_cache.layer_view(index).copy_(block)
        found = captured.graphs(step_requests)

    assert found is not None
    assert (found.logits - expected).abs().max() < 1e-4 * expected.abs().max()
    assert captured.capture.replayed == 2
    for index, block in enumerate(before):
        fed = torch.zeros(block.shape, dtype=torch.bool)
        for slot, length in lengths.items():
            fed[:, slot, :, length : length + 1 + num_speculative_tokens] = True
        now = captured.kv_cache.layer_view(index)
        assert torch.equal(now[~fed], block[~fed])
        assert torch.allclose(now, eager[index], atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("is_packed", [True, False])
def test_captured_step_reaches_starchats_last_position(models: Models, *, is_packed: bool) -> None:
    """48 heads on one key-value head, up to position 8,191, beside a shorter request."""
    model = models("starchat-long")
    captured = build_captured_engine(model, slots=7, is_packed=is_packed)
    step_requests = make_step({6: 8191, 0: 4094}, 0, 1000)
    dice = torch.Generator().manual_seed(1)
    captured.kv_cache.layer_view(0)[:, [0, 6]] = torch.randn(2, 2, 1, 8192, 4, generator=dice)
    with torch.inference_mode():
        expected = captured.engine_core.model_runner.run_eager(step_requests)
        captured.graphs(step_requests)
        found = captured.graphs(step_requests)

    assert found is not None
    assert (found.logits - expected).abs().max() < 1e-4 * expected.abs().max()
    assert list(captured.graphs._replays) == [StepShape(2, 2, 2, 1, 8192)]


def test_captured_steps_keep_prefixes_of_idle_slots(
    models: Models, new_engine: EngineFactory
) -> None:
    """A thread continues from its slot after captured steps of other requests."""
    captured = build_captured_engine(models("bigcode"), slots=3)
    thread = Request("thread", tuple(range(60)), GREEDY_SAMPLING, scope="T1")
    [said] = run_requests(captured.engine_core, [thread]).values()
    others = [
        Request(str(n), tuple(range(n, 90 + n)), GREEDY_SAMPLING, scope="T2") for n in range(2)
    ]
    run_requests(captured.engine_core, others)
    following = replace(thread, id="next", prompt=(*thread.prompt, *said.ids, 1, 2, 3))
    assert captured.engine_core.add_request(following) is None
    captured.engine_core.admit_waiting()

    assert (
        captured.engine_core.scheduler.running["next"].num_computed_tokens
        == len(thread.prompt) + len(said.ids) - 1
    )
    replies = {"next": EngineReply()}
    while captured.engine_core.has_unfinished_requests:
        record_step(replies, captured.engine_core.run_step())
    assert replies == run_requests(new_engine(), [replace(following, scope="")])


def test_large_batch_has_no_drafts(models: Models) -> None:
    """With more decodes than a captured step has drafts for, the scheduler drafts for none."""
    captured = build_captured_engine(
        models("bigcode"),
        slots=40,
        num_speculative_tokens=NUM_SPECULATIVE_TOKENS,
        max_step_tokens=300,
    )
    captured.engine_core.scheduler.ridge_tokens = 1e6
    requests = [
        Request(str(n), (5, 6, 7) * 5, SamplingParams(30, temperature=0)) for n in range(40)
    ]

    run_requests(captured.engine_core, requests)

    assert StepShape(40, 40, 40, 1, 256) in captured.graphs._replays


@pytest.mark.parametrize("is_packed", [True, False])
def test_traced_step_serves_other_requests_and_lengths(models: Models, *, is_packed: bool) -> None:
    """Traced tensor operations alone give the right result for other inputs."""
    model = models("bigcode")
    requests = make_mixed_requests(model.info.vocab_size, model.info.max_positions, 8, stop=(0, 7))
    requests.append(Request("loop", (5, 6, 7) * 20, SamplingParams(60, temperature=0)))
    captured = build_captured_engine(
        model,
        slots=4,
        num_speculative_tokens=NUM_SPECULATIVE_TOKENS,
        capture=TracedGraphCapture(),
        is_packed=is_packed,
    )
    captured.engine_core.scheduler.ridge_tokens = 1e6

    replies = run_requests(captured.engine_core, requests)

    assert [replies[r.id].ids for r in requests] == [
        reference_greedy(model.network, r) for r in requests
    ]
    assert captured.capture.replayed > 10 * captured.capture.captured
    assert not captured.log_lines
