"""Purge: deletes the cached data of a thread, a channel or a team from Redis."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from redis import Redis
from rq.command import send_command
from rq.job import Job as RqJob

from bot.store.client import decode_reply
from contract import keys
from contract.job import Thread

KEYS_PER_BATCH: Final = 500
"""Keys of one command: a small batch does not block Redis for other clients."""
MAX_KEYS_PER_PURGE: Final = 200_000
"""Keys deleted by one request; the rest expires by its TTL."""


class Purge:
    """Deletion of StarChat's keys. Methods raise `redis.exceptions.RedisError`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def drop_thread(self, thread: Thread) -> None:
        """Delete a thread's copy and its cached answers."""
        address = (thread.team, thread.channel, thread.ts)
        self._redis.unlink(keys.thread_cache(*address), keys.answer_cache(*address))
        self._notify_workers(thread.team)

    def drop_channel(self, team: str, channel: str) -> int:
        """Delete a channel's cached data and finished jobs; return the number of threads."""
        copies = list(self._scan_keys(keys.thread_cache(team, channel, "*")))
        self._unlink_keys(copies)
        self._unlink_keys(self._scan_keys(keys.answer_cache(team, channel, "*")))
        self._unlink_keys(
            self._find_finished_jobs(f"{RqJob.redis_job_namespace_prefix}{team}-{channel}-*")
        )
        self._notify_workers(team)
        return len(copies)

    def drop_copies(self, team: str) -> int:
        """Delete all cached threads of a team; return their number."""
        return self._unlink_keys(self._scan_keys(keys.thread_cache(team, "*", "*")))

    def drop_team(self, team: str) -> int:
        """Delete all data of a team, waiting jobs included; return the number of keys."""
        jobs = f"{RqJob.redis_job_namespace_prefix}{team}-*"
        waiting = [job for job in self._list_pending_jobs() if job.startswith(f"{team}-")]
        for batch in _split_batches(waiting):
            self._redis.zrem(keys.PENDING_JOBS, *batch)
        self._notify_workers(team)
        return self._unlink_keys(self._scan_keys(f"starchat:{team}:*")) + self._unlink_keys(
            self._scan_keys(jobs)
        )

    def _notify_workers(self, team: str) -> None:
        """Tell the workers to wipe a team's prefix cache, which has no finer scope."""
        for worker in self._redis.hkeys(keys.WORKER_STATUSES):
            send_command(self._redis, decode_reply(worker), keys.FORGET_COMMAND, team=team)

    def _find_finished_jobs(self, pattern: str) -> Iterator[str]:
        pending = {RqJob.key_for(job) for job in self._list_pending_jobs()}
        return (key for key in self._scan_keys(pattern) if key not in pending)

    def _list_pending_jobs(self) -> list[str]:
        return [
            decode_reply(job)
            for job in self._redis.zrange(keys.PENDING_JOBS, 0, -1)
            if isinstance(job, bytes | str)
        ]

    def _scan_keys(self, pattern: str) -> Iterator[str]:
        return (decode_reply(key) for key in self._redis.scan_iter(pattern, count=KEYS_PER_BATCH))

    def _unlink_keys(self, found_keys: Iterable[str]) -> int:
        num_dropped = 0
        for batch in _split_batches(islice(found_keys, MAX_KEYS_PER_PURGE)):
            num_dropped += int(self._redis.unlink(*batch))
        return num_dropped


def _split_batches(items: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(items)
    while batch := list(islice(rest, KEYS_PER_BATCH)):
        yield batch
