"""Stops of jobs in Redis: who stopped each, and a schedule until a bot has seen its end."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from redis import Redis
from rq.command import send_command
from rq.job import Job as RqJob

from bot.store.client import decode_reply, read_clock
from bot.store.job_queue import JobQueue
from bot.store.received import ReceivedMessage, decode_unread_question
from bot.store.scripts import load_script
from contract import keys
from contract.job import SLACK_ID_PATTERN, TIMESTAMP_PATTERN, Thread
from contract.scripts import STOP
from contract.stop import StopRecord

FOLLOW_UP_SECONDS: Final = 2
"""Seconds after which any bot looks whether a stopped job has ended."""
MAX_DUE_STOPS: Final = 1000
"""Stopped jobs of one look at the schedule."""
OPEN_STATUSES: Final = frozenset({"queued", "deferred", "started"})
"""RQ's statuses of jobs that have not ended."""
JOB_ID: Final = re.compile(r"([A-Za-z0-9]+)-([A-Za-z0-9]+)-([0-9]+-[0-9]+)")
COUNT: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
THREAD_QUEUE: Final = re.compile(r"starchat:[A-Za-z0-9]+:thread_queue:[A-Za-z0-9]+:([0-9.]+)")
USER_QUOTA: Final = re.compile(r"starchat:[A-Za-z0-9]+:user_quota:([A-Za-z0-9]+)")


class StopOutcome(StrEnum):
    """Outcome of a stop."""

    GONE = "gone"
    """The question was deleted, or is too old."""
    ENDED = "ended"
    """The answer is written already: the stop changes nothing."""
    RUNNING = "running"
    """A worker runs the job and will end it."""
    STOPPED = "stopped"
    """The job has left the line and never runs."""


@dataclass(frozen=True, slots=True)
class StoppableJob:
    """
    A job that a person may want to stop. `asked_at` is Slack's time of the question.

    `charged_user` is the person whose quota counts it: a colleague of `user`, who asked, may have
    pressed the button that made it.
    """

    id: str
    thread: Thread
    ts: str
    user: str
    charged_user: str
    asked_at: str
    is_open: bool

    def is_from(self, user: str) -> bool:
        """Return whether a user asked the question, or for this work on its reply."""
        return user in {self.user, self.charged_user}


@dataclass(frozen=True, slots=True)
class StoppedJob:
    """What is known about the message of a stopped job."""

    job: StoppableJob
    record: StopRecord
    placeholder: str | None
    """`ts` of the message that shows the job's state."""
    owner: str | None
    """The process that posts, or has posted, that message."""
    has_run: bool
    tries: int


