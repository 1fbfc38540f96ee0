"""Thread memory benchmark: memory of Redis and of the bot, with long threads cached."""

import statistics
import time
from pathlib import Path
from typing import Any, Final, cast

from redis import Redis
from slack_sdk import WebClient

import bot.app  # noqa: F401 - the memory of the bot's modules counts
from bot.messages.message import AuthorKind, BotIdentity, Message
from bot.store.client import connect_redis
from bot.store.thread_cache import ThreadCache
from contract.job import Thread
from testing.redis_server import RedisServer

IDENTITY: Final = BotIdentity("T0FAKE0001", "U0BOT00001", "B0BOT00001", "StarChat")
TEXT: Final = "the build fails with a timeout after the last merge " * 2
EVENTS_PER_THREAD: Final = 100
BYTES_PER_MIB: Final = 1024 * 1024


class LongThreads:
    """Slack's side: threads of `length` messages, in pages."""

    def __init__(self, length: int) -> None:
        self._length = length

    def conversations_replies(self, *, ts: str, limit: int, cursor: str | None, **_: Any) -> Any:
        """Return one page of a thread."""
        start = int(cursor or 0)
        end = min(start + limit, self._length)
        root = int(ts.partition(".")[0])
        messages = [
            {"ts": f"{root}.{number:06}", "user": f"U{number % 7}", "text": f"{number} {TEXT}"}
            for number in range(start, end)
        ]
        following = str(end) if end < self._length else ""
        return {"messages": messages, "response_metadata": {"next_cursor": following}}


def main(threads: int, length: int) -> str:
    """Measure, and return the table."""
    return format_memory(measure_memory(threads, length))


def measure_memory(threads: int, length: int) -> dict[str, float]:
    """Read `threads` threads of `length` messages, then deliver new messages in each."""
    with RedisServer() as server:
        redis = connect_redis(server.url)
        cache = ThreadCache(redis, cast(WebClient, LongThreads(length)), IDENTITY)
        places = [
            Thread(team=IDENTITY.team, channel="C1", ts=f"{1_700_000_000 + number}.000000")
            for number in range(threads)
        ]
        for place in places:
            cache.load_messages(place)
        seconds = [
            _deliver_message(cache, place, number)
            for place in places
            for number in range(length, length + EVENTS_PER_THREAD)
        ]
        figures = {
            "Redis, MiB": _redis_bytes(redis) / BYTES_PER_MIB,
            "bot, MiB": _peak_kib() / 1024,
            "a new message, p50 ms": statistics.median(seconds) * 1000,
            "a new message, p99 ms": statistics.quantiles(seconds, n=100)[98] * 1000,
        }
        redis.close()
        return figures


def format_memory(figures: dict[str, float]) -> str:
    """Return the figures as a Markdown table."""
    lines = [f"| {name} | {value:.1f} |" for name, value in figures.items()]
    return "\n".join(["| Figure | Measured |", "|---|---|", *lines])


def _deliver_message(cache: ThreadCache, place: Thread, number: int) -> float:
    root = place.ts.partition(".")[0]
    ts = f"{root}.{number:06}"
    message = Message(ts=ts, kind=AuthorKind.PERSON, author="U1", text=f"{number} {TEXT}")
    started = time.perf_counter()
    cache.put_message(place, message, ts)
    cache.count_people(place)
    return time.perf_counter() - started


def _redis_bytes(redis: Redis) -> int:
    memory: Any = redis.info("memory")
    return int(memory["used_memory_peak"])


def _peak_kib() -> int:
    """Return the largest resident set of this process."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
