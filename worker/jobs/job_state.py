"""
Durable job state in Redis, on the job's own hash.

It makes retries idempotent: each step is recorded before the next one starts, so that a later
execution repeats no side effect. Every write carries the fencing token of its lease.
"""

from dataclasses import dataclass
from typing import Final

from contract import keys
from contract.job import Job
from contract.stop import StopRecord
from contract.usage import name_wait_field
from worker import scripts
from worker.errors import EditedError, LeaseLostError
from worker.jobs.job_context import Outcome
from worker.jobs.leases import RECOVERY_COUNT, Fence

MAX_COUNT_DIGITS: Final = 9
EXHAUSTED_COUNT: Final = 10**9
"""Count that exceeds every maximum."""
ANSWER_RECOVERIES: Final = "starchat_answer_recoveries"
"""Field of the job hash: number of recoveries when the answer was saved."""
LAYOUT_KIND: Final = "starchat_layout"
"""Field of the job hash: how the saved answer is laid out, written before its first post."""

PROGRESS_FIELDS: Final = (
    keys.PLACEHOLDER,
    keys.PLACEHOLDER_OWNER,
    keys.ANSWER,
    keys.ANSWER_FACTS,
    keys.ANSWER_DETAILS,
    keys.ANSWER_IDS,
    ANSWER_RECOVERIES,
    LAYOUT_KIND,
    keys.ATTEMPTS,
    RECOVERY_COUNT,
    keys.OUTCOME,
    keys.WITHDRAWN,
    keys.STOPPED_BY,
)


@dataclass(frozen=True, slots=True)
class GenerationUsage:
    """
    What one generation used of the engine (ms), and how long its question had waited (ms).

    `is_shared` is whether it has tokens for which another reply's execution is charged.
    """

    gpu_ms: int
    wait_ms: int
    is_shared: bool = False


@dataclass(frozen=True, slots=True)
class JobProgress:
    """Snapshot of the steps that earlier executions, or the bot, have recorded."""

    placeholder: str | None
    placeholder_owner: str | None
    answer: str | None
    answer_facts: str | None
    answer_recoveries: int
    layout_kind: str | None
    attempts: int
    recoveries: int
    outcome: str | None
    withdrawn: bool
    answer_details: str | None = None
    answer_ids: str | None = None
    is_stopped: bool = False
    """Whether a person has stopped the job: it generates no more."""

    @property
    def has_run(self) -> bool:
        """Whether an earlier execution may have shown text."""
        return bool(self.placeholder and (self.attempts or self.recoveries))

    @property
    def is_interrupted(self) -> bool:
        """Whether the job may generate no more: it was stopped, or its question was deleted."""
        return self.withdrawn or self.is_stopped

    @property
    def recoveries_with_answer(self) -> int:
        """Number of executions that have died since the answer was saved."""
        return self.recoveries - self.answer_recoveries if self.answer is not None else 0


def parse_count(field: str | None, invalid: int = EXHAUSTED_COUNT) -> int:
    """
    Return a count of the job hash, which anything may have changed.

    An `invalid` one counts as exhausted: the job then ends with an error instead of a loop.
    """
    if field is None:
        return 0
    is_count = field.isascii() and field.isdigit() and len(field) <= MAX_COUNT_DIGITS
    return int(field) if is_count else invalid


class JobState(Fence):
    """State of one job. Every write requires the lease."""

    async def load_progress(self) -> JobProgress:
        """Read all progress fields."""
        values = await self._redis.hmget(self._key, list(PROGRESS_FIELDS))
        fields = {
            field: None if value is None else str(value)
            for field, value in zip(PROGRESS_FIELDS, values, strict=True)
        }
        outcome = fields[keys.OUTCOME]
        return JobProgress(
            placeholder=fields[keys.PLACEHOLDER] or None,
            placeholder_owner=fields[keys.PLACEHOLDER_OWNER],
            answer=fields[keys.ANSWER],
            answer_facts=fields[keys.ANSWER_FACTS],
            answer_details=fields[keys.ANSWER_DETAILS],
            answer_ids=fields[keys.ANSWER_IDS],
            answer_recoveries=parse_count(fields[ANSWER_RECOVERIES], invalid=0),
            layout_kind=fields[LAYOUT_KIND],
            attempts=parse_count(fields[keys.ATTEMPTS]),
            recoveries=parse_count(fields[RECOVERY_COUNT]),
            outcome=outcome if outcome in set(Outcome) else None,
            withdrawn=fields[keys.WITHDRAWN] is not None,
            is_stopped=fields[keys.STOPPED_BY] is not None,
        )

    async def read_field(self, field: str) -> str | None:
        """Read one field."""
        value = await self._redis.hget(self._key, field)
        return None if value is None else str(value)

    async def read_fields(self, prefix: str) -> dict[str, str]:
        """Read the fields whose names begin with `prefix`."""
        # Not all fields at once: the job's data is no text.
        names = [str(name) for name in await self._redis.hkeys(self._key)]
        chosen = [name for name in names if name.startswith(prefix)]
        values = await self._redis.hmget(self._key, chosen) if chosen else []
        return {name: str(value or "") for name, value in zip(chosen, values, strict=True)}

    async def save_answer(
        self, job: Job, fields: dict[str, str], usage: GenerationUsage, revision: str = ""
    ) -> None:
        """
        Charge this execution for its generation, once, and save the answer in `fields`.

        Its question then is among those of its user, without its text. Without fields, the
        execution is only charged. Raises what `write_fields` raises; an edited question's
        generation is charged too.
        """
        thread = job.thread
        shared_keys = (
            keys.user_usage(thread.team, job.charged_user),
            keys.channel_usage(thread.team, thread.channel),
            keys.team_usage(thread.team),
            keys.user_questions(thread.team, job.user),
            keys.channel_questions(thread.team, thread.channel),
        )
        save = self._redis.register_script(scripts.SAVE_ANSWER)
        amounts = (usage.gpu_ms, name_wait_field(usage.wait_ms))
        is_shared = "1" if usage.is_shared else ""
        members = (f"{thread.channel}:{thread.ts}:{job.ts}", f"{thread.ts}:{job.ts}:{job.user}")
        parts = (part for pair in fields.items() for part in pair)
        result = int(
            await save(
                keys=[*self._lease_keys, self._key, *shared_keys],
                args=[*self._token, revision, *amounts, job.ts, *members, is_shared, *parts],
            )
        )
        if not result:
            raise LeaseLostError
        if fields and result < 0:
            raise EditedError

    async def read_stop(self) -> StopRecord | None:
        """Read who stopped the job; `None` if no person did."""
        record = await self.read_field(keys.STOPPED_BY)
        return None if record is None else StopRecord.from_json(record)

    async def count_attempt(self) -> int:
        """
        Count an attempt, right before generation starts; return its number, from 1.

        Raises `LeaseLostError` if the lease is lost or the job is deleted.
        """
        await self.check_lease()
        count = self._redis.register_script(scripts.COUNT_ATTEMPT)
        number = int(await count(keys=[self._key], args=[keys.ATTEMPTS]))
        if not number:
            raise LeaseLostError
        return number
