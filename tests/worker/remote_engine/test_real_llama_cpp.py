"""Remote engine on a real llama.cpp server: the same promises, and the same replies."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from bench.engine.gguf_file import write_gguf
from bench.engine.llama_server import find_llama_server
from testing.checkpoints import wide_bigcode
from testing.inference_process import SLOTS
from testing.llama_server import LlamaServer
from testing.polling import poll_until
from tests.worker.remote_engine.engine_contract import CHECKS, build_request, collect_reply
from tests.worker.remote_engine.real_servers import (
    check_greedy_replies,
    check_restart,
    stop_at_random_places,
)
from worker.engine import Engine, Request, SamplingParams
from worker.remote_engine.client import RemoteEngine
from worker.remote_engine.server_watch import RemoteConfig

PROGRAM = find_llama_server()
NUM_STOPS = 200
PLAIN_TOKENS = [f"<{number}>" for number in range(448)]
"""Texts of tokens that are whole characters."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.llama,
    pytest.mark.skipif(PROGRAM is None, reason="needs `make llama`, which compiles a server"),
]


def write_model(directory: Path, tokens: list[str]) -> Path:
    """Write a checkpoint as `.gguf`, with texts for its tokens; the first ends a reply."""
    file = directory / "model.gguf"
    write_gguf(wide_bigcode(), file, "F32", token_texts=tokens)
    return file


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaServer]:
    """A server over a small checkpoint."""
    assert PROGRAM is not None
    directory = tmp_path_factory.mktemp("llama")
    model = write_model(directory, PLAIN_TOKENS)
    with LlamaServer(PROGRAM, model, directory / "server.log") as server:
        server.wait_until_ready()
        yield server


def make_engine(server: LlamaServer) -> RemoteEngine:
    """Return a remote engine on a server."""
    model = str(wide_bigcode())
    config = RemoteConfig(url=server.url, model=model, dialect="llama.cpp", slots=SLOTS)
    return RemoteEngine(config)


@pytest.fixture
async def engine(server: LlamaServer) -> AsyncIterator[RemoteEngine]:
    """A remote engine on the module's server."""
    engine = make_engine(server)
    yield engine
    await engine.shut_down()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_promises_of_an_engine_hold(
    engine: RemoteEngine, check: Callable[[Engine], Awaitable[None]]
) -> None:
    """The checks are those of the engine on this machine."""
    await check(engine)


async def test_greedy_replies_equal_those_of_the_own_engine(engine: RemoteEngine) -> None:
    """Twenty prompts in float32 have the same ids on both, up to the id that ends a reply."""
    await check_greedy_replies(engine, stop_ids=(0,))


async def test_tokens_that_end_within_a_character_are_not_lost(
    engine: RemoteEngine, tmp_path: Path
) -> None:
    """The server names only the last id of a character."""
    assert PROGRAM is not None
    whole, _ = await collect_reply(engine, build_request(count=12))
    texts = list(PLAIN_TOKENS)
    first, second = whole[1:3]
    texts[first], texts[second] = "Ã", "©"
    with LlamaServer(PROGRAM, write_model(tmp_path, texts), tmp_path / "server.log") as server:
        await asyncio.to_thread(server.wait_until_ready)
        halved = make_engine(server)
        assert (await collect_reply(halved, build_request(count=12)))[0] == whole
        await halved.shut_down()


async def test_stopped_requests_leave_nothing_running(
    server: LlamaServer, engine: RemoteEngine
) -> None:
    """Requests that are stopped or closed at random places free their slots."""
    await stop_at_random_places(engine, NUM_STOPS, 4)

    def is_idle() -> bool:
        return server.read_metric("llamacpp:requests_processing") == 0

    await asyncio.to_thread(poll_until, is_idle, timeout=60)
    assert engine.read_stats().running == 0


async def test_no_prefix_is_used_again(server: LlamaServer, engine: RemoteEngine) -> None:
    """The server can't keep the prefix caches of teams apart."""
    request = Request("r", tuple(range(1, 200)), SamplingParams(2), scope="T1/C1/1.0")
    for _ in range(2):
        await collect_reply(engine, request)

    assert server.read_metric("llamacpp:prompt_tokens_cached_total") == 0


async def test_a_restarted_server_serves_what_waits(tmp_path: Path) -> None:
    """What runs is lost, for the caller to repeat."""
    assert PROGRAM is not None
    model = write_model(tmp_path, PLAIN_TOKENS)
    with LlamaServer(PROGRAM, model, tmp_path / "server.log") as server:
        await asyncio.to_thread(server.wait_until_ready)
        engine = make_engine(server)
        await check_restart(engine, server)
