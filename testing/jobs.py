"""Jobs as the bot makes them, without a workspace around."""

import redis

from contract.conversation import Speaker, Turn
from contract.job import Job, Thread
from worker.jobs.leases import JOB_PREFIX


def make_job(number: int, thread: int | None = None) -> Job:
    """Return a job; one of the same thread waits for the one before it."""
    ts = f"{number}.000000"
    root = ts if thread is None else f"{thread}.000000"
    turn = Turn(speaker=Speaker.USER, text=f"secret {number}", ts=ts, name="Ada")
    place = Thread(team="T1", channel="C1", ts=root)
    return Job(thread=place, ts=ts, user="U1", user_team="T1", turns=(turn,))


def rq_status(client: redis.Redis, job: str) -> str | None:
    """Return what RQ knows of a job."""
    found = client.hget(JOB_PREFIX + job, "status")
    return found.decode() if isinstance(found, bytes) else None


def ttl_seconds(client: redis.Redis, job: str) -> int:
    """Return how long a job stays in Redis; -1 for ever."""
    return int(str(client.ttl(JOB_PREFIX + job)))
