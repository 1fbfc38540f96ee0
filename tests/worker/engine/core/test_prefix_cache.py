"""Host prefix cache: a thread that lost its slot does not prefill from its beginning again."""

from typing import NoReturn

import pytest
import torch
from torch import Tensor

from testing.in_process_engine import (
    GREEDY_SAMPLING,
    EngineFactory,
    run_counting_prefill,
    run_requests,
)
from worker.engine import DeviceLostError, Request
from worker.engine.core.engine_core import EngineCore
from worker.engine.core.prefix_cache import MIN_OFFLOAD_TOKENS, HostPrefixCache
from worker.engine.core.slot_allocator import (
    MIN_PREFIX_TOKENS,
    CachedPrefix,
    SlotAllocation,
    SlotAllocator,
)

HOST_CACHE_BYTES = 2**20
SYSTEM_PROMPT = tuple(range(200, 230))
THREADS = [(*SYSTEM_PROMPT, *range(start, start + 60)) for start in (10, 90)]


def ask_in_thread(name: str, thread: int, *more: int, scope: str = "T1") -> Request:
    """Ask something at the end of a thread."""
    return Request(name, (*THREADS[thread], *more), GREEDY_SAMPLING, scope=scope)


@pytest.mark.parametrize("kind", ["bigcode", "llama"])
def test_two_threads_share_one_slot_and_neither_is_read_twice(
    fresh: EngineFactory, kind: str
) -> None:
    """Each comes back from the shelf; the replies are those of an engine that remembers nothing."""
    engine = fresh(kind, slots=1, shelf=HOST_CACHE_BYTES)
    run_requests(engine, [ask_in_thread("a", 0)])
    run_requests(engine, [ask_in_thread("b", 1)])
    for turn in range(3):
        for thread in (0, 1):
            again = ask_in_thread(f"{thread}.{turn}", thread, *range(5, 7 + turn))
            count, reply = run_counting_prefill(engine, again)
            assert count == (2 if turn == 0 else 1)
            assert reply == run_requests(fresh(kind), [again])[again.id]


def test_without_a_shelf_the_slot_is_all_there_is(fresh: EngineFactory) -> None:
    """Only what the threads have in common is still in the slot."""
    engine = fresh(slots=1)
    run_requests(engine, [ask_in_thread("a", 0)])
    run_requests(engine, [ask_in_thread("b", 1)])

    assert run_counting_prefill(engine, ask_in_thread("again", 0, 5))[0] == len(
        THREADS[0]
    ) + 1 - len(SYSTEM_PROMPT)


def test_a_thread_that_begins_alike_gets_a_copy_of_the_beginning(fresh: EngineFactory) -> None:
    """The other thread keeps its slot while another slot is free."""
    engine = fresh(slots=2)
    run_requests(engine, [ask_in_thread("a", 0)])

    count, reply = run_counting_prefill(engine, ask_in_thread("b", 1))

    assert count == len(THREADS[1]) - len(SYSTEM_PROMPT)
    assert reply == run_requests(fresh(), [ask_in_thread("b", 1)])["b"]
    assert run_counting_prefill(engine, ask_in_thread("again", 0, 5))[0] == 1


@pytest.mark.parametrize(("first", "second"), [("T1", "T2"), ("", ""), ("T1", ""), ("", "T1")])
def test_the_shelf_is_not_shared_across_scopes(
    fresh: EngineFactory, first: str, second: str
) -> None:
    """Another team, or a request without one, reads its prompt whole."""
    engine = fresh(slots=1, shelf=HOST_CACHE_BYTES)
    run_requests(engine, [ask_in_thread("a", 0, scope=first)])
    run_requests(engine, [ask_in_thread("b", 1, scope="T3")])

    assert (
        run_counting_prefill(engine, ask_in_thread("again", 0, 5, scope=second))[0]
        == len(THREADS[0]) + 1
    )


def test_what_is_forgotten_leaves_the_shelf_too(fresh: EngineFactory) -> None:
    """And no number of it stays behind."""
    engine = fresh(slots=1, shelf=HOST_CACHE_BYTES)
    run_requests(engine, [ask_in_thread("a", 0)])
    run_requests(engine, [ask_in_thread("b", 1, scope="T2")])
    [kept] = engine.host_cache._entries.values()

    engine.clear_scope("T1")

    assert len(engine.host_cache) == 0
    assert not any(block.any() for block in kept.blocks)
    assert run_counting_prefill(engine, ask_in_thread("again", 0, 5))[0] == len(THREADS[0]) + 1


def test_a_shelf_that_is_full_forgets_the_oldest(fresh: EngineFactory) -> None:
    """The bytes are counted as they are."""
    engine = fresh(slots=1)
    one = (len(THREADS[0]) + GREEDY_SAMPLING.max_new_tokens) * engine._kv_cache.bytes_per_token
    engine = fresh(slots=1, shelf=one)
    for name in ("a", "b", "a2"):
        run_requests(
            engine, [Request(name, (ord(name[-1]), *THREADS[0]), GREEDY_SAMPLING, scope=name)]
        )

    assert [kept.prefix.scope for kept in engine.host_cache._entries.values()] == ["b"]
    [kept] = engine.host_cache._entries.values()
    assert engine.host_cache.used_bytes == sum(block.nbytes for block in kept.blocks) <= one