class Stops:
    """Stops of one team's jobs. Methods raise `redis.exceptions.RedisError`."""

    def __init__(self, redis: Redis, team: str, queue: JobQueue) -> None:
        self._redis = redis
        self._team = team
        self.queue = queue
        self._schedule = keys.stop_schedule(team)
        self._stop_script = redis.register_script(STOP)
        self._mark_script = redis.register_script(load_script("mark_stops"))

    def find_job(self, job: str) -> StoppableJob | None:
        """Return the job of a question; `None` if Redis has none, or it may be no question."""
        return self._read_jobs([job])[0]

    def find_by_reply(self, channel: str, ts: str) -> StoppableJob | None:
        """Return the open job whose reply, or placeholder, is the message at `ts`."""
        jobs = self._list_channel(channel)
        with self._redis.pipeline(transaction=False) as pipe:
            for job in jobs:
                pipe.hget(RqJob.key_for(job), keys.PLACEHOLDER)
            found = pipe.execute(raise_on_error=False)
        matching = [
            job
            for job, placeholder in zip(jobs, found, strict=True)
            if isinstance(placeholder, bytes | str) and _decode_text(placeholder) == ts
        ]
        return self.find_job(matching[0]) if matching else None

    def list_open_jobs(self, thread: Thread, *, in_channel: bool = False) -> list[StoppableJob]:
        """Return the open jobs of a thread, or of its whole channel."""
        if in_channel:
            jobs = self._list_channel(thread.channel)
        else:
            thread_queue = keys.thread_queue(thread.team, thread.channel, thread.ts)
            jobs = [decode_reply(job) for job in self._redis.lrange(thread_queue, 0, -1)]
        return [job for job in self._read_jobs(jobs) if job is not None and job.is_open]

    def mark_stops(
        self, jobs: Iterable[StoppableJob], record: StopRecord, channel: str, ts: str
    ) -> None:
        """Record who stops several jobs, and that the message at `ts` is handled with that."""
        ids = [job.id for job in jobs]
        marker = keys.idempotency_key(self._team, channel, ts)
        self._mark_script(
            keys=[marker, self._schedule, *map(RqJob.key_for, ids)],
            args=[keys.IDEMPOTENCY_TTL_SECONDS, record.to_json(), keys.QUEUE_TTL_SECONDS, *ids],
        )

    def stop_job(self, job: StoppableJob, record: StopRecord) -> StopOutcome:
        """Record who stops a job; a waiting one leaves the line at once."""
        return self._run_stop_script(job.id, record.to_json())

    def continue_stop(self, job: str) -> StopOutcome:
        """Follow up an earlier stop: a job that waits again leaves the line."""
        return self._run_stop_script(job, "")

    def send_command(self, job: str) -> None:
        """Tell the worker that runs a job to stop it. A worker that starts it reads the record."""
        worker = self._redis.hget(RqJob.key_for(job), "worker_name")
        if worker:
            send_command(self._redis, decode_reply(worker), keys.STOP_COMMAND, job_id=job)

    def list_due(self) -> list[str]:
        """Return the ids of the stopped jobs to follow up now."""
        now = read_clock(self._redis)
        found: Any = self._redis.zrangebyscore(self._schedule, "-inf", now, 0, MAX_DUE_STOPS)
        return [decode_reply(job) for job in found]

    def postpone(self, job: str, seconds: float) -> None:
        """Follow a stop up in `seconds`."""
        due = read_clock(self._redis) + seconds
        self._redis.zadd(self._schedule, {job: due}, xx=True)

    def remove(self, job: str) -> None:
        """Follow a stop up no more."""
        self._redis.zrem(self._schedule, job)

    def read_stopped(self, job: str) -> StoppedJob | None:
        """Return a stopped job; `None` if it is gone or malformed."""
        names = [keys.STOPPED_BY, keys.PLACEHOLDER, keys.PLACEHOLDER_OWNER, keys.STOP_TRIES]
        found = self.find_job(job)
        values = self._redis.hmget(RqJob.key_for(job), [*names, keys.ATTEMPTS, "worker_name"])
        record, placeholder, owner, tries, attempts, worker = map(_decode_text, values)
        is_posted = re.fullmatch(TIMESTAMP_PATTERN, placeholder)
        if found is None or not record:
            return None
        return StoppedJob(
            found,
            StopRecord.from_json(record),
            placeholder if is_posted else None,
            owner or None,
            has_run=bool(attempts or worker),
            tries=int(tries) if COUNT.fullmatch(tries) else 0,
        )

    def count_try(self, job: str) -> None:
        """Count that the end of a stopped job could not be shown."""
        self._redis.hincrby(RqJob.key_for(job), keys.STOP_TRIES, 1)

    def release_owner(self, job: str) -> None:
        """Forget which process posts the message of a job: nothing was posted."""
        self._redis.hdel(RqJob.key_for(job), keys.PLACEHOLDER_OWNER)

    def _run_stop_script(self, job: str, record: str) -> StopOutcome:
        outcome = self._stop_script(
            keys=[
                keys.PENDING_JOBS,
                RqJob.key_for(job),
                self.queue.rq_queue_key,
                self.queue.deferred_key,
                keys.inbox(self._team),
                self._schedule,
            ],
            args=[
                job,
                RqJob.redis_job_namespace_prefix,
                keys.QUEUE_TTL_SECONDS,
                record,
                FOLLOW_UP_SECONDS,
            ],
        )
        return StopOutcome(decode_reply(outcome))

    def _list_channel(self, channel: str) -> list[str]:
        prefix = f"{self._team}-{channel}-"
        return [job for job in self.queue.list_open_jobs(self._team) if job.startswith(prefix)]

    def _read_jobs(self, jobs: list[str]) -> list[StoppableJob | None]:
        names = ["status", "starchat_thread_queue", "starchat_user_quota", "starchat_asked_at"]
        with self._redis.pipeline(transaction=False) as pipe:
            for job in jobs:
                pipe.hmget(RqJob.key_for(job), [*names, keys.OUTCOME, keys.ASKER, keys.RECEIVED])
            found = pipe.execute(raise_on_error=False)
        return [_parse_job(job, fields) for job, fields in zip(jobs, found, strict=True)]


def _parse_job(job: str, fields: object) -> StoppableJob | None:
    """Return a job from its hash, which anything may have changed."""
    address = JOB_ID.fullmatch(job)
    if address is None or not isinstance(fields, list) or None in fields[:3]:
        return None
    received = None if fields[6] is None else decode_unread_question(fields[6])
    if isinstance(received, ReceivedMessage) and received.is_undecided:
        return None
    status, thread_queue, quota, asked_at, outcome, asker = map(_decode_text, fields[:6])
    thread_ts, user = THREAD_QUEUE.fullmatch(thread_queue), USER_QUOTA.fullmatch(quota)
    ts = address[3].replace("-", ".")
    if thread_ts is None or user is None or not re.fullmatch(TIMESTAMP_PATTERN, thread_ts[1]):
        return None
    return StoppableJob(
        id=job,
        thread=Thread(team=address[1], channel=address[2], ts=thread_ts[1]),
        ts=ts,
        user=asker if re.fullmatch(SLACK_ID_PATTERN, asker) else user[1],
        charged_user=user[1],
        asked_at=asked_at if re.fullmatch(TIMESTAMP_PATTERN, asked_at) else ts,
        is_open=status in OPEN_STATUSES and not outcome,
    )


def _decode_text(value: bytes | str | None) -> str:
    """Return a field of a hash as text; empty if it is missing."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value or ""
