"""Job queue: accepts each question once, cancels it, and reports depth and live workers."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

from redis import Redis
from rq import Queue
from rq.command import send_stop_job_command
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job as RqJob
from rq.registry import DeferredJobRegistry
from rq.serializers import JSONSerializer

from bot.concurrency import KeyedLock
from bot.failpoints import Failpoint, Failpoints
from bot.store.acceptance import Acceptance, FollowCalls, QueueLimits, Receipt
from bot.store.client import decode_reply
from bot.store.received import Received, received_job_id
from bot.store.rq_job import build_rq_job_hash
from bot.store.scripts import load_script
from contract import keys, worker_status
from contract.job import QUEUE_NAME, job_id
from contract.scripts import FINISH

STATES_WITH_REPLY: Final = frozenset({"concluded", "finished", "failed", "stopped"})
"""States in which `withdraw.lua` finds a job whose reply or error is posted."""
STATES_WITHOUT_TEXT: Final = frozenset({"waiting", "stopped"})
"""States in which it finds a job that never ran: its message says nothing but that."""
MAX_OFFERS_PER_MINUTE: Final = 5
"""Offers of a new answer to one user in one channel; further edits get none."""


@dataclass(frozen=True, slots=True)
class CanceledJob:
    """What a canceled job leaves in Slack."""

    orphan_ts: str | None = None
    """`ts` of a placeholder that no worker will replace."""
    has_reply: bool = False
    """Whether the job had ended, so that its reply or error is posted."""
    file_ids: frozenset[str] = frozenset()
    """Slack's ids of the files in that reply."""


