"""Remote engine on a real llama.cpp server: the same promises, and the same replies."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from bench.engine.gguf_file import write_gguf
from bench.engine.llama_server import find_llama_server
from testing.checkpoints import wide_bigcode
from testing.inference_process import SLOTS
from testing.llama_server import LlamaServer
from testing.polling import poll_until
from tests.worker.remote_engine.engine_contract import CHECKS, build_request, collect_reply
from worker.engine import Engine, EngineLostError, Request, SamplingParams
from worker.engine.client import EngineClient
from worker.engine.protocol import EngineConfig
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
    own = EngineClient(EngineConfig(model=str(wide_bigcode()), dtype="float32", device="cpu"))
    dice = random.Random(5)  # noqa: S311 - not a secret
    for number in range(20):
        prompt = tuple(dice.randrange(1, 200) for _ in range(dice.randrange(1, 60)))
        sampling = SamplingParams(max_new_tokens=24, temperature=0.0)
        request = Request(f"r{number}", prompt, sampling, stop_ids=(0,), scope="T1/C1/1.0")
        replies = [await collect_reply(each, request) for each in (own, engine)]
        assert replies[0][0] == replies[1][0]
    await own.shut_down()


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
    dice = random.Random(7)  # noqa: S311 - not a secret
    places = asyncio.Semaphore(4)

    async def stop_one(number: int) -> None:
        request = build_request(f"r{number}", count=200)
        async with places, aclosing(engine.generate(request)) as events:
            for _ in range(dice.randrange(1, 12)):
                await anext(events)
            if number % 2:
                engine.abort_request(request.id)
                async for _ in events:
                    pass

    await asyncio.gather(*map(stop_one, range(NUM_STOPS)))

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
        events = engine.generate(build_request(count=400))
        await anext(events)
        await asyncio.to_thread(server.stop_serving)
        with pytest.raises(EngineLostError):
            _ = [event async for event in events]
        waiting = asyncio.create_task(collect_reply(engine, build_request(count=5)))
        server.start_serving()
        assert len((await waiting)[0]) == 5
        await engine.shut_down()
