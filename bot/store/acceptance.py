"""Acceptance of a question: the script that enforces the limits and saves it, once."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

from redis import Redis
from rq import Queue
from rq.job import Job as RqJob

from bot.store.budgets import NO_BUDGETS, DailyBudgets
from bot.store.client import decode_reply
from bot.store.received import Received, received_job_id
from bot.store.scripts import ScriptCall, load_accept_script
from contract import keys
from contract.scripts import ACCEPT

UNDECIDED_LIMIT_FACTOR: Final = 2
"""Share of the limits up to which messages are accepted that may turn out to be no questions."""


class EnqueueOutcome(StrEnum):
    """Outcome of an attempt to enqueue a question."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    QUEUE_FULL = "queue_full"
    USER_QUOTA_EXCEEDED = "user_quota_exceeded"
    USER_BUDGET_EXCEEDED = "user_budget_exceeded"
    CHANNEL_BUDGET_EXCEEDED = "channel_budget_exceeded"


BUDGET_OUTCOMES: Final = frozenset(
    {EnqueueOutcome.USER_BUDGET_EXCEEDED, EnqueueOutcome.CHANNEL_BUDGET_EXCEEDED}
)
"""Outcomes for a question beyond a budget of the day."""
REFUSED_OUTCOMES: Final = BUDGET_OUTCOMES | {
    EnqueueOutcome.QUEUE_FULL,
    EnqueueOutcome.USER_QUOTA_EXCEEDED,
}
"""Outcomes for a question beyond a limit."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """
    Result of an enqueue: `position` counts the jobs ahead, `pending` all unfinished jobs.

    For a question beyond a budget, `position` is the budget's day, counted from 1970.
    """

    job_id: str
    outcome: EnqueueOutcome
    position: int
    pending: int


class FollowCalls(NamedTuple):
    """Calls of scripts that follow the thread of a question that was accepted."""

    join: ScriptCall
    seed: ScriptCall | None
    """Copies the thread, unless it may have messages that the bot has missed."""


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """
    Maximum numbers of pending jobs in all and per user, and of running jobs per user.

    `budgets` limit what the replies of a day use.
    """

    max_pending: int = 1000
    max_per_user: int = 8
    max_running_per_user: int = 4
    budgets: DailyBudgets = NO_BUDGETS


class Acceptance:
    """Runs the script that accepts questions."""

    def __init__(self, redis: Redis, rq_queue_key: str, deferred_key: str) -> None:
        """The keys are those of RQ's queue and of its registry of deferred jobs."""
        self._rq_queue_key = rq_queue_key
        self._deferred_key = deferred_key
        self._accept_script = redis.register_script(ACCEPT)
        self._follow_script = redis.register_script(load_accept_script())

    def accept_question(
        self,
        received: Received,
        fields: dict[str, Any],
        limits: QueueLimits,
        *,
        inbox: str,
        delay: float = 0.0,
        follow_calls: FollowCalls | None = None,
    ) -> Receipt:
        """
        Accept a question once, with the `fields` of its job's hash.

        Its `inbox` entry is due in `delay` seconds. Raises `redis.exceptions.RedisError`.
        """
        call = self._build_call(received, fields, limits, inbox, delay)
        if follow_calls is None:
            outcome, position, pending = self._accept_script(keys=call.keys, args=call.args)
        else:
            join, seed = follow_calls.join, follow_calls.seed or ScriptCall([], [])
            outcome, position, pending = self._follow_script(
                keys=[*call.keys, *join.keys, *seed.keys],
                args=[len(call.args), len(join.args), *call.args, *join.args, *seed.args],
            )
        return Receipt(
            received_job_id(received),
            EnqueueOutcome(decode_reply(outcome)),
            int(position),
            int(pending),
        )

    def _build_call(
        self,
        received: Received,
        fields: dict[str, Any],
        limits: QueueLimits,
        inbox: str,
        delay: float,
    ) -> ScriptCall:
        thread, job = received.thread, received_job_id(received)
        budgets = limits.budgets.find_limits_ms(received)
        factor = UNDECIDED_LIMIT_FACTOR if received.is_undecided else 1
        return ScriptCall(
            keys=[
                *received.markers,
                keys.PENDING_JOBS,
                keys.thread_queue(thread.team, thread.channel, thread.ts),
                keys.user_quota(thread.team, received.charged_user),
                RqJob.key_for(job),
                self._rq_queue_key,
                self._deferred_key,
                Queue.redis_queues_keys,
                inbox,
                keys.user_usage(thread.team, received.charged_user),
                keys.channel_usage(thread.team, thread.channel),
                keys.team_usage(thread.team),
                keys.channel_jobs(thread.team, thread.channel),
            ],
            args=[
                job,
                keys.IDEMPOTENCY_TTL_SECONDS,
                limits.max_pending * factor,
                limits.max_per_user * factor,
                limits.max_running_per_user,
                keys.QUEUE_TTL_SECONDS,
                received.asked_at,
                delay,
                budgets.user * factor,
                budgets.channel * factor,
                *(part for pair in fields.items() for part in pair),
            ],
        )
