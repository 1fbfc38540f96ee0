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
from worker.engine import FinishReason, Request, Sampling
from worker.engine.attention.kv_cache import Slots
from worker.engine.core.engine_core import LEAST_BUDGET, Batching
from worker.engine.exits import DeviceLostError
from worker.engine.loading.loader import Loaded

Models = Callable[[str], Loaded]

POISON = 13
"""The id that breaks `Fragile`."""

GOOD = [Request(f"good {n}", tuple(range(20 + n, 40 + 3 * n)), GREEDY_SAMPLING) for n in range(5)]


class Fragile(nn.Module):
    """A model that spoils all slots and raises when fed the poison, `times` times at most."""

    def __init__(self, network: nn.Module, error: Exception, times: int = 10_000) -> None:
        super().__init__()
        self.network = network
        self.error = error
        self.times = times

    def forward(self, input_ids: torch.Tensor, **rest: Any) -> Any:
        """Run the model, or fail."""
        if self.times and POISON in input_ids:
            self.times -= 1
            slots = rest["packed"].slots
            for index in range(len(slots.layers)):
                slots.layer(index).fill_(torch.nan)
            raise self.error
        return self.network(input_ids=input_ids, **rest)


def fragile(model: Loaded, error: Exception, times: int = 10_000) -> Batching:
    """Make an engine over a fragile model."""
    memory = Slots(model.slots.layers, 4, model.about.positions)
    network = Fragile(model.network, error, times)
    return Batching(network, memory, vocabulary=model.about.vocabulary, budget=64)


