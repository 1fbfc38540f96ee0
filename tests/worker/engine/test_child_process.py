"""Engine client and its child process: many requests at once, crashes, hangs and shutdown."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from testing.checkpoints import tiny_bigcode
from testing.fork_server import forked_engine_environment
from testing.in_process_engine import GREEDY_SAMPLING, EngineFactory, run_requests
from testing.process_tree import find_fork
from worker.engine import (
    Engine,
    EngineHealth,
    EngineLostError,
    EngineState,
    Finished,
    FinishReason,
    LoadError,
    Request,
    RequestRefusedError,
    SamplingParams,
    Tokens,
)
from worker.engine.client import EngineClient, Timeouts
from worker.engine.protocol import EngineConfig

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHORT_TIMEOUTS = Timeouts(step=5.0, min_restart_delay=0.05, max_restart_delay=0.2)

LONG_REQUEST = Request("long", (1, 2, 3), SamplingParams(max_new_tokens=250, temperature=0))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def changes() -> list[EngineHealth]:
    """Every health report of this module's engine."""
    return []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(changes: list[EngineHealth]) -> AsyncIterator[EngineClient]:
    """
    An engine over a tiny model, ready to run; tests may kill its child.

    Its first child imports torch itself, the later ones are forks of a process that has done so.
    """
    options = EngineConfig(model=str(tiny_bigcode()), slots=8, threads=1)
    engine = EngineClient(options, timeouts=SHORT_TIMEOUTS, on_change=changes.append)
    await engine.wait_ready()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in forked_engine_environment().items():
            patch.setenv(name, value)
        yield engine
    await engine.shut_down()


async def collect_reply(
    engine: Engine, request: Request, first: asyncio.Event | None = None
) -> tuple[list[int], Finished]:
    """Run a request to its end; set `first` at its first token."""
    ids: list[int] = []
    async for event in engine.generate(request):
        if isinstance(event, Finished):
            return ids, event
        ids += event.ids
        if first is not None:
            first.set()
    raise AssertionError("a request ended without a last event")


async def start_reply(engine: Engine, request: Request) -> asyncio.Task[tuple[list[int], Finished]]:
    """Start a request and wait for its first token."""
    first = asyncio.Event()
    task = asyncio.create_task(collect_reply(engine, request, first))
    await first.wait()
    return task


async def test_model_info_and_progress_reach_the_parent(
    engine: EngineClient, changes: list[EngineHealth]
) -> None:
    """Directory, context length and ids are the checkpoint's; loading reports progress."""
    model = await engine.wait_ready()

    assert (model.directory / "tokenizer.json").is_file()
    assert (model.max_positions, model.vocab_size, model.eos_ids) == (256, 448, (0,))
    assert (model.device, model.dtype, model.slots) == ("cpu", "float32", 8)
    fractions = [change.fraction for change in changes if change.restarts == 0]
    assert fractions == sorted(fractions)
    assert changes[0].state is EngineState.LOADING
    assert changes[-1].stage == "" != changes[-2].stage == "warming up 1 of 1"
    assert engine.health.state is EngineState.READY


def read_thread_statuses(pid: int) -> list[str]:
    """Return what the kernel tells about each thread of a process."""
    return [file.read_text("ascii") for file in Path(f"/proc/{pid}/task").glob("*/status")]


async def test_every_thread_of_the_child_is_sandboxed(engine: EngineClient) -> None:
    """Torch's threads too: they start before the last part of the sandbox."""
    await engine.wait_ready()
    assert engine.pid is not None

    for status in read_thread_statuses(find_fork(engine.pid)):
        assert "NoNewPrivs:\t1" in status
        assert "Seccomp:\t2" in status


async def test_concurrent_requests_get_their_own_replies(
    engine: EngineClient, new_engine: EngineFactory
) -> None:
    """40 requests on 8 slots: each gets its own tokens, in order."""
    requests = [Request(f"r{n}", tuple(range(n, 3 * n + 2)), GREEDY_SAMPLING) for n in range(40)]
    expected = run_requests(new_engine("bigcode"), requests)

    replies = await asyncio.gather(*(collect_reply(engine, request) for request in requests))

    for request, (ids, finished) in zip(requests, replies, strict=True):
        assert ids == expected[request.id].ids
        assert finished.gpu_seconds > 0
        expected_end = Finished(FinishReason.LENGTH, len(request.prompt), 24)
        assert replace(finished, gpu_seconds=0.0) == expected_end
    stats = engine.read_stats()
    assert (stats.running, stats.waiting) == (0, 0)
    assert stats.steps > 24
    assert stats.tokens_per_second > 0


async def test_aborted_request_keeps_its_tokens(engine: EngineClient) -> None:
    """It ends well before its limit; a second abort changes nothing."""
    seen = 0
    async for event in engine.generate(LONG_REQUEST):
        if isinstance(event, Tokens):
            seen += len(event.ids)
            engine.abort_request("long")
            engine.abort_request("long")
        else:
            assert event.reason is FinishReason.STOPPED
            assert event.new_tokens == seen < 250
    engine.abort_request("long")


