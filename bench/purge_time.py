"""Purge benchmark: time of `/starchat forget` and of an uninstall, beside many keys."""

import threading
import time
from typing import Final, Self

from redis import Redis

from bot.store.client import connect_redis
from bot.store.purge import Purge
from contract import keys
from testing.redis_server import RedisServer

TEAM: Final = "T0FAKE0001"
KEYS_PER_COMMAND: Final = 5_000
THREADS_PER_CHANNEL: Final = 100
PROBE_SECONDS: Final = 0.002


class ReplyTimes:
    """The longest time in which Redis answers another client, while work runs."""

    def __init__(self, url: str) -> None:
        self.longest_seconds = 0.0
        self._redis = connect_redis(url)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._probe_redis, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._redis.close()

    def _probe_redis(self) -> None:
        while not self._ended.wait(PROBE_SECONDS):
            started_at = time.perf_counter()
            self._redis.ping()
            self.longest_seconds = max(self.longest_seconds, time.perf_counter() - started_at)


def main(keys: int) -> str:
    """Measure, and return the table."""
    return format_times(measure_purge(keys))


def measure_purge(num_keys: int) -> dict[str, float]:
    """Fill Redis with `num_keys` keys of one team, half of them threads; purge channel and team."""
    with RedisServer() as server, connect_redis(server.url) as redis:
        num_threads = num_keys // 2
        for start in range(0, num_threads, KEYS_PER_COMMAND):
            _add_threads(redis, range(start, min(start + KEYS_PER_COMMAND, num_threads)))
        purge = Purge(redis)
        with ReplyTimes(server.url) as beside_forget:
            started_at = time.perf_counter()
            purge.drop_channel(TEAM, "C0")
            forget_seconds = time.perf_counter() - started_at
        with ReplyTimes(server.url) as beside_uninstall:
            started_at = time.perf_counter()
            purge.drop_team(TEAM)
            uninstall_seconds = time.perf_counter() - started_at
    return {
        "`/starchat forget` before its acknowledgement, ms": forget_seconds * 1000,
        "longest wait of another client during it, ms": beside_forget.longest_seconds * 1000,
        "uninstall, in the background, ms": uninstall_seconds * 1000,
        "longest wait of another client beside it, ms": beside_uninstall.longest_seconds * 1000,
    }


def format_times(times: dict[str, float]) -> str:
    """Return the times as a Markdown table."""
    rows = [f"| {figure} | {value:.1f} |" for figure, value in times.items()]
    return "\n".join(["| Figure | Measured |", "|---|---|", *rows])


def _add_threads(redis: Redis, numbers: range) -> None:
    with redis.pipeline(transaction=False) as pipe:
        for number in numbers:
            channel, ts = f"C{number // THREADS_PER_CHANNEL}", f"{number}.000000"
            copy = keys.thread_cache(TEAM, channel, ts)
            pipe.hset(copy, ts, "text" * 50)
            pipe.set(keys.thread_mode(TEAM, channel, ts), "auto")
            pipe.zadd(keys.text_index(TEAM), {copy: number})
            pipe.hset(keys.text_sizes(TEAM), copy, 200)
        pipe.execute()
