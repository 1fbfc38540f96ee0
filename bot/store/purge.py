"""Drops what the bot and the workers keep of a thread, a channel or a whole team."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from redis import Redis
from rq.command import send_command
from rq.job import Job as RqJob

from bot.store.client import text
from contract import keys
from contract.job import Thread

BATCH: Final = 500
"""Keys that are looked at, or dropped, in one step, so that nobody else waits long for Redis."""
MOST: Final = 200_000
"""Keys that one request may drop; the others leave by their own time."""


class Forgetting:
    """Removes our keys. Raises `redis.exceptions.RedisError`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def thread(self, thread: Thread) -> None:
        """Drop the copy of a thread and the answers given in it."""
        place = (thread.team, thread.channel, thread.ts)
        self._redis.unlink(keys.thread_cache(*place), keys.answer_cache(*place))
        self._tell_workers(thread.team)

    def channel(self, team: str, channel: str) -> int:
        """Drop what is kept of a channel, and the texts of its finished jobs; count the threads."""
        copies = list(self._found(keys.thread_cache(team, channel, "*")))
        self._drop(copies)
        self._drop(self._found(keys.answer_cache(team, channel, "*")))
        self._drop(self._finished(f"{RqJob.redis_job_namespace_prefix}{team}-{channel}-*"))
        self._tell_workers(team)
        return len(copies)

    def copies(self, team: str) -> int:
        """Drop the copies of all threads of a team: they are read again when they are needed."""
        return self._drop(self._found(keys.thread_cache(team, "*", "*")))

    def team(self, team: str) -> int:
        """Drop everything of a team, also what is still waiting; return how many keys that were."""
        jobs = f"{RqJob.redis_job_namespace_prefix}{team}-*"
        waiting = [job for job in self._pending() if job.startswith(f"{team}-")]
        for batch in _batches(waiting):
            self._redis.zrem(keys.PENDING_JOBS, *batch)
        self._tell_workers(team)
        return self._drop(self._found(f"starchat:{team}:*")) + self._drop(self._found(jobs))

    def _tell_workers(self, team: str) -> None:
        """Let engines wipe the past of a team's prompts; they keep it by team, not by thread."""
        for worker in self._redis.hkeys(keys.WORKER_STATUSES):
            send_command(self._redis, text(worker), keys.FORGET_COMMAND, team=team)

    def _finished(self, pattern: str) -> Iterator[str]:
        pending = {RqJob.key_for(job) for job in self._pending()}
        return (key for key in self._found(pattern) if key not in pending)

    def _pending(self) -> list[str]:
        return [
            text(job)
            for job in self._redis.zrange(keys.PENDING_JOBS, 0, -1)
            if isinstance(job, bytes | str)
        ]

    def _found(self, pattern: str) -> Iterator[str]:
        return (text(key) for key in self._redis.scan_iter(pattern, count=BATCH))

    def _drop(self, found: Iterable[str]) -> int:
        dropped = 0
        for batch in _batches(islice(found, MOST)):
            dropped += int(self._redis.unlink(*batch))
        return dropped


def _batches(found: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(found)
    while batch := list(islice(rest, BATCH)):
        yield batch
