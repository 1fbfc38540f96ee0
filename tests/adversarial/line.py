"""Puts queue entries before the worker's real intake from Redis, and says what becomes of them."""

from collections.abc import Sequence
from typing import Any, cast

import redis

from contract import keys
from tests.adversarial.case import Case, End, Entry
from worker.jobs.leases import INTERMEDIATE, JOB, QUEUE_KEY
from worker.jobs.rq_worker import ASIDE, RqWorker


class Line:
    """The queue as somebody with a hand in Redis finds it, and a worker at its end."""

    def __init__(self, client: redis.Redis, worker: RqWorker) -> None:
        self._client = client
        self._worker = worker

    def put(self, cases: Sequence[Case]) -> None:
        """Put all entries on the queue, in order."""
        for case in cases:
            entry = case.content
            assert isinstance(entry, Entry)
            if entry.fields:
                self._client.hset(JOB + str(entry.job), mapping=cast("Any", dict(entry.fields)))
            self._client.rpush(QUEUE_KEY, entry.job)

    def take(self) -> tuple[End, list[str]]:
        """Take the next entry to its end; returns that, and what is wrong with it."""
        job = self._worker.dequeue()
        assert job is not None
        try:
            taken = self._worker.begin(job)
        except redis.ResponseError:
            # What the intake does: the entry is no job's, and the next one follows.
            return End.IGNORE, self._left(job)
        if taken is not None:
            self._worker.let_go(job)
            self._worker.succeed(taken, "answered")
            return End.ANSWER, self._left(job)
        if self._client.zscore(ASIDE, job) is None:
            return End.IGNORE, self._left(job)
        return End.PARK, self._left(job) + self._parked(job)

    def _left(self, job: str) -> list[str]:
        held = self._client.lrange(INTERMEDIATE, 0, -1)
        ours = job.encode() in held or (job and self._client.exists(keys.lease(job)))
        return ["still held"] if ours else []

    def _parked(self, job: str) -> list[str]:
        faults = []
        if self._client.hget(JOB + job, "status") != b"failed":
            faults.append("parked, but not failed")
        if not 0 < int(str(self._client.ttl(JOB + job))) <= keys.TEXT_TTL:
            faults.append("parked for ever")
        return faults
