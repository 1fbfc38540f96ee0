"""Host prefix cache: an evicted conversation is restored instead of prefilled again."""

from collections.abc import Sequence
from typing import Any, NoReturn

import pytest
import torch
from torch.overrides import TorchFunctionMode

from testing.in_process_engine import (
    GREEDY_SAMPLING,
    EngineFactory,
    run_counting_prefill,
    run_requests,
)
from worker.engine import DeviceLostError, Request
from worker.engine.attention.host_arena import SLAB_BYTES, HostPages
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
    """Return a request that ends one of the threads with `more` tokens."""
    return Request(name, (*THREADS[thread], *more), GREEDY_SAMPLING, scope=scope)


@pytest.mark.parametrize("kind", ["bigcode", "llama"])
def test_two_threads_alternate_in_one_slot_without_prefill(
    new_engine: EngineFactory, kind: str
) -> None:
    """Each is restored from the host; the replies equal those of an engine without a cache."""
    engine = new_engine(kind, slots=1, host_cache_bytes=HOST_CACHE_BYTES)
    run_requests(engine, [ask_in_thread("a", 0)])
    run_requests(engine, [ask_in_thread("b", 1)])
    for turn in range(3):
        for thread in (0, 1):
            again = ask_in_thread(f"{thread}.{turn}", thread, *range(5, 7 + turn))
            count, reply = run_counting_prefill(engine, again)
            assert count == (2 if turn == 0 else 1)
            assert reply == run_requests(new_engine(kind), [again])[again.id]


def test_without_host_cache_only_the_slot_is_reused(new_engine: EngineFactory) -> None:
    """The slot still holds the system prompt that both threads share."""
    engine = new_engine(slots=1)
    run_requests(engine, [ask_in_thread("a", 0)])
    run_requests(engine, [ask_in_thread("b", 1)])

    assert run_counting_prefill(engine, ask_in_thread("again", 0, 5))[0] == len(
        THREADS[0]
    ) + 1 - len(SYSTEM_PROMPT)


def test_shared_system_prompt_is_copied_to_another_slot(new_engine: EngineFactory) -> None:
    """The first thread keeps its slot while another slot is free."""
    engine = new_engine(slots=2)
    run_requests(engine, [ask_in_thread("a", 0)])

    count, reply = run_counting_prefill(engine, ask_in_thread("b", 1))

    assert count == len(THREADS[1]) - len(SYSTEM_PROMPT)
    assert reply == run_requests(new_engine(), [ask_in_thread("b", 1)])["b"]
    assert run_counting_prefill(engine, ask_in_thread("again", 0, 5))[0] == 1


@pytest.mark.parametrize(("first", "second"), [("T1", "T2"), ("", ""), ("T1", ""), ("", "T1")])
def test_host_cache_is_not_shared_across_scopes(
    new_engine: EngineFactory, first: str, second: str
) -> None:
    """Another scope, or none, prefills its whole prompt."""
    engine = new_engine(slots=1, host_cache_bytes=HOST_CACHE_BYTES)
    run_requests(engine, [ask_in_thread("a", 0, scope=first)])
    run_requests(engine, [ask_in_thread("b", 1, scope="T3")])

    assert (
        run_counting_prefill(engine, ask_in_thread("again", 0, 5, scope=second))[0]
        == len(THREADS[0]) + 1
    )


def test_clear_scope_erases_the_host_cache(new_engine: EngineFactory) -> None:
    """Host memory is zeroed, also what an earlier eviction left there."""
    engine = new_engine(slots=1, host_cache_bytes=HOST_CACHE_BYTES)
    run_requests(engine, [ask_in_thread("a", 0)])
    run_requests(engine, [ask_in_thread("b", 1, scope="T2")])
    run_requests(engine, [ask_in_thread("c", 0)])
    pages = engine._kv_cache._host_arena._pages
    assert [kept.prefix.scope for kept in engine.host_cache._entries.values()] == ["T2"]
    assert sum(bool(page.any()) for page in pages) == 2

    engine.clear_prefixes("T1")

    assert len(engine.host_cache) == 1
    assert sum(bool(page.any()) for page in pages) == 1
    assert run_counting_prefill(engine, ask_in_thread("again", 0, 5))[0] == len(THREADS[0]) + 1
    engine.clear_prefixes("")
    assert len(engine.host_cache) == 0
    assert not engine.scheduler.slot_allocator.cached_prefixes


def test_full_host_cache_evicts_the_oldest_prefix(new_engine: EngineFactory) -> None:
    """The second takes the memory of the first."""
    engine = new_engine(slots=1)
    one = engine._kv_cache.count_host_bytes(len(THREADS[0]) + GREEDY_SAMPLING.max_new_tokens)
    engine = new_engine(slots=1, host_cache_bytes=one)
    for name in ("a", "b", "a2"):
        run_requests(
            engine, [Request(name, (ord(name[-1]), *THREADS[0]), GREEDY_SAMPLING, scope=name)]
        )

    assert [kept.prefix.scope for kept in engine.host_cache._entries.values()] == ["b"]
    assert engine.host_cache.used_bytes == one
    assert sum(bool(page.any()) for page in engine._kv_cache._host_arena._pages) == 1


class LostPages(HostPages):
    """Pages in memory that the device has lost."""

    @property
    def num_tokens(self) -> NoReturn:
        """Fail as CUDA does."""
        raise torch.AcceleratorError("CUDA error: unspecified launch failure")


@pytest.fixture
def engine_with_cache(new_engine: EngineFactory) -> EngineCore:
    """An engine with one thread in its slot and one in its host cache."""
    engine = new_engine(slots=1, host_cache_bytes=HOST_CACHE_BYTES)
    run_requests(engine, [ask_in_thread("a", 0)])
    run_requests(engine, [ask_in_thread("b", 1)])
    return engine


