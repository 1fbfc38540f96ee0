"""Looks into Redis as a worker would: which jobs there are, and what they hold."""

from typing import Any

from redis import Redis
from rq import Queue
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer

from contract import keys
from contract.job import QUEUE_NAME, Job, job_id
from contract.scripts import FINISH

TEAM = "T0FAKE0001"


def runnable_job_ids(redis: Redis) -> list[str]:
    """Return the ids on RQ's list, the next one first."""
    return Queue(QUEUE_NAME, connection=redis, serializer=JSONSerializer).job_ids


def pending_job_ids(redis: Redis) -> list[str]:
    """Return the ids of all accepted, unfinished jobs in their order."""
    return [
        job.decode() for job in redis.zrange(keys.PENDING_JOBS, 0, -1) if isinstance(job, bytes)
    ]


def fetch_rq_job(redis: Redis, job: str) -> RqJob:
    """Return a job as RQ sees it."""
    return RqJob.fetch(job, connection=redis, serializer=JSONSerializer)


def find_job(redis: Redis, channel: str, ts: str) -> Job | None:
    """Return the job that a message became, if it became one."""
    found = job_id(TEAM, channel, ts)
    if not redis.exists(RqJob.key_for(found)):
        return None
    return Job.from_json(fetch_rq_job(redis, found).args[0])


def job_turns(redis: Redis, channel: str, ts: str) -> list[tuple[str | None, str]]:
    """Return who says what in the job of a message: a name, `None`, or `us`."""
    found = find_job(redis, channel, ts)
    assert found is not None
    return [("us" if t.speaker == "assistant" else t.name, t.text) for t in found.turns]


def finish_job(redis: Redis, job: str) -> int:
    """End a job as a worker does."""
    queue = Queue(QUEUE_NAME, connection=redis, serializer=JSONSerializer)
    finished: Any = redis.register_script(FINISH)(
        keys=[
            keys.PENDING_JOBS,
            RqJob.key_for(job),
            queue.key,
            queue.deferred_job_registry.key,
        ],
        args=[job, RqJob.redis_job_namespace_prefix, keys.TEXT_TTL_SECONDS],
    )
    return int(finished)
