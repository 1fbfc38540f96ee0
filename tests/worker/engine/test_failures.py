"""One request never fails another: each way a request can be wrong, among good neighbours."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from testing.in_process_engine import (
    GREEDY_SAMPLING,
    EngineFactory,
    EngineReply,
    record_step,
    reference_greedy,
    run_requests,
)
from worker.engine import DeviceLostError, FinishReason, Request, SamplingParams
from worker.engine.attention.kv_cache import KVCache
from worker.engine.core.engine_core import MIN_STEP_TOKENS, EngineCore
from worker.engine.loading.loader import LoadedModel

Models = Callable[[str], LoadedModel]

POISON_TOKEN = 13
"""The id that breaks `Fragile`."""

GOOD_REQUESTS = [
    Request(f"good {n}", tuple(range(20 + n, 40 + 3 * n)), GREEDY_SAMPLING) for n in range(5)
]


class FragileModel(nn.Module):
    """A model that spoils all slots and raises when fed the poison, `times` times at most."""

    def __init__(self, network: nn.Module, error: Exception, times: int = 10_000) -> None:
        super().__init__()
        self.network = network
        self.error = error
        self.times = times

    def forward(self, input_ids: torch.Tensor, **rest: Any) -> Any:
        """Run the model, or fail."""
        if self.times and POISON_TOKEN in input_ids:
            self.times -= 1
            slots = rest["packed"].kv_cache
            for index in range(len(slots.layers)):
                slots.layer_view(index).fill_(torch.nan)
            raise self.error
        return self.network(input_ids=input_ids, **rest)


def make_fragile_engine(model: LoadedModel, error: Exception, times: int = 10_000) -> EngineCore:
    """Make an engine over a fragile model."""
    memory = KVCache(model.kv_cache.layers, 4, model.info.max_positions)
    network = FragileModel(model.network, error, times)
    return EngineCore(network, memory, vocab_size=model.info.vocab_size, max_step_tokens=64)


def expected_replies(model: LoadedModel) -> dict[str, EngineReply]:
    """Return what the good requests say when nothing is wrong."""
    return {
        request.id: EngineReply(reference_greedy(model.network, request), FinishReason.LENGTH)
        for request in GOOD_REQUESTS
    }


@pytest.mark.parametrize(
    "bad",
    [
        Request("bad", (1,) * 250, GREEDY_SAMPLING),
        Request("bad", (1,) * 9000, GREEDY_SAMPLING),
        Request("bad", (1, 448), GREEDY_SAMPLING),
        Request("bad", (-1,), GREEDY_SAMPLING),
        Request("bad", (), GREEDY_SAMPLING),
    ],
    ids=["no room for the reply", "longer than the model", "unknown id", "negative id", "empty"],
)
def test_a_request_that_cannot_run_is_refused_among_good_ones(
    models: Models, fresh: EngineFactory, bad: Request
) -> None:
    """It is refused before it reaches the model; its neighbours' replies are untouched."""
    replies = run_requests(fresh(), [GOOD_REQUESTS[0], bad, *GOOD_REQUESTS[1:]])

    assert replies.pop("bad").failure is not None
    assert replies == expected_replies(models("bigcode"))


def test_a_prompt_that_fits_but_whose_reply_does_not_is_refused(
    models: Models, fresh: EngineFactory
) -> None:
    """Nothing is cut behind the caller's back: 256 positions hold 240 + 16, not 240 + 17."""
    engine = fresh()

    assert (
        engine.add_request(Request("fits", (1,) * 240, SamplingParams(max_new_tokens=16))) is None
    )
    assert (
        engine.add_request(Request("not", (1,) * 240, SamplingParams(max_new_tokens=17)))
        is not None
    )


def test_temperature_0_beside_sampled_requests_is_greedy(
    models: Models, fresh: EngineFactory
) -> None:
    """Greedy and sampled requests share a batch, each with its own settings."""
    warm = [
        replace(r, id=f"warm {r.id}", sampling=SamplingParams(24, 0.9, 40, 0.9))
        for r in GOOD_REQUESTS
    ]

    replies = run_requests(fresh(slots=10), [*GOOD_REQUESTS, *warm])

    assert {r.id: replies[r.id] for r in GOOD_REQUESTS} == expected_replies(models("bigcode"))
    assert all(replies[r.id].reason is FinishReason.LENGTH for r in warm)


def test_more_requests_than_slots_are_all_served(models: Models, fresh: EngineFactory) -> None:
    """What does not fit at once waits; nothing is refused for lack of room."""
    replies = run_requests(fresh(slots=1, budget=5), GOOD_REQUESTS)

    assert replies == expected_replies(models("bigcode"))