def test_broken_host_cache_costs_no_reply(
    new_engine: EngineFactory, engine_with_cache: EngineCore
) -> None:
    """The thread is prefilled again, and the host cache is emptied."""
    [kept] = engine_with_cache.host_cache._entries.values()
    object.__setattr__(kept.blocks, "numbers", ())

    count, reply = run_counting_prefill(engine_with_cache, ask_in_thread("again", 0, 5))

    assert count == len(THREADS[0]) + 1
    assert reply == run_requests(new_engine(), [ask_in_thread("again", 0, 5)])["again"]
    assert len(engine_with_cache.host_cache) == 0


class RefusedPinnedMemory(TorchFunctionMode):
    """Context in which the driver refuses the memory of a slab."""

    num_refusals = 0

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.empty and args == (SLAB_BYTES,):
            self.num_refusals += 1
            raise torch.AcceleratorError(
                "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported.\n"
                "Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.\n"
            )
        return func(*args, **(kwargs or {}))


def test_refused_host_memory_costs_the_cache_alone(new_engine: EngineFactory) -> None:
    """Every thread gets its reply, by a full prefill, and the device is not taken for lost."""
    engine = new_engine(slots=1, host_cache_bytes=HOST_CACHE_BYTES)
    requests = [ask_in_thread("a", 0), ask_in_thread("b", 1), ask_in_thread("again", 0, 5)]
    expected = [run_requests(new_engine(), [request]) for request in requests]

    with RefusedPinnedMemory() as memory:
        replies = [run_requests(engine, [request]) for request in requests]

    assert replies == expected
    assert memory.num_refusals == 2
    assert len(engine.host_cache) == 0


def test_refused_offload_gives_no_team_another_teams_keys(new_engine: EngineFactory) -> None:
    """A slot that stayed unfilled still holds another team's prefix, and is no source."""
    engine = new_engine(slots=4, host_cache_bytes=HOST_CACHE_BYTES)
    other = Request("other", tuple(range(60, 130)), GREEDY_SAMPLING, scope="T2")
    short = [Request(team, (9,) * 20, GREEDY_SAMPLING, scope=team) for team in ("T4", "T5")]
    for request in (other, ask_in_thread("x", 0), *short):
        run_requests(engine, [request])
    requests = [
        Request(name, (*SYSTEM_PROMPT, *range(start, start + 20)), GREEDY_SAMPLING, scope=scope)
        # The first takes the slot of "other", and the second that of "x", its source.
        for name, start, scope in (("a", 40, "T1"), ("evicts x", 60, "T3"), ("b", 80, "T1"))
    ]
    expected = {request.id: run_requests(new_engine(), [request]) for request in requests}

    with RefusedPinnedMemory() as memory:
        replies = run_requests(engine, requests)

    assert memory.num_refusals == 2
    assert {name: {name: reply} for name, reply in replies.items()} == expected


def test_device_error_while_restoring_ends_the_engine(engine_with_cache: EngineCore) -> None:
    """No request continues on a lost device."""
    [kept] = engine_with_cache.host_cache._entries.values()
    engine_with_cache.host_cache.store_prefix(kept.prefix, object.__new__(LostPages), 0)
    engine_with_cache.host_cache._entries.pop(0)
    engine_with_cache.add_request(ask_in_thread("again", 0, 5))

    with pytest.raises(DeviceLostError):
        engine_with_cache.run_step()


def test_slot_with_a_shared_beginning_is_copied_not_taken() -> None:
    """It is taken only if no other slot is free."""
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


def test_lookup_returns_the_longest_common_prefix() -> None:
    """An extended prefix leaves the cache; one with a shared beginning stays as the most recent."""
    host_cache: HostPrefixCache[str] = HostPrefixCache(1000)
    host_cache.store_prefix(CachedPrefix("T1", (1,) * 80), "one", 300)
    host_cache.store_prefix(CachedPrefix("T1", (1,) * 30 + (2,) * 60), "two", 300)
    host_cache.store_prefix(CachedPrefix("T2", (1,) * 90), "other", 300)

    kept, held = host_cache.lookup_prefix("T1", [1] * 30 + [3] * 5, 0) or (None, 0)
    assert (kept and kept.blocks, held, len(host_cache)) == ("one", 30, 3)
    kept, held = host_cache.lookup_prefix("T1", [1] * 70, 10) or (None, 0)
    assert (kept and kept.blocks, held, len(host_cache), host_cache.used_bytes) == (
        "one",
        69,
        2,
        600,
    )
    assert host_cache.lookup_prefix("T1", [1] * 31, 30) is None
    assert host_cache.lookup_prefix("", [1] * 90, 0) is None
    host_cache.make_room(500)
    host_cache.store_prefix(CachedPrefix("T3", (9,) * 80), "three", 500)
    assert (len(host_cache), host_cache.used_bytes) == (2, 800)
    assert host_cache.lookup_prefix("T1", [1] * 90, 0) is None
    assert host_cache.drop_scope("T2") == ["other"]
    host_cache.drop_all()
    assert (len(host_cache), host_cache.used_bytes) == (0, 0)


def test_short_or_oversized_prefix_is_not_stored() -> None:
    """It would evict more valuable prefixes."""
    host_cache: HostPrefixCache[str] = HostPrefixCache(100)
    assert host_cache.can_store(CachedPrefix("T1", (1,) * MIN_OFFLOAD_TOKENS), 100)
    assert not host_cache.can_store(CachedPrefix("T1", (1,) * MIN_OFFLOAD_TOKENS), 101)
    assert not host_cache.can_store(CachedPrefix("T1", (1,) * (MIN_OFFLOAD_TOKENS - 1)), 1)
