"""How the bot takes part in a thread, for as long as Redis remembers it; no text is kept here."""

from itertools import groupby
from typing import Final

from redis import Redis
from redis.client import Pipeline

from bot.messages.admission import Mode
from bot.store.client import text
from contract import keys
from contract.job import Thread

BATCH: Final = 500
"""Keys that are looked at in one step."""
KNOWN: Final = {mode.value: mode for mode in Mode}


class Sessions:
    """Reads and writes the mode of threads. Raises `redis.exceptions.RedisError`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def mode(self, thread: Thread) -> Mode | None:
        """Return how the bot takes part in a thread; `None` if it does not."""
        found = self._redis.get(_key(thread))
        return KNOWN.get(text(found)) if found else None

    def latest(self, team: str, most: int) -> dict[str, tuple[str, ...]]:
        """Return the threads in which the bot took part last, their `ts` by channel."""
        found = [
            text(key) for key in self._redis.scan_iter(keys.thread_mode(team, "*", "*"), BATCH)
        ]
        with self._redis.pipeline(transaction=False) as pipe:
            for key in found:
                pipe.ttl(key)
            left = pipe.execute()
        newest = sorted(zip(left, found, strict=True), reverse=True)[:most]
        places = sorted(key.rsplit(":", 2)[1:] for _, key in newest)
        by_channel = groupby(places, key=lambda place: place[0])
        return {channel: tuple(ts for _, ts in group) for channel, group in by_channel}

    @staticmethod
    def join(thread: Thread, pipe: Pipeline) -> None:
        """Take part from now on, in the mode that was chosen before if there is one."""
        pipe.set(_key(thread), Mode.AUTO, nx=True, ex=keys.THREAD_MODE_TTL_SECONDS)
        pipe.expire(_key(thread), keys.THREAD_MODE_TTL_SECONDS)

    def choose(self, thread: Thread, mode: Mode) -> None:
        """Take part in the way that somebody asked for."""
        self._redis.set(_key(thread), mode, ex=keys.THREAD_MODE_TTL_SECONDS)


def _key(thread: Thread) -> str:
    return keys.thread_mode(thread.team, thread.channel, thread.ts)
