"""Slot allocator with prefix caching: a conversation's next turn prefills only its new tokens."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testing.in_process_engine import (
    GREEDY_SAMPLING,
    EngineFactory,
    EngineReply,
    record_step,
    run_counting_prefill,
    run_requests,
)
from worker.engine import Request
from worker.engine.attention.kv_cache import KVCache
from worker.engine.core.engine_core import EngineCore
from worker.engine.core.slot_allocator import (
    MIN_PREFIX_TOKENS,
    CachedPrefix,
    SlotAllocation,
    SlotAllocator,
    common_prefix_length,
)
from worker.engine.loading.loader import LoadedModel

FIRST_PROMPT = tuple(range(30, 90))


def ask_next_turn(first_reply: EngineReply, scope: str) -> Request:
    """Return the next turn of a thread: the first prompt and reply, and three new tokens."""
    return Request("next", (*FIRST_PROMPT, *first_reply.ids, 7, 8, 9), GREEDY_SAMPLING, scope=scope)


@pytest.mark.parametrize("kind", ["bigcode", "llama"])
def test_next_turn_prefills_only_new_tokens(new_engine: EngineFactory, kind: str) -> None:
    """The reply equals that of an engine without a cached prefix."""
    engine = new_engine(kind)
    first = run_requests(engine, [Request("first", FIRST_PROMPT, GREEDY_SAMPLING, scope="T1")])[
        "first"
    ]
    question = ask_next_turn(first, "T1")

    read, reply = run_counting_prefill(engine, question)

    assert read == 4  # the last token of the first reply was chosen but never fed
    assert reply == run_requests(new_engine(kind), [question])["next"]


@pytest.mark.parametrize(("first", "second"), [("T1", "T2"), ("", ""), ("T1", ""), ("", "T1")])
def test_prefixes_are_not_shared_across_scopes(
    new_engine: EngineFactory, first: str, second: str
) -> None:
    """Another scope, or none, prefills its whole prompt."""
    engine = new_engine()
    reply = run_requests(engine, [Request("first", FIRST_PROMPT, GREEDY_SAMPLING, scope=first)])[
        "first"
    ]
    question = ask_next_turn(reply, second)

    read, _ = run_counting_prefill(engine, question)

    assert read == len(question.prompt)


def test_clear_scope_drops_prefixes_of_one_scope(new_engine: EngineFactory) -> None:
    """Also those of requests that still run; other scopes keep theirs."""
    engine = new_engine(slots=4)
    over = run_requests(engine, [Request("over", FIRST_PROMPT, GREEDY_SAMPLING, scope="T1")])[
        "over"
    ]
    run_requests(engine, [Request("other", (*FIRST_PROMPT, 5), GREEDY_SAMPLING, scope="T2")])
    replies = {
        "runs": EngineReply(
            failure=engine.add_request(
                Request("runs", FIRST_PROMPT[:40], GREEDY_SAMPLING, scope="T1")
            )
        )
    }
    replies["beside"] = EngineReply(
        failure=engine.add_request(Request("beside", (1, 2), GREEDY_SAMPLING, scope="T3"))
    )
    for _ in range(3):
        record_step(replies, engine.run_step())

    engine.clear_prefixes("T1")
    while engine.has_unfinished_requests:
        record_step(replies, engine.run_step())

    assert (
        replies["runs"]
        == run_requests(new_engine(), [Request("runs", FIRST_PROMPT[:40], GREEDY_SAMPLING)])["runs"]
    )
    assert {past.scope for past in engine.scheduler.slot_allocator.cached_prefixes.values()} == {
        "T2",
        "T3",
    }
    question = ask_next_turn(over, "T1")
    assert run_counting_prefill(engine, question)[0] == len(question.prompt)
    other = Request("again", (*FIRST_PROMPT, 5, 6), GREEDY_SAMPLING, scope="T2")
    assert run_counting_prefill(engine, other)[0] == 1


def test_clear_scope_zeroes_free_slots(
    models: Callable[[str], LoadedModel],
) -> None:
    """Keys and values derive from what people wrote."""
    model = models("bigcode")
    slots = KVCache(model.kv_cache.layers, 1, model.info.max_positions)
    engine = EngineCore(model.network, slots, vocab_size=model.info.vocab_size, max_step_tokens=64)
    run_requests(engine, [Request("over", FIRST_PROMPT, GREEDY_SAMPLING, scope="T1")])
    assert all(slots.layer_view(index).any() for index in range(len(slots.layers)))

    engine.clear_prefixes("T1")

    assert not any(slots.layer_view(index).any() for index in range(len(slots.layers)))


def test_repeated_prompt_computes_one_token(new_engine: EngineFactory) -> None:
    """One token must be computed for its logits."""
    engine = new_engine()
    again = Request("again", FIRST_PROMPT, GREEDY_SAMPLING, scope="T1")
    expected = run_requests(engine, [again])["again"]

    assert run_counting_prefill(engine, again) == (1, expected)


def test_edited_thread_prefills_from_the_edit_on(new_engine: EngineFactory) -> None:
    """The tokens before the edit are reused."""
    engine = new_engine()
    run_requests(engine, [Request("first", FIRST_PROMPT, GREEDY_SAMPLING, scope="T1")])
    edited = Request(
        "next", (*FIRST_PROMPT[:40], 5, *FIRST_PROMPT[41:]), GREEDY_SAMPLING, scope="T1"
    )

    read, reply = run_counting_prefill(engine, edited)

    assert read == 20
    assert reply == run_requests(new_engine(), [edited])["next"]


def test_prefix_of_an_aborted_request_is_reused(new_engine: EngineFactory) -> None:
    """Tokens that were computed before the abort aren't computed again."""
    engine = new_engine()
    engine.add_request(Request("first", FIRST_PROMPT, GREEDY_SAMPLING, scope="T1"))
    engine.run_step()
    engine.cancel_request("first")

    assert (
        run_counting_prefill(
            engine, Request("next", (*FIRST_PROMPT, 1), GREEDY_SAMPLING, scope="T1")
        )[0]
        == 1
    )