def test_a_request_that_gives_nan_fails_alone(models: Models, fresh: EngineFactory) -> None:
    """An id whose embedding is NaN fails who uses it, and the slot is clean for the next one."""
    model = models("llama")
    table = model.network.get_input_embeddings().weight  # type: ignore[operator]
    kept = table[POISON_TOKEN].clone()
    bad = Request("bad", (*[20] * 45, POISON_TOKEN, 30), GREEDY_SAMPLING)
    engine = fresh("llama", slots=2)
    try:
        table[POISON_TOKEN] = torch.nan
        replies = run_requests(engine, [bad, GOOD_REQUESTS[0]], allow_errors=True)
    finally:
        table[POISON_TOKEN] = kept
    # In the bad one's slot a short thread grows beside a longer one, past where the NaN was.
    later = run_requests(engine, [GOOD_REQUESTS[0], GOOD_REQUESTS[4]])

    assert replies.pop("bad").failure == "invalid logits"
    expected = expected_replies(model)
    assert replies == {GOOD_REQUESTS[0].id: expected[GOOD_REQUESTS[0].id]}
    assert later == {
        request.id: expected[request.id] for request in (GOOD_REQUESTS[0], GOOD_REQUESTS[4])
    }


def test_a_request_that_breaks_the_step_fails_alone(models: Models) -> None:
    """Its neighbours are read again from their tokens and say what they would have said."""
    model = models("bigcode")
    bad = Request("bad", (20, POISON_TOKEN, 30), GREEDY_SAMPLING)
    engine = make_fragile_engine(model, RuntimeError("broken"))

    replies = run_requests(engine, [*GOOD_REQUESTS[:2], bad, *GOOD_REQUESTS[2:]], allow_errors=True)

    assert replies.pop("bad").failure == "RuntimeError"
    assert replies == expected_replies(model)


def test_a_step_that_fails_once_costs_nobody_a_reply(models: Models) -> None:
    """After an error that does not come back everybody finishes, with the same words."""
    model = models("bigcode")
    innocent = Request("innocent", (20, POISON_TOKEN, 30), GREEDY_SAMPLING)
    engine = make_fragile_engine(model, RuntimeError("once"), times=1)

    replies = run_requests(engine, [*GOOD_REQUESTS, innocent], allow_errors=True)

    assert replies.pop("innocent") == EngineReply(
        reference_greedy(model.network, innocent), FinishReason.LENGTH
    )
    assert replies == expected_replies(model)


def test_a_sampled_reply_goes_on_alike_after_a_failed_step(models: Models) -> None:
    """Its random numbers depend on seed and place only, so reading it again changes nothing."""
    model = models("bigcode")
    warm = Request("warm", (50, 60, 70), SamplingParams(40, 1.0, 50, 0.95, seed=3))
    [expected] = run_requests(make_fragile_engine(model, RuntimeError()), [warm]).values()
    engine = make_fragile_engine(model, RuntimeError(), times=1)
    assert engine.add_request(warm) is None
    replies = {"warm": EngineReply(), "late": EngineReply()}
    for _ in range(20):
        record_step(replies, engine.run_step())

    engine.add_request(Request("late", (POISON_TOKEN,), SamplingParams(1)))
    while engine.has_unfinished_requests:
        record_step(replies, engine.run_step())

    assert replies["warm"] == expected


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError()])
def test_running_out_of_memory_makes_the_steps_smaller(models: Models, error: Exception) -> None:
    """The budget is halved and everybody is served."""
    engine = make_fragile_engine(models("bigcode"), error, times=1)

    replies = run_requests(
        engine, [Request("a", (POISON_TOKEN, 1, 2), GREEDY_SAMPLING)], allow_errors=True
    )

    assert replies["a"].reason is FinishReason.LENGTH
    assert engine.scheduler.max_step_tokens == 32 > MIN_STEP_TOKENS


@pytest.mark.parametrize(
    "error",
    [RuntimeError("CUDA error: device-side assert triggered"), torch.AcceleratorError("lost")],
)
def test_a_lost_device_ends_the_engine(models: Models, error: Exception) -> None:
    """No step is tried on a device whose state is unknown."""
    engine = make_fragile_engine(models("bigcode"), error)
    engine.add_request(Request("a", (POISON_TOKEN,), GREEDY_SAMPLING))

    with pytest.raises(DeviceLostError):
        engine.run_step()


@pytest.mark.parametrize("steps", [0, 1, 2, 10])
def test_a_stopped_request_frees_its_slot_at_once(
    models: Models, fresh: EngineFactory, steps: int
) -> None:
    """Waiting, being read or growing: it says what it had, and the next one takes its slot."""
    engine = fresh(slots=1, budget=16)
    engine.add_request(GOOD_REQUESTS[4])
    replies = {GOOD_REQUESTS[4].id: EngineReply()}
    for _ in range(steps):
        record_step(replies, engine.run_step())

    ended = engine.abort_request(GOOD_REQUESTS[4].id)

    assert ended is not None
    assert (ended.reason, ended.new_tokens) == (
        FinishReason.STOPPED,
        len(replies[GOOD_REQUESTS[4].id].ids),
    )
    assert engine.abort_request(GOOD_REQUESTS[4].id) is None
    assert run_requests(engine, GOOD_REQUESTS[:1]) == {
        GOOD_REQUESTS[0].id: expected_replies(models("bigcode"))[GOOD_REQUESTS[0].id]
    }
