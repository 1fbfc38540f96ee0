"""Failure isolation: no request makes another one fail."""

import functools
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
from tests.worker.engine.loaded_models import load_once
from worker.engine import DeviceLostError, FinishReason, Request, SamplingParams
from worker.engine.attention.kv_cache import KVCache
from worker.engine.core.engine_core import MIN_STEP_TOKENS, STEPS_BEFORE_GROWTH, EngineCore
from worker.engine.loading.loader import LoadedModel

Models = Callable[[str], LoadedModel]

POISON_TOKEN = 13
"""Token id that breaks `FragileModel`."""

CPU_MEMORY_ERROR = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 4096 bytes. Error code 12 (Cannot allocate memory)"
)
"""As PyTorch raises it."""

GOOD_REQUESTS = [
    Request(f"good {n}", tuple(range(20 + n, 40 + 3 * n)), GREEDY_SAMPLING) for n in range(5)
]


class FragileModel(nn.Module):
    """
    A model that raises on `POISON_TOKEN`, at most `times` times, and spoils the KV cache.

    A device that is out of memory spoils nothing.
    """

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
            if self.error is not CPU_MEMORY_ERROR and not isinstance(
                self.error, torch.OutOfMemoryError
            ):
                for index in range(len(slots.layers)):
                    slots.layer_view(index).fill_(torch.nan)
            raise self.error
        return self.network(input_ids=input_ids, **rest)


def make_fragile_engine(model: LoadedModel, error: Exception, times: int = 10_000) -> EngineCore:
    """Return an engine over a fragile model."""
    memory = KVCache(model.kv_cache.layers, 4, model.info.max_positions)
    network = FragileModel(model.network, error, times)
    return EngineCore(network, memory, vocab_size=model.info.vocab_size, max_step_tokens=64)


@functools.cache
def expected_replies(kind: str) -> dict[str, EngineReply]:
    """Return a model's replies to the good requests without any failure."""
    model = load_once(kind)
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
def test_invalid_request_is_refused_among_valid_ones(
    models: Models, new_engine: EngineFactory, bad: Request
) -> None:
    """It never reaches the model; the other replies are unchanged."""
    replies = run_requests(new_engine(), [GOOD_REQUESTS[0], bad, *GOOD_REQUESTS[1:]])

    assert replies.pop("bad").failure is not None
    assert replies == expected_replies("bigcode")


def test_request_with_too_long_a_reply_is_refused(
    models: Models, new_engine: EngineFactory
) -> None:
    """Nothing is truncated: 256 positions hold 240 + 16 tokens, not 240 + 17."""
    engine = new_engine()

    assert (
        engine.add_request(Request("fits", (1,) * 240, SamplingParams(max_new_tokens=16))) is None
    )
    assert (
        engine.add_request(Request("not", (1,) * 240, SamplingParams(max_new_tokens=17)))
        is not None
    )


def test_temperature_0_is_greedy_beside_sampled_requests(
    models: Models, new_engine: EngineFactory
) -> None:
    """Requests share a batch, each with its own settings."""
    warm = [
        replace(r, id=f"warm {r.id}", sampling=SamplingParams(24, 0.9, 40, 0.9))
        for r in GOOD_REQUESTS
    ]

    replies = run_requests(new_engine(slots=10), [*GOOD_REQUESTS, *warm])

    assert {r.id: replies[r.id] for r in GOOD_REQUESTS} == expected_replies("bigcode")
    assert all(replies[r.id].reason is FinishReason.LENGTH for r in warm)


def test_more_requests_than_slots_are_all_served(models: Models, new_engine: EngineFactory) -> None:
    """A request without a slot waits."""
    replies = run_requests(new_engine(slots=1, max_step_tokens=5), GOOD_REQUESTS)

    assert replies == expected_replies("bigcode")


def test_request_with_nan_logits_fails_alone(models: Models, new_engine: EngineFactory) -> None:
    """An id whose embedding is NaN fails its request, and the slot is clean afterwards."""
    model = models("llama")
    table = model.network.get_input_embeddings().weight  # type: ignore[operator]
    kept = table[POISON_TOKEN].clone()
    bad = Request("bad", (*[20] * 45, POISON_TOKEN, 30), GREEDY_SAMPLING)
    engine = new_engine("llama", slots=2)
    try:
        table[POISON_TOKEN] = torch.nan
        replies = run_requests(engine, [bad, GOOD_REQUESTS[0]], allow_errors=True)
    finally:
        table[POISON_TOKEN] = kept
    # A short thread decodes in the cleaned slot, beside a longer one, past the NaN's position.
    later = run_requests(engine, [GOOD_REQUESTS[0], GOOD_REQUESTS[4]])

    assert replies.pop("bad").failure == "invalid logits"
    expected = expected_replies("llama")
    assert replies == {GOOD_REQUESTS[0].id: expected[GOOD_REQUESTS[0].id]}
    assert later == {
        request.id: expected[request.id] for request in (GOOD_REQUESTS[0], GOOD_REQUESTS[4])
    }