def good_replies(model: Loaded) -> dict[str, EngineReply]:
    """Return what the good requests say when nothing is wrong."""
    return {
        request.id: EngineReply(reference_greedy(model.network, request), FinishReason.LENGTH)
        for request in GOOD
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
    replies = run_requests(fresh(), [GOOD[0], bad, *GOOD[1:]])

    assert replies.pop("bad").failure is not None
    assert replies == good_replies(models("bigcode"))


def test_a_prompt_that_fits_but_whose_reply_does_not_is_refused(
    models: Models, fresh: EngineFactory
) -> None:
    """Nothing is cut behind the caller's back: 256 positions hold 240 + 16, not 240 + 17."""
    engine = fresh()

    assert engine.add(Request("fits", (1,) * 240, Sampling(max_new_tokens=16))) is None
    assert engine.add(Request("not", (1,) * 240, Sampling(max_new_tokens=17))) is not None


def test_temperature_0_beside_sampled_requests_is_greedy(
    models: Models, fresh: EngineFactory
) -> None:
    """Greedy and sampled requests share a batch, each with its own settings."""
    warm = [replace(r, id=f"warm {r.id}", sampling=Sampling(24, 0.9, 40, 0.9)) for r in GOOD]

    replies = run_requests(fresh(slots=10), [*GOOD, *warm])

    assert {r.id: replies[r.id] for r in GOOD} == good_replies(models("bigcode"))
    assert all(replies[r.id].reason is FinishReason.LENGTH for r in warm)


def test_more_requests_than_slots_are_all_served(models: Models, fresh: EngineFactory) -> None:
    """What does not fit at once waits; nothing is refused for lack of room."""
    replies = run_requests(fresh(slots=1, budget=5), GOOD)

    assert replies == good_replies(models("bigcode"))


def test_a_request_that_gives_nan_fails_alone(models: Models, fresh: EngineFactory) -> None:
    """An id whose embedding is NaN fails who uses it, and the slot is clean for the next one."""
    model = models("llama")
    table = model.network.get_input_embeddings().weight  # type: ignore[operator]
    kept = table[POISON].clone()
    bad = Request("bad", (*[20] * 45, POISON, 30), GREEDY_SAMPLING)
    engine = fresh("llama", slots=2)
    try:
        table[POISON] = torch.nan
        replies = run_requests(engine, [bad, GOOD[0]], allow_errors=True)
    finally:
        table[POISON] = kept
    # In the bad one's slot a short thread grows beside a longer one, past where the NaN was.
    later = run_requests(engine, [GOOD[0], GOOD[4]])

    assert replies.pop("bad").failure == "nothing to choose from"
    expected = good_replies(model)
    assert replies == {GOOD[0].id: expected[GOOD[0].id]}
    assert later == {request.id: expected[request.id] for request in (GOOD[0], GOOD[4])}


def test_a_request_that_breaks_the_step_fails_alone(models: Models) -> None:
    """Its neighbours are read again from their tokens and say what they would have said."""
    model = models("bigcode")
    bad = Request("bad", (20, POISON, 30), GREEDY_SAMPLING)
    engine = fragile(model, RuntimeError("broken"))

    replies = run_requests(engine, [*GOOD[:2], bad, *GOOD[2:]], allow_errors=True)

    assert replies.pop("bad").failure == "RuntimeError"
    assert replies == good_replies(model)


def test_a_step_that_fails_once_costs_nobody_a_reply(models: Models) -> None:
    """After an error that does not come back everybody finishes, with the same words."""
    model = models("bigcode")
    innocent = Request("innocent", (20, POISON, 30), GREEDY_SAMPLING)
    engine = fragile(model, RuntimeError("once"), times=1)

    replies = run_requests(engine, [*GOOD, innocent], allow_errors=True)

    assert replies.pop("innocent") == EngineReply(
        reference_greedy(model.network, innocent), FinishReason.LENGTH
    )
    assert replies == good_replies(model)


def test_a_sampled_reply_goes_on_alike_after_a_failed_step(models: Models) -> None:
    """Its random numbers depend on seed and place only, so reading it again changes nothing."""
    model = models("bigcode")
    warm = Request("warm", (50, 60, 70), Sampling(40, 1.0, 50, 0.95, seed=3))
    [expected] = run_requests(fragile(model, RuntimeError()), [warm]).values()
    engine = fragile(model, RuntimeError(), times=1)
    assert engine.add(warm) is None
    replies = {"warm": EngineReply(), "late": EngineReply()}
    for _ in range(20):
        record_step(replies, engine.step())

    engine.add(Request("late", (POISON,), Sampling(1)))
    while engine.busy:
        record_step(replies, engine.step())

    assert replies["warm"] == expected


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError()])
def test_running_out_of_memory_makes_the_steps_smaller(models: Models, error: Exception) -> None:
    """The budget is halved and everybody is served."""
    engine = fragile(models("bigcode"), error, times=1)

    replies = run_requests(
        engine, [Request("a", (POISON, 1, 2), GREEDY_SAMPLING)], allow_errors=True
    )

    assert replies["a"].reason is FinishReason.LENGTH
    assert engine.schedule.budget == 32 > LEAST_BUDGET


@pytest.mark.parametrize(
    "error",
    [RuntimeError("CUDA error: device-side assert triggered"), torch.AcceleratorError("lost")],
)
def test_a_lost_device_ends_the_engine(models: Models, error: Exception) -> None:
    """No step is tried on a device whose state is unknown."""
    engine = fragile(models("bigcode"), error)
    engine.add(Request("a", (POISON,), GREEDY_SAMPLING))

    with pytest.raises(DeviceLostError):
        engine.step()


@pytest.mark.parametrize("steps", [0, 1, 2, 10])
def test_a_stopped_request_frees_its_slot_at_once(
    models: Models, fresh: EngineFactory, steps: int
) -> None:
    """Waiting, being read or growing: it says what it had, and the next one takes its slot."""
    engine = fresh(slots=1, budget=16)
    engine.add(GOOD[4])
    replies = {GOOD[4].id: EngineReply()}
    for _ in range(steps):
        record_step(replies, engine.step())

    ended = engine.stop(GOOD[4].id)

    assert ended is not None
    assert (ended.reason, ended.new_tokens) == (
        FinishReason.STOPPED,
        len(replies[GOOD[4].id].ids),
    )
    assert engine.stop(GOOD[4].id) is None
    assert run_requests(engine, GOOD[:1]) == {
        GOOD[0].id: good_replies(models("bigcode"))[GOOD[0].id]
    }
