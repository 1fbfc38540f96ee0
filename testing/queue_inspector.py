"""Jobs of the queue in Redis, made as the bot makes them and read as a worker reads them."""

from typing import Any

from redis import Redis
from rq import Queue
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer

from contract import keys
from contract.conversation import Speaker, Turn
from contract.job import QUEUE_NAME, Job, Thread, job_id
from contract.scripts import FINISH
from testing.polling import poll_until

TEAM = "T0FAKE0001"


def make_job(number: int, thread: int | None = None) -> Job:
    """Return the job of a question; jobs with the same `thread` belong to one Slack thread."""
    ts = f"{number}.000000"
    root = ts if thread is None else f"{thread}.000000"
    turn = Turn(speaker=Speaker.USER, text=f"secret {number}", ts=ts, name="Ada")
    place = Thread(team="T1", channel="C1", ts=root)
    return Job(thread=place, ts=ts, user="U1", user_team="T1", turns=(turn,))


def runnable_job_ids(redis: Redis) -> list[str]:
    """Return the job ids in RQ's queue, the next one first."""
    return Queue(QUEUE_NAME, connection=redis, serializer=JSONSerializer).job_ids


def pending_job_ids(redis: Redis) -> list[str]:
    """Return the ids of all accepted, unfinished jobs, the oldest first."""
    return [
        job.decode() for job in redis.zrange(keys.PENDING_JOBS, 0, -1) if isinstance(job, bytes)
    ]


def fetch_rq_job(redis: Redis, job: str) -> RqJob:
    """Return RQ's view of a job. Raises `NoSuchJobError` if RQ has none of this id."""
    return RqJob.fetch(job, connection=redis, serializer=JSONSerializer)


def find_job(redis: Redis, channel: str, ts: str) -> Job | None:
    """Return the job of a Slack message when its thread is read; `None` if it became none."""
    found = job_id(TEAM, channel, ts)

    def find_read_job() -> tuple[Job | None] | None:
        status, received = redis.hmget(RqJob.key_for(found), ["status", keys.RECEIVED])
        if status is None:
            return (None,)
        if received is not None:
            return None
        return (Job.from_json(fetch_rq_job(redis, found).args[0]),)

    return poll_until(find_read_job, description="the read of a question's thread")[0]


def job_turns(redis: Redis, channel: str, ts: str) -> list[tuple[str | None, str]]:
    """Return speaker and text of each turn in a message's job; the speaker `us` is the bot."""
    found = find_job(redis, channel, ts)
    assert found is not None
    return [("us" if t.speaker == "assistant" else t.name, t.text) for t in found.turns]


def rq_status(redis: Redis, job: str) -> str | None:
    """Return RQ's status of a job, `None` if RQ has no such job."""
    found = redis.hget(RqJob.key_for(job), "status")
    return found.decode() if isinstance(found, bytes) else None


def ttl_seconds(redis: Redis, job: str) -> int:
    """Return the seconds until a job's hash expires, -1 if it never does."""
    return int(str(redis.ttl(RqJob.key_for(job))))


def finish_job(redis: Redis, job: str) -> int:
    """Release a job's place in the queue, as a worker does."""
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
