"""
File cache: the texts of a thread's files in Redis, for retries and follow-up questions.

A text expires as the other cached text of its thread does. It is deleted with its message or file.
"""

from collections.abc import Iterable
from typing import Final

from redis.asyncio import Redis

from contract import keys
from contract.attached_files import CachedFile
from contract.job import Job
from contract.scripts import SET_ASIDE
from worker import scripts
from worker.files.downloads import MAX_FILE_BYTES
from worker.jobs.leases import JOB_PREFIX

MAX_FILE_BYTES_PER_THREAD: Final = 8 * MAX_FILE_BYTES
"""Bytes of a thread's files as JSON; those of the oldest messages are dropped first."""


class FileCache:
    """File texts in Redis: per thread a hash from file id and message `ts` to JSON."""

    def __init__(self, connection: Redis) -> None:
        """`connection` must decode responses."""
        self._redis = connection
        self._store_script = connection.register_script(scripts.STORE_FILE)

    async def load_files(
        self, job: Job, shares: Iterable[tuple[str, str]]
    ) -> dict[str, CachedFile]:
        """Return the cached files by id; `shares` are file ids with the `ts` of their messages."""
        wanted = list(shares)
        if not wanted:
            return {}
        key = _cache_key(job)
        fields = [keys.file_field(file_id, ts) for file_id, ts in wanted]
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.eval(SET_ASIDE, 1, key, 0)
            pipeline.hmget(key, fields)
            _, entries = await pipeline.execute()
        return {
            file_id: file
            for (file_id, _), entry in zip(wanted, entries, strict=True)
            if (file := CachedFile.from_entry(entry)) is not None
        }

    async def store_file(self, job: Job, share: tuple[str, str], file: CachedFile) -> None:
        """Store a file of a job that still exists, unless its message was deleted."""
        thread = (job.thread.team, job.thread.channel, job.thread.ts)
        team = job.thread.team
        await self._store_script(
            keys=[
                _cache_key(job),
                JOB_PREFIX + job.id,
                keys.thread_cache(*thread),
                keys.text_index(team),
                keys.text_sizes(team),
            ],
            args=[
                keys.file_field(*share),
                share[1],
                file.model_dump_json(),
                keys.TEXT_TTL_SECONDS,
                MAX_FILE_BYTES_PER_THREAD,
                keys.MAX_TEXT_BYTES_PER_TEAM,
            ],
        )


def _cache_key(job: Job) -> str:
    return keys.file_cache(job.thread.team, job.thread.channel, job.thread.ts)
