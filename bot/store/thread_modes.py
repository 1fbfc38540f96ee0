"""How the bot takes part in a thread, for as long as Redis remembers it; no text is kept here."""

from itertools import groupby
from typing import Final

from redis import Redis
from redis.client import Pipeline

from bot.messages.admission import ThreadMode
from bot.store.client import decode_reply
from contract import keys
from contract.job import Thread

KEYS_PER_SCAN: Final = 500
"""Keys that are looked at in one step."""
MODES_BY_VALUE: Final = {mode.value: mode for mode in ThreadMode}


class ThreadModes:
    """Reads and writes the mode of threads. Raises `redis.exceptions.RedisError`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def get_mode(self, thread: Thread) -> ThreadMode | None:
        """Return how the bot takes part in a thread; `None` if it does not."""
        found = self._redis.get(_mode_key(thread))
        return MODES_BY_VALUE.get(decode_reply(found)) if found else None

    def list_recent_threads(self, team: str, max_threads: int) -> dict[str, tuple[str, ...]]:
        """Return the threads in which the bot took part last, their `ts` by channel."""
        found = [
            decode_reply(key)
            for key in self._redis.scan_iter(keys.thread_mode(team, "*", "*"), KEYS_PER_SCAN)
        ]
        with self._redis.pipeline(transaction=False) as pipe:
            for key in found:
                pipe.ttl(key)
            left = pipe.execute()
        newest = sorted(zip(left, found, strict=True), reverse=True)[:max_threads]
        addresses = sorted(key.rsplit(":", 2)[1:] for _, key in newest)
        by_channel = groupby(addresses, key=lambda place: place[0])
        return {channel: tuple(ts for _, ts in group) for channel, group in by_channel}

    @staticmethod
    def join_thread(thread: Thread, pipe: Pipeline) -> None:
        """Take part from now on, in the mode that was chosen before if there is one."""
        pipe.set(_mode_key(thread), ThreadMode.AUTO, nx=True, ex=keys.THREAD_MODE_TTL_SECONDS)
        pipe.expire(_mode_key(thread), keys.THREAD_MODE_TTL_SECONDS)

    def set_mode(self, thread: Thread, mode: ThreadMode) -> None:
        """Take part in the way that somebody asked for."""
        self._redis.set(_mode_key(thread), mode, ex=keys.THREAD_MODE_TTL_SECONDS)


def _mode_key(thread: Thread) -> str:
    return keys.thread_mode(thread.team, thread.channel, thread.ts)
