"""Remote engine on a real vLLM: the same promises, the same replies, and nothing left running."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.engine.environment import find_python
from testing.checkpoints import wide_bigcode
from testing.inference_process import SLOTS
from testing.polling import poll_until
from testing.vllm_server import VllmServer
from tests.worker.remote_engine.engine_contract import CHECKS, build_request, collect_reply
from tests.worker.remote_engine.real_servers import (
    check_greedy_replies,
    check_restart,
    stop_at_random_places,
)
from worker.engine import Engine, Request, SamplingParams
from worker.remote_engine.client import RemoteEngine
from worker.remote_engine.server_watch import RemoteConfig

VLLM_PYTHON = find_python("vllm")
NUM_REPLICAS = int(os.environ.get("VLLM_REPLICAS", "1"))
"""`make vllm SCALE=2` sets it; only the test of replicas runs then."""
NUM_STOPS = 1000
RUNNING = "vllm:num_requests_running"

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(VLLM_PYTHON is None, reason="needs `make vllm`, which sets up a vLLM"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    """A vLLM over a small checkpoint."""
    assert VLLM_PYTHON is not None
    log = tmp_path_factory.mktemp("vllm") / "vllm.log"
    with VllmServer(VLLM_PYTHON, wide_bigcode(), log) as server:
        server.wait_until_ready()
        yield server


@pytest.fixture
async def engine(server: VllmServer) -> AsyncIterator[RemoteEngine]:
    """A remote engine on it."""
    config = RemoteConfig(url=server.url, model=str(wide_bigcode()), slots=SLOTS)
    engine = RemoteEngine(config)
    yield engine
    await engine.shut_down()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_promises_of_an_engine_hold(
    engine: RemoteEngine, check: Callable[[Engine], Awaitable[None]]
) -> None:
    """The checks are those of the engine on this machine."""
    await check(engine)


async def test_greedy_replies_equal_those_of_the_own_engine(engine: RemoteEngine) -> None:
    """Twenty prompts in float32 have the same ids on both."""
    await check_greedy_replies(engine)


async def test_stopped_requests_leave_nothing_running(
    server: VllmServer, engine: RemoteEngine
) -> None:
    """Requests that are stopped, closed or cancelled at random places free their slots."""
    await stop_at_random_places(engine, NUM_STOPS, SLOTS)

    await asyncio.to_thread(poll_until, lambda: server.read_metric(RUNNING) == 0, timeout=60)
    assert engine.read_stats().running == 0


async def test_teams_share_no_prefix(server: VllmServer, engine: RemoteEngine) -> None:
    """A team meets its own prefix again, another team does not, and `forget` ends it."""

    async def count_hits(scope: str) -> float:
        before = await asyncio.to_thread(server.read_metric, "vllm:prefix_cache_hits_total")
        prompt = tuple(range(1, 200))
        await collect_reply(engine, Request("r", prompt, SamplingParams(2), scope=scope))
        return await asyncio.to_thread(server.read_metric, "vllm:prefix_cache_hits_total") - before

    assert await count_hits("T1/C1/1.0") == 0
    assert await count_hits("T1/C1/2.0") > 0
    assert await count_hits("T2/C1/1.0") == 0
    engine.clear_scope("T1/C1/1.0")
    assert await count_hits("T1/C1/1.0") == 0


async def test_a_restarted_server_serves_what_waits(tmp_path: Path) -> None:
    """What runs is lost, for the caller to repeat."""
    assert VLLM_PYTHON is not None
    with VllmServer(VLLM_PYTHON, wide_bigcode(), tmp_path / "vllm.log") as server:
        server.wait_until_ready()
        engine = RemoteEngine(RemoteConfig(url=server.url, model=str(wide_bigcode())))
        await check_restart(engine, server)


@pytest.mark.skipif(NUM_REPLICAS < 2, reason="needs `make vllm SCALE=2`")
async def test_replicas_share_the_load(tmp_path: Path) -> None:
    """Each replica answers a part of the threads."""
    assert VLLM_PYTHON is not None
    log = tmp_path / "vllm.log"
    with VllmServer(VLLM_PYTHON, wide_bigcode(), log, replicas=NUM_REPLICAS) as server:
        await asyncio.to_thread(server.wait_until_ready)
        engine = RemoteEngine(RemoteConfig(url=server.url, model=str(wide_bigcode())))
        requests = [
            replace(build_request(f"r{number}", count=64), scope=f"T1/C1/{number}.0")
            for number in range(32)
        ]
        replies = await asyncio.gather(*(collect_reply(engine, one) for one in requests))
        await engine.shut_down()
        samples = await asyncio.to_thread(server.list_samples, "vllm:generation_tokens_total")

    assert all(len(ids) == 64 for ids, _ in replies)
    print(dict(samples))  # noqa: T201 - shown by make vllm
    assert len(samples) == NUM_REPLICAS
    assert all(tokens >= 64 for _, tokens in samples)
