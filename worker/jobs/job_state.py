"""What has been done for a job so far, written on its own hash, so that nothing is done twice."""

from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from contract import keys
from worker.jobs.leases import JOB_PREFIX, RECOVERY_COUNT, Fence, Lease

ANSWER_FACTS: Final = "starchat_answer_facts"
"""Field of the job hash: what is known of the saved answer besides its text, as JSON."""

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
    """A job's state as an earlier execution, or the bot, may have left it."""

    placeholder: str | None
    placeholder_owner: str | None
    answer: str | None
    answer_facts: str | None
    attempts: int
    recoveries: int
    outcome: str | None
    withdrawn: bool


class JobState:
    """Reads and writes the state of one job; every write proves the lease."""

    def __init__(self, connection: Redis, fence: Fence, lease: Lease) -> None:
        """`connection` decodes responses."""
        self._redis = connection
        self._fence = fence
        self._key = JOB_PREFIX + lease.job
        self.lease = lease

    async def load_progress(self) -> JobProgress:
        """Return what is written."""
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
        """Prove the lease before an outside effect. Raises `LeaseLostError`."""
        await self._fence.check_lease(self.lease)

    async def write_fields(self, **fields: str) -> None:
        """Write fields, named as in this module and `contract.keys`. Raises `LeaseLostError`."""
        await self._fence.write_fields(self.lease, fields)

    async def write_if_current(self, revision: str, **fields: str) -> None:
        """Write fields unless the person thought better of it. `LeaseLostError`, `EditedError`."""
        await self._fence.write_fields(self.lease, fields, revision)

    async def set_once(self, field: str, value: str) -> str:
        """Write a field once; returns what stands there now. Raises `LeaseLostError`."""
        return await self._fence.set_once(self.lease, field, value)

    async def read_field(self, field: str) -> str | None:
        """Return one field."""
        value = await self._redis.hget(self._key, field)
        return None if value is None else str(value)

    async def count_attempt(self) -> int:
        """Count an attempt: generation starts now. Returns how many that makes."""
        await self.check_lease()
        return int(await self._redis.hincrby(self._key, keys.ATTEMPTS, 1))
