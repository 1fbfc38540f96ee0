"""What has been done for a job so far, written on its own hash, so that nothing is done twice."""

from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from contract import keys
from worker.jobs.leases import JOB, RECOVERIES, Fence, Lease

COUNTS: Final = "starchat_counts"
"""Field of the job hash: what is known of the saved answer besides its text, as JSON."""

FIELDS: Final = (
    keys.PLACEHOLDER,
    keys.PLACEHOLDER_OWNER,
    keys.ANSWER,
    COUNTS,
    keys.ATTEMPTS,
    RECOVERIES,
    keys.OUTCOME,
    keys.WITHDRAWN,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A job's state as an earlier execution, or the bot, may have left it."""

    placeholder: str | None
    posting: str | None
    answer: str | None
    counts: str | None
    attempts: int
    recoveries: int
    posted: str | None
    withdrawn: bool


class Ledger:
    """Reads and writes the state of one job; every write proves the lease."""

    def __init__(self, connection: Redis, fence: Fence, lease: Lease) -> None:
        """`connection` decodes responses."""
        self._redis = connection
        self._fence = fence
        self._key = JOB + lease.job
        self.lease = lease

    async def read(self) -> Entry:
        """Return what is written."""
        values = await self._redis.hmget(self._key, list(FIELDS))
        found = [None if value is None else str(value) for value in values]
        placeholder, posting, answer, counts, attempts, recoveries, posted, withdrawn = found
        return Entry(
            placeholder or None,
            posting,
            answer,
            counts,
            int(attempts or 0),
            int(recoveries or 0),
            posted,
            withdrawn is not None,
        )

    async def check(self) -> None:
        """Prove the lease before an outside effect. Raises `LeaseLostError`."""
        await self._fence.check(self.lease)

    async def write(self, **fields: str) -> None:
        """Write fields, named as in this module and `contract.keys`. Raises `LeaseLostError`."""
        await self._fence.note(self.lease, fields)

    async def conclude(self, revision: str, **fields: str) -> None:
        """Write fields unless the person thought better of it. `LeaseLostError`, `EditedError`."""
        await self._fence.note(self.lease, fields, revision)

    async def settle(self, field: str, value: str) -> str:
        """Write a field once; returns what stands there now. Raises `LeaseLostError`."""
        return await self._fence.settle(self.lease, field, value)

    async def value(self, field: str) -> str | None:
        """Return one field."""
        found = await self._redis.hget(self._key, field)
        return None if found is None else str(found)

    async def charge(self) -> int:
        """Count an attempt: generation starts now. Returns how many that makes."""
        await self.check()
        return int(await self._redis.hincrby(self._key, keys.ATTEMPTS, 1))