def test_request_that_breaks_the_step_fails_alone(models: Models) -> None:
    """The others are prefilled again, with the same replies."""
    model = models("bigcode")
    bad = Request("bad", (20, POISON_TOKEN, 30), GREEDY_SAMPLING)
    engine = make_fragile_engine(model, RuntimeError("broken"))

    replies = run_requests(engine, [*GOOD_REQUESTS[:2], bad, *GOOD_REQUESTS[2:]], allow_errors=True)

    assert replies.pop("bad").failure == "RuntimeError"
    assert replies == expected_replies("bigcode")


def test_transient_step_error_costs_no_reply(models: Models) -> None:
    """After an error that doesn't recur, every request gets the same reply."""
    model = models("bigcode")
    innocent = Request("innocent", (20, POISON_TOKEN, 30), GREEDY_SAMPLING)
    engine = make_fragile_engine(model, RuntimeError("once"), times=1)

    replies = run_requests(engine, [*GOOD_REQUESTS, innocent], allow_errors=True)

    assert replies.pop("innocent") == EngineReply(
        reference_greedy(model.network, innocent), FinishReason.LENGTH
    )
    assert replies == expected_replies("bigcode")


def test_sampled_reply_survives_a_failed_step(models: Models) -> None:
    """Its random numbers depend on seed and index only."""
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


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError(), CPU_MEMORY_ERROR])
def test_out_of_memory_halves_the_step(models: Models, error: Exception) -> None:
    """Every request is still served."""
    engine = make_fragile_engine(models("bigcode"), error, times=1)

    replies = run_requests(
        engine, [Request("a", (POISON_TOKEN, 1, 2), GREEDY_SAMPLING)], allow_errors=True
    )

    assert replies["a"].reason is FinishReason.LENGTH
    assert engine.scheduler.max_step_tokens == 32 > MIN_STEP_TOKENS


@pytest.mark.parametrize(
    ("error", "num_cached_tokens"),
    [(torch.OutOfMemoryError(), 44), (CPU_MEMORY_ERROR, 44), (RuntimeError("broken"), 0)],
)
def test_device_out_of_memory_keeps_the_slots(
    models: Models, error: Exception, num_cached_tokens: int
) -> None:
    """A thread continues from its slot after a step that failed; after other errors it can't."""
    engine = make_fragile_engine(models("bigcode"), error, times=1)
    thread = Request("thread", tuple(range(20, 61)), SamplingParams(4, temperature=0), scope="T")
    [reply] = run_requests(engine, [thread]).values()
    run_requests(engine, [Request("a", (POISON_TOKEN, 1), GREEDY_SAMPLING)], allow_errors=True)
    following = replace(thread, id="next", prompt=(*thread.prompt, *reply.ids, 1))
    engine.add_request(following)
    engine.admit_waiting()

    assert engine.scheduler.running["next"].num_computed_tokens == num_cached_tokens
    replies = {"next": EngineReply()}
    while engine.has_unfinished_requests:
        record_step(replies, engine.run_step())
    assert replies["next"].ids == reference_greedy(models("bigcode").network, following)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: device-side assert triggered"),
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
    ],
)
def test_lost_device_ends_the_engine(models: Models, error: Exception) -> None:
    """No step runs on a device in an unknown state."""
    engine = make_fragile_engine(models("bigcode"), error)
    engine.add_request(Request("a", (POISON_TOKEN,), GREEDY_SAMPLING))

    with pytest.raises(DeviceLostError):
        engine.run_step()


def test_step_grows_again_after_out_of_memory(models: Models) -> None:
    """Not at once, and not beyond its first size."""
    engine = make_fragile_engine(models("bigcode"), torch.OutOfMemoryError(), times=1)
    run_requests(engine, [Request("a", (POISON_TOKEN, 1, 2), GREEDY_SAMPLING)], allow_errors=True)
    sizes = set()
    for number in range(2 * STEPS_BEFORE_GROWTH):
        run_requests(engine, [Request(f"r{number}", (1, 2), SamplingParams(3))])
        sizes.add(engine.scheduler.max_step_tokens)

    assert sizes == {32, 48, 64}


def test_refused_call_of_the_device_is_no_lost_device(models: Models) -> None:
    """A library that takes no such shape leaves the device usable."""
    error = RuntimeError("cuDNN Frontend error: No valid execution plans built.")
    engine = make_fragile_engine(models("bigcode"), error, times=1)
    replies = run_requests(
        engine, [Request("a", (POISON_TOKEN, 1), GREEDY_SAMPLING)], allow_errors=True
    )

    assert replies["a"].reason is FinishReason.LENGTH
