"""Batch independence: a reply doesn't depend on other requests, slots, step sizes or order."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from testing.in_process_engine import (
    GREEDY_SAMPLING,
    EngineFactory,
    EngineReply,
    build_captured_engine,
    record_step,
    run_requests,
)
from worker.engine import FinishReason, Request, SamplingParams
from worker.engine.core.engine_core import EngineCore
from worker.engine.loading.loader import LoadedModel

KINDS = ("bigcode", "bigcode-float16", "llama")


SCOPES = ("T1", "T1", "T2", "")


def _make_request(number: int) -> Request:
    """
    Return one of the requests that the fuzzed schedules draw from.

    A third is greedy. Every fourth shares a prefix and a scope with the one four before it, and has
    a repetitive prompt. There are two scopes, and requests without one.
    """
    family = number % 4
    around = 9 if family == 0 else 448
    prompt = tuple((family * 37 + place * (family + 3)) % around for place in range(1 + number * 8))
    prompt += (number, number + 1)
    sampling = SamplingParams(
        max_new_tokens=1 + number * 7 % 23,
        temperature=(0, 0.7, 1.3)[number % 3],
        top_k=(0, 20, 64)[number % 2],
        top_p=(1.0, 0.9)[number % 2],
        seed=number,
    )
    return Request(
        f"r{number}", prompt, sampling, stop_ids=tuple(range(100, 130)), scope=SCOPES[family]
    )


REQUESTS = [_make_request(number) for number in range(20)]

event_lists = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, len(REQUESTS) - 1)),
        st.tuples(st.just("stop"), st.integers(0, len(REQUESTS) - 1)),
        st.tuples(st.just("step"), st.integers(1, 6)),
    ),
    max_size=40,
)


@dataclass
class EngineRun:
    """One engine through a fuzzed series of events."""

    engine: EngineCore
    replies: dict[str, EngineReply] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)

    def add(self, number: int) -> None:
        """Add a request, once."""
        if REQUESTS[number].id not in self.replies:
            request = replace(REQUESTS[number], priority=number % 4)
            self.replies[request.id] = EngineReply(failure=self.engine.add_request(request))

    def stop(self, number: int) -> None:
        """Abort a request in any state."""
        if self.engine.cancel_request(REQUESTS[number].id):
            self.stopped.add(REQUESTS[number].id)

    def step(self, count: int) -> None:
        """Run up to `count` steps."""
        for _ in range(count):
            if self.engine.has_unfinished_requests:
                outcome = self.engine.run_step()
                # Recovery would hide a broken step behind correct replies.
                assert outcome.error is None
                record_step(self.replies, outcome)


def test_two_prefills_continue_in_one_step(new_engine: EngineFactory) -> None:
    """An overtaken prompt continues beside the rest of the prompt that overtook it."""
    slow = Request("slow", tuple(place % 448 for place in range(150)), GREEDY_SAMPLING)
    fast = Request(
        "fast", tuple(place * 7 % 448 for place in range(70)), GREEDY_SAMPLING, priority=1
    )
    alone = {
        request.id: run_requests(new_engine(), [request])[request.id] for request in (slow, fast)
    }

    engine = new_engine()
    replies = {"slow": EngineReply(failure=engine.add_request(slow)), "fast": EngineReply()}
    record_step(replies, engine.run_step())
    engine.add_request(fast)
    while engine.has_unfinished_requests:
        outcome = engine.run_step()
        assert outcome.error is None
        record_step(replies, outcome)

    assert replies == alone


@settings(max_examples=60)
@given(
    st.sampled_from(KINDS),
    st.integers(1, 5),
    st.integers(2, 90),
    st.sampled_from((0, 3, 9)),
    st.sampled_from((0, 40_000, 10_000_000)),
    st.sampled_from(("eager", "recorded")),
    event_lists,
)
def test_reply_does_not_depend_on_the_batch(
    models: Callable[[str], LoadedModel],
    new_engine: EngineFactory,
    kind: str,
    slots: int,
    max_step_tokens: int,
    num_speculative_tokens: int,
    host_cache_bytes: int,
    steps: str,
    happened: list[tuple[str, int]],
) -> None:
    """
    Requests arrive and are aborted in any order; each reply equals the one without a batch.

    Evicted prefixes are lost, kept for about one slot, or all kept. Steps are eager or captured.
    """
    alone = _run_alone(new_engine, kind)
    limits: dict[str, Any] = {
        "slots": slots,
        "max_step_tokens": max_step_tokens,
        "num_speculative_tokens": num_speculative_tokens,
        "host_cache_bytes": host_cache_bytes,
    }
    if steps == "eager":
        story = EngineRun(new_engine(kind, **limits))
    else:
        story = EngineRun(build_captured_engine(models(kind), **limits).engine_core)
    story.engine.scheduler.ridge_tokens = 1e6  # whoever may draft does

    for what, number in happened:
        getattr(story, what)(number)
    while story.engine.has_unfinished_requests:
        story.step(1)

    for name, reply in story.replies.items():
        if name in story.stopped:
            assert reply.ids == alone[name].ids[: len(reply.ids)]
            assert reply.reason is None
        else:
            assert reply == alone[name]


_replies_alone: dict[str, dict[str, EngineReply]] = {}


def _run_alone(new_engine: EngineFactory, kind: str) -> dict[str, EngineReply]:
    """Return the reply to each request in an otherwise idle engine."""
    if kind not in _replies_alone:
        _replies_alone[kind] = {}
        for request in REQUESTS:
            _replies_alone[kind] |= run_requests(
                new_engine(kind, slots=1, max_step_tokens=1000), [request]
            )
    return _replies_alone[kind]


def test_fuzzed_requests_cover_both_finish_reasons(new_engine: EngineFactory) -> None:
    """They end by limit and by stop token, and their replies differ."""
    replies = _run_alone(new_engine, "bigcode").values()

    assert {FinishReason.STOP, FinishReason.LENGTH} == {reply.reason for reply in replies}
    assert len({tuple(reply.ids) for reply in replies}) > len(REQUESTS) // 2