async def test_clear_scope_does_not_disturb_running_requests(engine: EngineClient) -> None:
    """The child clears the scope between two steps."""
    scoped = replace(LONG_REQUEST, scope="T1")
    seen = asyncio.Event()
    running = asyncio.create_task(collect_reply(engine, scoped, seen))
    await seen.wait()
    engine.clear_scope("T1")
    ids, finished = await running
    assert (len(ids), finished.reason) == (250, FinishReason.LENGTH)
    assert (await collect_reply(engine, replace(scoped, id="again")))[0] == ids


async def test_closed_iterator_frees_its_slot(engine: EngineClient) -> None:
    """A caller that stops listening aborts its request; its id can be used again at once."""
    async with aclosing(engine.generate(LONG_REQUEST)) as events:
        await anext(events)
    ids, finished = await collect_reply(engine, replace(LONG_REQUEST, sampling=GREEDY_SAMPLING))

    assert (len(ids), finished.reason) == (24, FinishReason.LENGTH)
    assert engine.read_stats().running == 0


async def test_invalid_request_is_refused_by_the_parent(engine: EngineClient) -> None:
    """A prompt that is too long, and an unknown token id."""
    for prompt in ((1,) * 240, (448,)):
        with pytest.raises(RequestRefusedError):
            await collect_reply(engine, Request("bad", prompt, GREEDY_SAMPLING))


async def test_duplicate_request_id_raises_value_error(engine: EngineClient) -> None:
    """A second request with the id of a running one is the caller's mistake."""
    first = await start_reply(engine, LONG_REQUEST)

    with pytest.raises(ValueError, match="running already"):
        await collect_reply(engine, LONG_REQUEST)
    engine.abort_request("long")
    assert (await first)[1].reason is FinishReason.STOPPED


async def test_killed_child_is_restarted(engine: EngineClient, changes: list[EngineHealth]) -> None:
    """Running requests raise `EngineLostError`; the next request runs on a new child."""
    running = await start_reply(engine, LONG_REQUEST)
    restarts, pid = engine.health.restarts, engine.pid
    assert pid is not None

    os.kill(pid, signal.SIGKILL)

    with pytest.raises(EngineLostError):
        await running
    ids, _ = await collect_reply(engine, replace(LONG_REQUEST, sampling=GREEDY_SAMPLING))
    assert len(ids) == 24
    assert engine.health.restarts == restarts + 1
    assert engine.pid != pid
    lost = [change.state for change in changes if change.restarts == restarts + 1]
    assert lost[0] is EngineState.LOADING
    assert lost[-1] is EngineState.READY


async def test_hanging_child_is_killed(engine: EngineClient) -> None:
    """A busy child that reports no step in time counts as dead."""
    running = await start_reply(engine, LONG_REQUEST)
    assert engine.pid is not None

    os.kill(find_fork(engine.pid), signal.SIGSTOP)

    with pytest.raises(EngineLostError):
        await running
    assert (
        len((await collect_reply(engine, replace(LONG_REQUEST, sampling=GREEDY_SAMPLING)))[0]) == 24
    )


async def test_shut_down_ends_child_and_requests(forked_engines: None) -> None:
    """Running requests are lost, later ones are refused, and no process remains."""
    engine = EngineClient(EngineConfig(model=str(tiny_bigcode()), slots=2, threads=1))
    running = await start_reply(engine, LONG_REQUEST)
    pid = engine.pid

    await engine.shut_down()

    with pytest.raises(EngineLostError):
        await running
    with pytest.raises(EngineLostError):
        await engine.wait_ready()
    assert engine.health.state is EngineState.CLOSED
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_missing_model_fails_without_restarts(forked_engines: None, tmp_path: Path) -> None:
    """The operator reads one line."""
    engine = EngineClient(EngineConfig(model=str(tmp_path / "nowhere")))

    with pytest.raises(LoadError, match="there is no directory"):
        await engine.wait_ready()
    with pytest.raises(LoadError):
        await collect_reply(engine, LONG_REQUEST)

    assert (engine.health.state, engine.health.restarts) == (EngineState.FAILED, 0)
    await engine.shut_down()


async def test_three_early_deaths_fail_the_engine(forked_engines: None) -> None:
    """The model was never loaded."""
    deaths: set[int] = set()

    def kill(_: EngineHealth) -> None:
        if doomed.pid is not None:
            deaths.add(doomed.pid)
            os.kill(doomed.pid, signal.SIGKILL)

    options = EngineConfig(model=str(tiny_bigcode()))
    doomed = EngineClient(options, timeouts=SHORT_TIMEOUTS, on_change=kill)

    with pytest.raises(LoadError, match="died 3 times"):
        await doomed.wait_ready()
    assert len(deaths) == 3
    await doomed.shut_down()


async def test_shut_down_while_loading_is_immediate(forked_engines: None) -> None:
    """It doesn't wait for the model."""
    engine = EngineClient(EngineConfig(model=str(tiny_bigcode())))
    engine.start_loading()

    async with asyncio.timeout(20):
        await engine.shut_down()

    assert engine.health.state is EngineState.CLOSED
