"""
Durable job state in Redis, on the job's own hash.

It makes retries idempotent: each step is recorded before the next one starts, so that a later
execution repeats no side effect. Every write carries the fencing token of its lease.
"""

from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from contract import keys
from worker.jobs.leases import JOB_PREFIX, RECOVERY_COUNT, Fence, Lease

ANSWER_FACTS: Final = "starchat_answer_facts"
"""Field of the job hash: facts about the saved answer besides its text, as JSON."""

PROGRESS_FIELDS: Final = (
    keys.PLACEHOLDER,
    keys.PLACEHOLDER_OWNER,
    keys.ANSWER,
    ANSWER_FACTS,
    keys.ATTEMPTS,
    RECOVERY_COUNT,
    keys.OUTCOME,
    keys.WITHDRAWN,
)


@dataclass(frozen=True, slots=True)
class JobProgress:
    """Snapshot of the steps that earlier executions, or the bot, have recorded."""

    placeholder: str | None
    placeholder_owner: str | None
    answer: str | None
    answer_facts: str | None
    attempts: int
    recoveries: int
    outcome: str | None
    withdrawn: bool


class JobState:
    """State of one job. Every write requires the lease."""

    def __init__(self, connection: Redis, fence: Fence, lease: Lease) -> None:
        """`connection` must decode responses."""
        self._redis = connection
        self._fence = fence
        self._key = JOB_PREFIX + lease.job_id
        self.lease = lease

    async def load_progress(self) -> JobProgress:
        """Read all progress fields."""
        values = await self._redis.hmget(self._key, list(PROGRESS_FIELDS))
        fields = [None if value is None else str(value) for value in values]
        placeholder, owner, answer, answer_facts, attempts, recoveries, outcome, withdrawn = fields
        return JobProgress(
            placeholder or None,
            owner,
            answer,
            answer_facts,
            int(attempts or 0),
            int(recoveries or 0),
            outcome,
            withdrawn is not None,
        )

    async def check_lease(self) -> None:
        """Prove the lease before an outside effect. Raises `LeaseLostError` if it is lost."""
        await self._fence.check_lease(self.lease)

    async def write_fields(self, **fields: str) -> None:
        """
        Write fields, named as in this module and `contract.keys`.

        Raises `LeaseLostError` if the lease is lost.
        """
        await self._fence.write_fields(self.lease, fields)

    async def write_if_current(self, revision: str, **fields: str) -> None:
        """
        Write fields if `revision` is still the question's newest.

        Raises `EditedError` if it is not, and `LeaseLostError` if the lease is lost.
        """
        await self._fence.write_fields(self.lease, fields, revision)

    async def set_once(self, field: str, value: str) -> str:
        """
        Write a field if it is empty; return its value.

        Raises `LeaseLostError` if the lease is lost.
        """
        return await self._fence.set_once(self.lease, field, value)

    async def read_field(self, field: str) -> str | None:
        """Read one field."""
        value = await self._redis.hget(self._key, field)
        return None if value is None else str(value)

    async def count_attempt(self) -> int:
        """
        Count an attempt, right before generation starts; return its number, from 1.

        Raises `LeaseLostError` if the lease is lost.
        """
        await self.check_lease()
        return int(await self._redis.hincrby(self._key, keys.ATTEMPTS, 1))
