"""Speculative decoding: drafts never change a reply, greedy or sampled, accepted or rejected."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from testing.in_process_engine import (
    GREEDY_SAMPLING,
    EngineFactory,
    EngineReply,
    record_step,
    reference_greedy,
    run_requests,
)
from worker.engine import FinishReason, Request, SamplingParams
from worker.engine.loading.loader import LoadedModel

Models = Callable[[str], LoadedModel]

NUM_SPECULATIVE_TOKENS = 8


def make_looping_requests(vocabulary: int, count: int, seed: int = 0) -> list[Request]:
    """
    Return requests with repetitive prompts: greedy and sampled, some with stop ids.

    Steps of other sizes compute logits that differ by up to 5e-6. With these seeds, no random
    number and no two logits at the sampled place are that close.
    """
    dice = torch.Generator().manual_seed(seed)
    requests = []
    for number in range(count):
        length = 3 + number
        around = torch.randint(vocabulary, (length,), generator=dice).tolist()
        sampling = SamplingParams(
            24, temperature=(0, 0.2, 0.9)[number % 3], top_k=(0, 8)[number % 2], seed=200 + number
        )
        prompt = tuple(around * (90 // length))
        stop = tuple(range(0, vocabulary, 60)) if number % 2 else ()
        requests.append(Request(f"loop {number}", prompt, sampling, stop))
    return requests


@pytest.mark.parametrize("kind", ["bigcode", "llama", "mistral"])
def test_drafts_do_not_change_replies(models: Models, new_engine: EngineFactory, kind: str) -> None:
    """Greedy and sampled, one at a time and together, on repetitive prompts."""
    requests = make_looping_requests(models(kind).info.vocab_size, 8)
    expected = run_requests(new_engine(kind), requests)

    for slots, max_step_tokens in ((1, 64), (3, 20), (8, 300)):
        engine = new_engine(
            kind,
            slots=slots,
            max_step_tokens=max_step_tokens,
            num_speculative_tokens=NUM_SPECULATIVE_TOKENS,
        )
        engine.scheduler.ridge_tokens = 1e6  # whoever may draft does
        assert run_requests(engine, requests) == expected


def test_accepted_drafts_save_steps(new_engine: EngineFactory) -> None:
    """A repetitive reply takes less than half the steps."""
    request = Request("a", (5, 6, 7), SamplingParams(120, temperature=0))
    plainly, drafting = new_engine(), new_engine(num_speculative_tokens=NUM_SPECULATIVE_TOKENS)

    assert run_requests(drafting, [request]) == run_requests(plainly, [request])
    assert drafting.steps < plainly.steps / 2


def test_drafts_stay_within_the_slot(models: Models, new_engine: EngineFactory) -> None:
    """Prompt and reply fill all 256 positions, in one slot and beside another."""
    prompt = (5, 6, 7) * 70
    full = Request("full", prompt, SamplingParams(256 - len(prompt), temperature=0))
    engine = new_engine(slots=2, num_speculative_tokens=NUM_SPECULATIVE_TOKENS)
    engine.scheduler.ridge_tokens = 1e6

    replies = run_requests(engine, [full, replace(full, id="twin")])

    expected = EngineReply(reference_greedy(models("bigcode").network, full), FinishReason.LENGTH)
    assert replies == {"full": expected, "twin": expected}


def test_kv_of_rejected_drafts_is_never_reused(new_engine: EngineFactory) -> None:
    """The thread's next turn continues from the reply as it was when it was aborted."""
    engine = new_engine(num_speculative_tokens=NUM_SPECULATIVE_TOKENS)
    engine.scheduler.ridge_tokens = 1e6
    first = replace(
        make_looping_requests(448, 1)[0], scope="T1", sampling=SamplingParams(60, 0.9, 8, seed=5)
    )
    replies = {first.id: EngineReply(failure=engine.add_request(first))}
    for _ in range(20):
        record_step(replies, engine.run_step())
    engine.cancel_request(first.id)
    again = replace(first, id="next", prompt=(*first.prompt, *replies[first.id].ids, 1, 2, 3))

    assert run_requests(engine, [again]) == run_requests(new_engine(), [replace(again, scope="")])


def test_draft_with_nan_logits_harms_nothing(models: Models, new_engine: EngineFactory) -> None:
    """The request stops drafting, and its slot is clean."""
    # Beside a longer thread, attention reaches beyond a slot's own length.
    beside = Request("beside", tuple(range(100, 145)), SamplingParams(24, temperature=0))
    request = Request("a", (13, *range(60, 80)), GREEDY_SAMPLING)
    expected = run_requests(new_engine("llama"), [request, beside])
    engine = new_engine("llama", num_speculative_tokens=NUM_SPECULATIVE_TOKENS)
    replies = {
        asked.id: EngineReply(failure=engine.add_request(asked)) for asked in (request, beside)
    }
    for _ in range(4):
        record_step(replies, engine.run_step())
    drafter = engine.scheduler.running["a"].proposer
    assert drafter is not None
    # Make the last n-gram match position 0, which holds the id with NaN logits.
    drafter._index[tuple(drafter.token_ids[-5:])] = 0
    drafter.acceptance_rate = 1.0
    table = models("llama").network.get_input_embeddings().weight  # type: ignore[operator]
    kept = table[13].clone()
    table[13] = torch.nan
    try:
        for _ in range(30):
            if engine.has_unfinished_requests:
                record_step(replies, engine.run_step())
    finally:
        table[13] = kept

    assert replies == expected