class JobQueue:
    """
    The bot's side of the job queue.

    Methods raise `redis.exceptions.RedisError`. The caller must not acknowledge the request then:
    Redis may hold nothing of it.
    """

    def __init__(
        self,
        redis: Redis,
        limits: QueueLimits | None = None,
        failpoints: Failpoints | None = None,
    ) -> None:
        """`redis` must not decode responses: payloads are compressed."""
        self._redis = redis
        self.limits = limits or QueueLimits()
        self._failpoints = failpoints or Failpoints()
        self._finish_script = redis.register_script(FINISH)
        self._withdraw_script = redis.register_script(load_script("withdraw"))
        self._set_once_script = redis.register_script(load_script("set_field_once"))
        rq_queue = Queue(QUEUE_NAME, connection=redis, serializer=JSONSerializer)
        self.rq_queue_key = rq_queue.key
        self.deferred_key = DeferredJobRegistry(queue=rq_queue).key
        self._acceptance = Acceptance(redis, self.rq_queue_key, self.deferred_key)
        self._locks = KeyedLock()

    def hold_message(self, channel: str, ts: str) -> AbstractContextManager[None]:
        """Let one thread at a time handle a message: Slack delivers a mention twice at once."""
        return self._locks.hold(f"{channel}:{ts}")

    def wait_for_message(self, channel: str, ts: str) -> bool:
        """Wait until no thread handles a message; return whether one did."""
        return self._locks.wait_until_free(f"{channel}:{ts}")

    def accept(
        self,
        received: Received,
        inbox: str,
        *,
        delay: float = 0.0,
        follow_calls: FollowCalls | None = None,
    ) -> Receipt:
        """
        Accept a question once, into `inbox`; its thread may be read after `delay` seconds.

        The calls of `follow_calls` are made in the same step if it is accepted now.
        """
        fields = build_rq_job_hash(self._redis, received_job_id(received), "")
        fields[keys.RECEIVED] = received.model_dump_json()
        if received.charged_user != received.user:
            fields[keys.ASKER] = received.user
        if received.has_reply:
            # Until the thread is read, nothing else says that its reply stays.
            fields[keys.PLACEHOLDER_OWNER] = keys.BOT_AGAIN
        self._failpoints.hit(Failpoint.BEFORE_ENQUEUE)
        receipt = self._acceptance.accept_question(
            received, fields, self.limits, inbox=inbox, delay=delay, follow_calls=follow_calls
        )
        self._failpoints.hit(Failpoint.AFTER_ENQUEUE)
        return receipt

    def is_duplicate(self, team: str, channel: str, ts: str) -> bool:
        """Return whether a message was handled before."""
        return bool(self._redis.exists(keys.idempotency_key(team, channel, ts)))

    def has_job(self, team: str, channel: str, ts: str) -> bool:
        """Return whether a message became a job in the last 24 hours, finished or not."""
        found = self._redis.get(keys.idempotency_key(team, channel, ts))
        return found is not None and decode_reply(found) == job_id(team, channel, ts)

    def list_open_jobs(self, team: str) -> list[str]:
        """Return the ids of a team's unanswered jobs."""
        found = self._redis.zrange(keys.PENDING_JOBS, 0, -1)
        jobs = [decode_reply(job) for job in found if isinstance(job, bytes | str)]
        return [job for job in jobs if job.startswith(f"{team}-")]

    def queue_depth(self) -> int:
        """Count the unanswered jobs of all teams."""
        return self._redis.zcard(keys.PENDING_JOBS)

    def count_jobs_ahead(self, job: str) -> int:
        """Count the unanswered jobs that were accepted before this one."""
        rank: Any = self._redis.zrank(keys.PENDING_JOBS, job)
        return rank or 0

    def live_workers(self) -> tuple[worker_status.WorkerStatus, ...]:
        """Return the statuses of all live workers."""
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.hgetall(keys.WORKER_STATUSES)
            (seconds, micros), stored = pipe.execute()
        statuses = {
            decode_reply(name).encode(): decode_reply(status).encode()
            for name, status in stored.items()
        }
        return worker_status.live_workers(statuses, seconds + micros / 1e6)

    def find_placeholder(self, job: str) -> str | None:
        """Return the `ts` of a job's reply message; `None` if there is none or the job expired."""
        found = self._redis.hget(RqJob.key_for(job), keys.PLACEHOLDER)
        return decode_reply(found) if found else None

    def set_field_once(self, job: str, field: str, value: str) -> bool:
        """Set a field of a job that has none; return whether it has this value now."""
        return bool(self._set_once_script(keys=[RqJob.key_for(job)], args=[field, value]))

    def find_reply_files(self, job: str) -> frozenset[str]:
        """Return Slack's ids of the files in a job's reply; empty if the job expired."""
        fields = self._redis.hgetall(RqJob.key_for(job))
        return frozenset(
            decode_reply(value)
            for name, value in fields.items()
            if decode_reply(name).startswith(keys.FILE_ID_PREFIX)
        )

    def mark_as_handled(self, team: str, channel: str, ts: str) -> bool:
        """Mark a message that becomes no job as handled; return whether it was not before."""
        return self._set_marker(keys.idempotency_key(team, channel, ts))

    def claim_edit_offer(self, team: str, channel: str, ts: str, version: str) -> bool:
        """Mark an edit as offered for a new answer; return whether it was not before."""
        return self._set_marker(keys.reanswer_offer(team, channel, ts, version))

    def count_offer(self, team: str, channel: str, user: str) -> bool:
        """Count an offer to a user; return whether the user had few in this minute."""
        key = keys.offer_count(team, channel, user)
        with self._redis.pipeline() as pipe:
            pipe.set(key, 0, nx=True, ex=keys.NOTICE_QUIET_SECONDS)
            pipe.incr(key)
            _, count = pipe.execute()
        return int(count) <= MAX_OFFERS_PER_MINUTE

    def _set_marker(self, key: str) -> bool:
        return bool(self._redis.set(key, "notice", nx=True, ex=keys.IDEMPOTENCY_TTL_SECONDS))

    def cancel_job(self, job: str) -> CanceledJob:
        """Cancel a job in any state and delete its text."""
        key = RqJob.key_for(job)
        state = decode_reply(self._withdraw_script(keys=[key, self.rq_queue_key], args=[job]))
        if state == "running":
            self._stop_running_job(job)
            return CanceledJob()
        has_reply = state in STATES_WITH_REPLY
        # A finished reply on which no worker has begun to work is no placeholder.
        rework, worker = self._redis.hmget(key, [keys.REWORK, "worker_name"])
        is_orphan = state in STATES_WITHOUT_TEXT and (rework is None or bool(worker))
        canceled = CanceledJob(
            orphan_ts=self.find_placeholder(job) if is_orphan else None,
            has_reply=has_reply,
            file_ids=self.find_reply_files(job) if has_reply else frozenset(),
        )
        if state == "concluded":
            return canceled
        self._finish_script(
            keys=[keys.PENDING_JOBS, key, self.rq_queue_key, self.deferred_key],
            args=[job, RqJob.redis_job_namespace_prefix, keys.QUEUE_TTL_SECONDS],
        )
        self._redis.delete(key)
        return canceled

    def _stop_running_job(self, job: str) -> None:
        try:
            send_stop_job_command(self._redis, job, serializer=JSONSerializer)
        except (NoSuchJobError, InvalidJobOperation):
            # The job ended after the script ran: its reply is posted.
            return