def test_failed_step_drops_all_prefixes(new_engine: EngineFactory) -> None:
    """A reallocated KV cache has no cached prefix."""
    engine = new_engine()
    run_requests(engine, [Request("first", FIRST_PROMPT, GREEDY_SAMPLING, scope="T1")])
    engine.scheduler.record_failure([])

    assert run_counting_prefill(engine, Request("next", FIRST_PROMPT, GREEDY_SAMPLING, scope="T1"))[
        0
    ] == len(FIRST_PROMPT)


def test_empty_slots_go_before_the_least_recently_used() -> None:
    """The prefix that was unused the longest is evicted first."""
    parked = SlotAllocator({0, 1, 2})
    for slot, name in ((1, "old"), (0, "young")):
        parked.empty_slots.remove(slot)
        parked.release_slot(slot, "T1", [len(name)] * MIN_PREFIX_TOKENS)

    assert [parked.allocate_slot("T2", [9] * 30).slot for _ in range(3)] == [2, 1, 0]
    assert not parked


def test_slot_with_the_longest_common_prefix_is_taken() -> None:
    """A shorter match comes next; too short a match doesn't count."""
    parked = SlotAllocator(set())
    parked.release_slot(0, "T1", [1] * 20)
    parked.release_slot(1, "T1", [1] * 30)
    parked.release_slot(2, "T1", [*[1] * (MIN_PREFIX_TOKENS - 1), *[2] * 30])

    assert parked.allocate_slot("T1", [1] * 25 + [3]) == SlotAllocation(1, 25)
    assert parked.allocate_slot("T1", [1] * 25 + [3]) == SlotAllocation(0, 20)
    lost = parked.cached_prefixes[2]
    assert parked.allocate_slot("T1", [1] * 25 + [3]) == SlotAllocation(2, evicted=lost)


def test_running_slot_is_copied_if_it_shares_more() -> None:
    """It is never taken, and no other team may copy it."""
    allocator = SlotAllocator({2, 3, 4})
    allocator.release_slot(0, "T1", [1] * 20)
    running = [(1, CachedPrefix("T1", (1,) * 30))]

    assert allocator.allocate_slot("T1", [1] * 40, running) == SlotAllocation(2, 30, 1)
    assert allocator.allocate_slot("T2", [1] * 40, running) == SlotAllocation(3)
    assert allocator.allocate_slot("T1", [1] * 18, running) == SlotAllocation(0, 17)


token_lists = st.lists(st.integers(0, 1), max_size=40)


@given(token_lists, token_lists)
def test_common_prefix_length_is_exact(one: Sequence[int], other: Sequence[int]) -> None:
    """Equal up to that length, then different or at an end."""
    common = common_prefix_length(one, other)

    assert list(one[:common]) == list(other[:common])
    assert common in {len(one), len(other)} or one[common] != other[common]
