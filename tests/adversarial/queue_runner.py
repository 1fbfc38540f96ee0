"""Queue runner: passes queue entries through the worker's real dequeue code and classifies them."""

from collections.abc import Sequence
from typing import Any, cast

import redis

from contract import keys
from tests.adversarial.case import Case, CaseOutcome, QueueEntry
from worker.jobs.leases import INTERMEDIATE_QUEUE, JOB_PREFIX, QUEUE_KEY
from worker.jobs.rq_worker import QUARANTINE, RqWorker


class QueueRunner:
    """A queue in Redis with direct access for the test, and one worker."""

    def __init__(self, client: redis.Redis, worker: RqWorker) -> None:
        self._client = client
        self._worker = worker

    def push_entries(self, cases: Sequence[Case]) -> None:
        """Push all entries onto the queue, in order."""
        for case in cases:
            entry = case.content
            assert isinstance(entry, QueueEntry)
            if entry.fields:
                self._client.hset(
                    JOB_PREFIX + str(entry.job_id), mapping=cast("Any", dict(entry.fields))
                )
            self._client.rpush(QUEUE_KEY, entry.job_id)

    def process_next(self) -> tuple[CaseOutcome, list[str]]:
        """Process the next entry; return its outcome and the violations found."""
        job = self._worker.dequeue_job_id()
        assert job is not None
        try:
            job_data = self._worker.claim_job(job)
        except redis.ResponseError:
            # As in the worker: the entry belongs to no job, and the next one follows.
            return CaseOutcome.IGNORE, self._check_released(job)
        if job_data is not None:
            self._worker.release_quota(job)
            self._worker.record_success(job_data, "answered")
            return CaseOutcome.ANSWER, self._check_released(job)
        if self._client.zscore(QUARANTINE, job) is None:
            return CaseOutcome.IGNORE, self._check_released(job)
        return CaseOutcome.QUARANTINE, self._check_released(job) + self._check_quarantined(job)

    def _check_released(self, job: str) -> list[str]:
        claimed = self._client.lrange(INTERMEDIATE_QUEUE, 0, -1)
        is_held = job.encode() in claimed or (job and self._client.exists(keys.job_lease(job)))
        return ["still held"] if is_held else []

    def _check_quarantined(self, job: str) -> list[str]:
        violations = []
        if self._client.hget(JOB_PREFIX + job, "status") != b"failed":
            violations.append("quarantined, but not failed")
        if not 0 < int(str(self._client.ttl(JOB_PREFIX + job))) <= keys.TEXT_TTL_SECONDS:
            violations.append("quarantined without expiry")
        return violations
