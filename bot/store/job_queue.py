"""Puts a turn into Redis once, says where it stands in line, and takes it back."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from redis import Redis
from rq import Queue, Retry
from rq.command import send_stop_job_command
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job as RqJob
from rq.job import JobStatus
from rq.registry import DeferredJobRegistry
from rq.serializers import JSONSerializer

from bot.failpoints import Failpoint, Failpoints
from bot.store.client import decode_reply
from contract import keys
from contract.job import FUNCTION_NAME, JOB_DESCRIPTION, QUEUE_NAME, Job, job_id
from contract.scripts import ACCEPT, FINISH

RQ_JOB_TIMEOUT_SECONDS: Final = 900
"""Seconds after which RQ's own tools take a running job for stuck."""
MAX_RQ_RETRIES: Final = 3
"""How often RQ's own tools may run a job again whose worker was lost."""

WITHDRAW_SCRIPT: Final = """
local status, worker = unpack(redis.call('HMGET', KEYS[1], 'status', 'worker_name'))
if not status then return 'gone' end
if status == 'started' then
  redis.call('HSET', KEYS[1], 'starchat_withdrawn', 1)
  redis.call('HINCRBY', KEYS[1], 'starchat_revision', 1)
  return 'running'
end
if status == 'queued' then redis.call('LREM', KEYS[2], 0, ARGV[1]) end
if status == 'queued' or status == 'deferred' then
  redis.call('HSET', KEYS[1], 'status', 'canceled')
  return 'waiting'
end
return status
"""
"""
Takes a job that nobody has started away from the workers, and marks one that somebody runs, so
that it ends as withdrawn whoever runs it next; says what it was before.
"""


class EnqueueOutcome(StrEnum):
    """What became of a turn."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    QUEUE_FULL = "queue_full"
    USER_QUOTA_EXCEEDED = "user_quota_exceeded"


@dataclass(frozen=True, slots=True)
class Receipt:
    """`place` is how many questions are before this one, `pending` how many are unanswered."""

    job_id: str
    outcome: EnqueueOutcome
    position: int
    pending: int


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How much may be pending in all and for one person, and how much of that may run at once."""

    max_pending: int = 1000
    max_per_user: int = 8
    max_running_per_user: int = 4


