"""Thread modes: how the bot participates in each thread. They hold no text."""

from itertools import groupby
from typing import Final

from redis import Redis

from bot.messages.admission import ThreadMode
from bot.store.client import decode_reply
from contract import keys
from contract.job import Thread

KEYS_PER_SCAN: Final = 500
"""Keys of one SCAN step."""
MODES_BY_VALUE: Final = {mode.value: mode for mode in ThreadMode}


class ThreadModes:
    """Store of thread modes. Methods raise `redis.exceptions.RedisError`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def get_mode(self, thread: Thread) -> ThreadMode | None:
        """Return the mode of a thread; `None` if the bot does not participate."""
        found = self._redis.get(_mode_key(thread))
        return MODES_BY_VALUE.get(decode_reply(found)) if found else None

    def list_recent_threads(self, team: str, max_threads: int) -> dict[str, tuple[str, ...]]:
        """Return the most recently used threads: channel to root `ts`."""
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
        by_channel = groupby(addresses, key=lambda address: address[0])
        return {channel: tuple(ts for _, ts in group) for channel, group in by_channel}

    def join_thread(self, thread: Thread) -> None:
        """Participate in a thread: automatically unless it has a mode, for another 30 days."""
        people = keys.thread_people(thread.team, thread.channel, thread.ts)
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.set(_mode_key(thread), ThreadMode.AUTO, nx=True, ex=keys.THREAD_MODE_TTL_SECONDS)
            pipe.expire(_mode_key(thread), keys.THREAD_MODE_TTL_SECONDS)
            pipe.expire(people, keys.THREAD_MODE_TTL_SECONDS)
            pipe.execute()

    def set_mode(self, thread: Thread, mode: ThreadMode) -> None:
        """Set the mode that a person chose."""
        self._redis.set(_mode_key(thread), mode, ex=keys.THREAD_MODE_TTL_SECONDS)


def _mode_key(thread: Thread) -> str:
    return keys.thread_mode(thread.team, thread.channel, thread.ts)
