"""Puts another text into a job that waits or runs, where a person thought better of it."""

import zlib
from collections.abc import Callable
from enum import StrEnum
from typing import Final

import structlog
from redis import Redis
from rq.command import send_command
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer

from bot.store.client import decode_reply
from bot.store.job_queue import build_rq_job_hash
from contract import keys
from contract.job import MAX_DECOMPRESSED_BYTES, MAX_JOB_BYTES, Job, Thread

log = structlog.get_logger()

MAX_ATTEMPTS: Final = 8
"""How often a payload is made anew that somebody else has changed meanwhile."""

REPLACE_SCRIPT: Final = """
local found = redis.call('HMGET', KEYS[1], 'status', 'data', 'starchat_answer', 'starchat_outcome')
local status, data = found[1], found[2]
if not status then return 'gone' end
local waits = status == 'queued' or status == 'deferred'
if found[3] or found[4] or not (waits or status == 'started') then return 'answered' end
if status == 'started' and ARGV[3] ~= '1' then return 'running' end
if data ~= ARGV[1] then return 'moved' end
redis.call('HSET', KEYS[1], 'data', ARGV[2])
if waits then redis.call('HDEL', KEYS[1], 'starchat_attempts') end
redis.call('HINCRBY', KEYS[1], 'starchat_revision', 1)
return waits and 'updated' or 'restarted'
"""
"""
Replaces a payload that is still what the caller has read. One that somebody runs is replaced only
if asked for: the revision then keeps the answer to the old text from being saved.
"""

Rebuild = Callable[[Job], Job | None]


class UpdateOutcome(StrEnum):
    """What became of a new text."""

    UPDATED = "updated"
    """The job waits and holds it."""
    RESTARTED = "restarted"
    """Somebody runs the job, and will do so anew."""
    RUNNING = "running"
    """Somebody runs the job and was not to be disturbed."""
    ANSWERED = "answered"
    """It comes too late."""
    UNCHANGED = "same"
    """There is nothing to change."""
    GONE = "gone"
    """There is no such job, or no longer."""


class JobUpdates:
    """Changes jobs in their places. Raises `redis.exceptions.RedisError`."""

    def __init__(self, redis: Redis) -> None:
        """`redis` must not decode responses."""
        self._redis = redis
        self._replace_script = redis.register_script(REPLACE_SCRIPT)

    def list_unfinished_jobs(self, thread: Thread) -> list[str]:
        """Return the jobs of a thread that are not finished, in their order."""
        thread_queue = keys.thread_queue(thread.team, thread.channel, thread.ts)
        return [decode_reply(job) for job in self._redis.lrange(thread_queue, 0, -1)]

    def replace_payload(self, job: str, rebuild: Rebuild, *, restart: bool) -> UpdateOutcome:
        """
        Give a job the payload that `rebuild` makes of its present one, `None` for no other.

        With `restart` a job that somebody runs is changed too and begun anew.
        """
        for _ in range(MAX_ATTEMPTS):
            data = self._redis.hget(RqJob.key_for(job), "data")
            old = None if data is None else self._decode_job(job, data)
            if data is None or old is None:
                return UpdateOutcome.GONE
            new = rebuild(old)
            if new is None or new == old or len(new.to_json().encode()) > MAX_JOB_BYTES:
                return UpdateOutcome.UNCHANGED
            outcome = decode_reply(
                self._replace_script(
                    keys=[RqJob.key_for(job)],
                    args=[data, build_rq_job_hash(self._redis, new)["data"], int(restart)],
                )
            )
            if outcome != "moved":
                self._notify_worker(job, outcome)
                return UpdateOutcome(outcome)
        log.error("job not updated", job=job)
        return UpdateOutcome.UNCHANGED

    def _notify_worker(self, job: str, outcome: str) -> None:
        """Let the worker know; if it does not hear, it notices when it saves the answer."""
        log.info("job updated", job=job, outcome=outcome)
        if outcome != UpdateOutcome.RESTARTED:
            return
        worker = self._redis.hget(RqJob.key_for(job), "worker_name")
        if worker:
            send_command(self._redis, decode_reply(worker), keys.RESTART_COMMAND, job_id=job)

    def _decode_job(self, job: str, data: bytes | str) -> Job | None:
        rq = RqJob(job, connection=self._redis, serializer=JSONSerializer)
        try:
            packed = data if isinstance(data, bytes) else data.encode()
            # What unpacks to more than a job is cut, and then no JSON.
            rq.data = zlib.decompressobj().decompress(packed, MAX_DECOMPRESSED_BYTES)
            return Job.from_json(rq.args[0])
        except (zlib.error, ValueError, TypeError, LookupError):
            return None
