"""Cost of the remote engine: first token, throughput and stops of a vLLM, beside a plain client."""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from bench.engine.environment import ensure_python
from testing.checkpoints import wide_bigcode
from testing.inference_process import SLOTS
from testing.polling import poll_until
from testing.vllm_server import VllmServer
from worker.engine import Request, SamplingParams, Tokens
from worker.remote_engine.client import RemoteEngine
from worker.remote_engine.server_watch import RemoteConfig

NEW_TOKENS: Final = 128
PROMPT_TOKENS: Final = 64
REQUESTS: Final = 48
NUM_STOPS: Final = 20
CONCURRENCIES: Final = (1, 8, SLOTS)
SAMPLING: Final = SamplingParams(max_new_tokens=NEW_TOKENS, temperature=0.2, seed=1)

Ask = Callable[[int], Awaitable[float]]
"""Sends one request and returns the seconds until its first token."""


@dataclass(frozen=True, slots=True)
class HopFigures:
    """Median seconds to the first token, and tokens a second of all requests."""

    first_token: float
    tokens_per_second: float


def main(rounds: int) -> str:
    """Measure in interleaved rounds, and return the table."""
    return asyncio.run(_measure(rounds))


async def _measure(rounds: int) -> str:
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "vllm.log"
        with VllmServer(ensure_python("vllm"), wide_bigcode(), log) as server:
            await asyncio.to_thread(server.wait_until_ready)
            engine = RemoteEngine(RemoteConfig(url=server.url, model=str(wide_bigcode())))
            async with aiohttp.ClientSession() as session:
                ways = {
                    "straight": lambda number: _ask_straight(session, server.url, number),
                    "through the remote engine": lambda number: _ask_engine(engine, number),
                }
                table = await _measure_rounds(ways, rounds)
            stops = sorted([await _time_stop(engine, server) for _ in range(NUM_STOPS)])
            await engine.shut_down()
            median, most = 1000 * statistics.median(stops), 1000 * stops[-1]
            return f"{table}\n\nstop to an idle server: {median:.0f} ms, at most {most:.0f} ms"


async def _measure_rounds(ways: Mapping[str, Ask], rounds: int) -> str:
    lines = ["| requests at once | way | first token, median | tokens/s |", "|---|---|---|---|"]
    for ask in ways.values():
        await _ask_all(ask, SLOTS)
    for concurrency in CONCURRENCIES:
        runs: dict[str, list[HopFigures]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, ask in ways.items():
                runs[name].append(await _ask_all(ask, concurrency))
        for name, figures in runs.items():
            first = statistics.median(run.first_token for run in figures)
            rate = statistics.median(run.tokens_per_second for run in figures)
            lines.append(f"| {concurrency} | {name} | {1000 * first:.1f} ms | {rate:,.0f} |")
    return "\n".join(lines)


async def _ask_all(ask: Ask, concurrency: int) -> HopFigures:
    places = asyncio.Semaphore(concurrency)

    async def ask_one(number: int) -> float:
        async with places:
            return await ask(number)

    started = time.monotonic()
    waits = await asyncio.gather(*map(ask_one, range(REQUESTS)))
    seconds = time.monotonic() - started
    return HopFigures(statistics.median(waits), REQUESTS * NEW_TOKENS / seconds)


async def _time_stop(engine: RemoteEngine, server: VllmServer) -> float:
    """Return the seconds from the stop of a request until the server runs none."""
    sampling = SamplingParams(max_new_tokens=400, temperature=0.0)
    async with aclosing(engine.generate(Request("stop", _build_prompt(1), sampling))) as events:
        await anext(events)
        started = time.monotonic()
        engine.abort_request("stop")
        async for _ in events:
            pass
    await asyncio.to_thread(
        poll_until, lambda: server.read_metric("vllm:num_requests_running") == 0, timeout=60
    )
    return time.monotonic() - started


def _build_prompt(number: int) -> tuple[int, ...]:
    return tuple(1 + (number * 31 + place * 7) % 200 for place in range(PROMPT_TOKENS))


async def _ask_engine(engine: RemoteEngine, number: int) -> float:
    request = Request(f"r{number}", _build_prompt(number), SAMPLING, scope=f"T1/C1/{number}.0")
    started, first = time.monotonic(), 0.0
    async with aclosing(engine.generate(request)) as events:
        async for event in events:
            if isinstance(event, Tokens) and not first:
                first = time.monotonic() - started
    return first


async def _ask_straight(session: aiohttp.ClientSession, url: str, number: int) -> float:
    body = {
        "model": "served",
        "prompt": list(_build_prompt(number)),
        "max_tokens": NEW_TOKENS,
        "temperature": SAMPLING.temperature,
        "top_k": SAMPLING.top_k,
        "top_p": SAMPLING.top_p,
        "seed": SAMPLING.seed,
        "ignore_eos": True,
        "stream": True,
        "return_token_ids": True,
    }
    started, first = time.monotonic(), 0.0
    async with session.post(f"{url}/v1/completions", json=body) as response:
        async for line in response.content:
            if line.startswith(b"data: {"):
                json.loads(line[6:])
                first = first or time.monotonic() - started
    return first