class JobQueue:
    """
    The way from the bot to the workers.

    Every method raises `redis.exceptions.RedisError` if Redis cannot be reached; then nothing is
    promised to anybody, and the caller must not acknowledge what it was doing.
    """

    def __init__(
        self, redis: Redis, limits: QueueLimits, failpoints: Failpoints | None = None
    ) -> None:
        """`redis` must not decode responses: RQ's payloads are compressed."""
        self._redis = redis
        self._limits = limits
        self._failpoints = failpoints or Failpoints()
        self._enqueue_script = redis.register_script(ACCEPT)
        self._finish_script = redis.register_script(FINISH)
        self._withdraw_script = redis.register_script(WITHDRAW_SCRIPT)
        self._rq_queue = Queue(QUEUE_NAME, connection=redis, serializer=JSONSerializer)
        self._deferred = DeferredJobRegistry(queue=self._rq_queue)

    def enqueue(self, job: Job, *, client_msg_id: str | None = None) -> Receipt:
        """Take a turn in unless it, or the same gesture of the person, was taken in before."""
        team, channel = job.thread.team, job.thread.channel
        marker = keys.idempotency_key(team, channel, job.ts)
        other = keys.client_msg_id(team, client_msg_id) if client_msg_id else marker
        return self._run_enqueue_script(job, (marker, other), build_rq_job_hash(self._redis, job))

    def enqueue_reanswer(self, job: Job, version: str, reply_ts: str | None) -> Receipt:
        """
        Take a turn in once more whose question was edited at `version`, once for that edit.

        `reply` is the message that answers it so far: the new answer comes in its place.
        """
        marker = keys.reanswer(job.thread.team, job.thread.channel, job.ts, version)
        placeholder_fields = (
            {}
            if reply_ts is None
            else {keys.PLACEHOLDER_OWNER: "bot:again", keys.PLACEHOLDER: reply_ts}
        )
        return self._run_enqueue_script(
            job, (marker, marker), build_rq_job_hash(self._redis, job) | placeholder_fields
        )

    def _run_enqueue_script(
        self, job: Job, markers: tuple[str, str], job_hash: dict[str, Any]
    ) -> Receipt:
        team, channel = job.thread.team, job.thread.channel
        limits = self._limits
        fields = [part for pair in job_hash.items() for part in pair]
        self._failpoints.hit(Failpoint.BEFORE_ENQUEUE)
        outcome, position, pending = self._enqueue_script(
            keys=[
                *markers,
                keys.PENDING_JOBS,
                keys.thread_queue(team, channel, job.thread.ts),
                keys.user_quota(team, job.user),
                RqJob.key_for(job.id),
                self._rq_queue.key,
                self._deferred.key,
                Queue.redis_queues_keys,
            ],
            args=[
                job.id,
                keys.IDEMPOTENCY_TTL_SECONDS,
                limits.max_pending,
                limits.max_per_user,
                limits.max_running_per_user,
                keys.QUEUE_TTL_SECONDS,
                *fields,
            ],
        )
        self._failpoints.hit(Failpoint.AFTER_ENQUEUE)
        return Receipt(job.id, EnqueueOutcome(decode_reply(outcome)), int(position), int(pending))

    def is_duplicate(self, team: str, channel: str, ts: str) -> bool:
        """Say whether this message was already dealt with."""
        return bool(self._redis.exists(keys.idempotency_key(team, channel, ts)))

    def has_job(self, team: str, channel: str, ts: str) -> bool:
        """Say whether this message became a job, whatever came of that."""
        found = self._redis.get(keys.idempotency_key(team, channel, ts))
        return found is not None and decode_reply(found) == job_id(team, channel, ts)

    def list_open_jobs(self, team: str) -> list[str]:
        """Return the jobs of a team that are not answered."""
        found = self._redis.zrange(keys.PENDING_JOBS, 0, -1)
        jobs = [decode_reply(job) for job in found if isinstance(job, bytes | str)]
        return [job for job in jobs if job.startswith(f"{team}-")]

    def find_placeholder(self, job: str) -> str | None:
        """Return the `ts` of the message that answers a job, as long as Redis knows the job."""
        found = self._redis.hget(RqJob.key_for(job), keys.PLACEHOLDER)
        return decode_reply(found) if found else None

    def find_reply_files(self, job: str) -> frozenset[str]:
        """Return Slack's ids of the files in the reply to a job, as long as Redis knows the job."""
        fields = self._redis.hgetall(RqJob.key_for(job))
        return frozenset(
            decode_reply(value)
            for name, value in fields.items()
            if decode_reply(name).startswith(keys.FILE_ID_PREFIX)
        )

    def mark_as_handled(self, team: str, channel: str, ts: str) -> bool:
        """Mark a message as dealt with that becomes no job; say whether it was not marked yet."""
        return self._set_marker(keys.idempotency_key(team, channel, ts))

    def claim_edit_offer(self, team: str, channel: str, ts: str, version: str) -> bool:
        """Mark an edit as one after which a new answer is offered; say whether it was not yet."""
        return self._set_marker(keys.reanswer_offer(team, channel, ts, version))

    def _set_marker(self, key: str) -> bool:
        return bool(self._redis.set(key, "notice", nx=True, ex=keys.IDEMPOTENCY_TTL_SECONDS))

    def cancel_job(self, job: str) -> str | None:
        """
        Give up a job whatever its state, and its text with it.

        Returns the `ts` of a placeholder that nobody will fill any more, if there is one.
        """
        key = RqJob.key_for(job)
        state = decode_reply(self._withdraw_script(keys=[key, self._rq_queue.key], args=[job]))
        if state == "running":
            self._stop_running_job(job)
            return None
        orphan = self._redis.hget(key, keys.PLACEHOLDER) if state == "waiting" else None
        self._finish_script(
            keys=[keys.PENDING_JOBS, key, self._rq_queue.key, self._deferred.key],
            args=[job, RqJob.redis_job_namespace_prefix, keys.QUEUE_TTL_SECONDS],
        )
        self._redis.delete(key)
        return decode_reply(orphan) if orphan else None

    def _stop_running_job(self, job: str) -> None:
        try:
            send_stop_job_command(self._redis, job, serializer=JSONSerializer)
        except (NoSuchJobError, InvalidJobOperation):
            # It ended between our look and our word: the reply is there, nothing to stop.
            return


def build_rq_job_hash(redis: Redis, job: Job) -> dict[str, Any]:
    """Return a job's hash as RQ keeps it."""
    rq_job = RqJob.create(
        FUNCTION_NAME,
        args=[job.to_json()],
        connection=redis,
        id=job.id,
        origin=QUEUE_NAME,
        description=JOB_DESCRIPTION,
        timeout=RQ_JOB_TIMEOUT_SECONDS,
        result_ttl=keys.SECONDS_PER_HOUR,
        failure_ttl=keys.TEXT_TTL_SECONDS,
        retry=Retry(max=MAX_RQ_RETRIES, enqueue_at_front=True),
        status=JobStatus.QUEUED,
        serializer=JSONSerializer,
    )
    rq_job.enqueued_at = datetime.now(UTC)
    return rq_job.to_dict() | {"status": JobStatus.QUEUED.value}