class LostBlocks(list[Tensor]):
    """Keys and values in memory that the device has no more."""

    def __iter__(self) -> NoReturn:
        """Fail as CUDA does."""
        raise torch.AcceleratorError("CUDA error: unspecified launch failure")


@pytest.fixture
def shelved(fresh: EngineFactory) -> EngineCore:
    """An engine with one thread in its slot and one on its shelf."""
    engine = fresh(slots=1, shelf=HOST_CACHE_BYTES)
    run_requests(engine, [ask_in_thread("a", 0)])
    run_requests(engine, [ask_in_thread("b", 1)])
    return engine


def test_what_comes_back_broken_costs_no_reply(fresh: EngineFactory, shelved: EngineCore) -> None:
    """The thread is read again, and what else was kept is given up."""
    [kept] = shelved.host_cache._entries.values()
    kept.blocks.pop()

    count, reply = run_counting_prefill(shelved, ask_in_thread("again", 0, 5))

    assert count == len(THREADS[0]) + 1
    assert reply == run_requests(fresh(), [ask_in_thread("again", 0, 5)])["again"]
    assert len(shelved.host_cache) == 0


def test_a_device_that_is_lost_there_is_lost(shelved: EngineCore) -> None:
    """No request continues from a broken context."""
    [kept] = shelved.host_cache._entries.values()
    shelved.host_cache.store_prefix(kept.prefix, LostBlocks(), 0)
    shelved.host_cache._entries.pop(0)
    shelved.add_request(ask_in_thread("again", 0, 5))

    with pytest.raises(DeviceLostError):
        shelved.run_step()


def test_a_past_that_has_merely_begun_alike_stays_where_it_is() -> None:
    """It is the source of a copy, and taken itself only where there is no other slot."""
    parked = SlotAllocator({2})
    parked.release_slot(0, "T1", [1] * 20 + [2] * 30)
    old = CachedPrefix("T2", (3,) * MIN_PREFIX_TOKENS)
    parked.cached_prefixes = {1: old, **parked.cached_prefixes}
    prompt = [1] * 20 + [4] * 5

    assert parked.allocate_slot("T1", prompt) == SlotAllocation(2, 20, source_slot=0)
    assert parked.allocate_slot("T1", prompt) == SlotAllocation(1, 20, source_slot=0, evicted=old)
    assert parked.allocate_slot("T1", prompt) == SlotAllocation(
        0, 20, evicted=CachedPrefix("T1", (1,) * 20 + (2,) * 30)
    )


def test_the_longest_common_beginning_is_found() -> None:
    """What the prompt continues leaves the shelf; what begins alike stays, as the latest."""
    shelf: HostPrefixCache[str] = HostPrefixCache(1000)
    shelf.store_prefix(CachedPrefix("T1", (1,) * 80), "one", 300)
    shelf.store_prefix(CachedPrefix("T1", (1,) * 30 + (2,) * 60), "two", 300)
    shelf.store_prefix(CachedPrefix("T2", (1,) * 90), "other", 300)

    kept, held = shelf.lookup_prefix("T1", [1] * 30 + [3] * 5, 0) or (None, 0)
    assert (kept and kept.blocks, held, len(shelf)) == ("one", 30, 3)
    kept, held = shelf.lookup_prefix("T1", [1] * 70, 10) or (None, 0)
    assert (kept and kept.blocks, held, len(shelf), shelf.used_bytes) == ("one", 69, 2, 600)
    assert shelf.lookup_prefix("T1", [1] * 31, 30) is None
    assert shelf.lookup_prefix("", [1] * 90, 0) is None
    shelf.store_prefix(CachedPrefix("T3", (9,) * 80), "three", 500)
    assert (len(shelf), shelf.used_bytes) == (2, 800)
    assert shelf.lookup_prefix("T1", [1] * 90, 0) is None
    assert shelf.drop_scope("T2") == ["other"]
    shelf.drop_all()
    assert (len(shelf), shelf.used_bytes) == (0, 0)


def test_what_is_short_or_larger_than_the_shelf_is_not_taken() -> None:
    """It would push out what is worth more."""
    shelf: HostPrefixCache[str] = HostPrefixCache(100)
    assert shelf.can_store(CachedPrefix("T1", (1,) * MIN_OFFLOAD_TOKENS), 100)
    assert not shelf.can_store(CachedPrefix("T1", (1,) * MIN_OFFLOAD_TOKENS), 101)
    assert not shelf.can_store(CachedPrefix("T1", (1,) * (MIN_OFFLOAD_TOKENS - 1)), 1)
