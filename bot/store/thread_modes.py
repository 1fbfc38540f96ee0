"""Thread modes: how the bot participates in each thread. They hold no text."""

from itertools import groupby
from typing import Final

from redis import Redis

from bot.messages.admission import ThreadMode
from bot.store.client import decode_reply
from bot.store.scripts import ScriptCall, load_script
from contract import keys
from contract.job import Thread

KEYS_PER_SCAN: Final = 500
"""Keys of one SCAN step."""


class ThreadModes:
    """Store of thread modes. Methods raise `redis.exceptions.RedisError`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._join_script = redis.register_script(load_script("join_thread"))

    def get_mode(self, thread: Thread, ts: str) -> ThreadMode | None:
        """Return the mode of a thread for a message; `None` if the bot joined later, or never."""
        mode, joined_at = self._redis.mget(_mode_key(thread), _joined_key(thread))
        if mode is None or _parse_time(joined_at) > float(ts):
            return None
        try:
            return ThreadMode(decode_reply(mode))
        except ValueError:
            return None

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

    def join_thread(self, thread: Thread, ts: str, mode: ThreadMode | None = None) -> None:
        """
        Participate in a thread for another 30 days, from the message at `ts` or an earlier one.

        Without a `mode` that a person chose, a thread keeps its mode, or gets the automatic one.
        """
        call = build_join_call(thread, ts, mode)
        self._join_script(keys=call.keys, args=call.args)


def build_join_call(thread: Thread, ts: str, mode: ThreadMode | None = None) -> ScriptCall:
    """Return the call of `join_thread.lua` that `ThreadModes.join_thread` makes."""
    people = keys.thread_people(thread.team, thread.channel, thread.ts)
    return ScriptCall(
        [_mode_key(thread), _joined_key(thread), people],
        [keys.THREAD_MODE_TTL_SECONDS, ts, mode or ""],
    )


def _mode_key(thread: Thread) -> str:
    return keys.thread_mode(thread.team, thread.channel, thread.ts)


def _joined_key(thread: Thread) -> str:
    return keys.thread_joined(thread.team, thread.channel, thread.ts)


def _parse_time(found: bytes | str | None) -> float:
    """Return a stored time (s); 0 if it is missing or malformed."""
    try:
        return float(decode_reply(found or ""))
    except ValueError:
        return 0.0
