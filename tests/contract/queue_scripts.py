"""Runs the contract's scripts as both processes do, and looks at what they leave in Redis."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from redis import Redis

from contract import keys, scripts
from contract.job import QUEUE, job_id

JOB = "rq:job:"
LIST = f"rq:queue:{QUEUE}"
DEFERRED = f"rq:deferred:{QUEUE}"
INDEX = "rq:queues"
TEAM = "T1"
CHANNEL = "C1"


class Receipt(NamedTuple):
    """What the script that takes a turn in answers."""

    outcome: str
    place: int
    pending: int


@dataclass(frozen=True)
class Places:
    """The places of all jobs on one server."""

    redis: Redis
    most: int = 100
    per_person: int = 100
    slots: int = 2

    def accept(
        self, ts: str, *, thread: str = "1.0", user: str = "U1", gesture: str | None = None
    ) -> Receipt:
        """Take a turn in, as the bot does."""
        job = job_id(TEAM, CHANNEL, ts)
        seen = keys.seen(TEAM, CHANNEL, ts)
        names = (
            seen,
            keys.gesture(TEAM, gesture) if gesture else seen,
            keys.PENDING,
            keys.lane(TEAM, CHANNEL, thread),
            keys.person(TEAM, user),
            JOB + job,
            LIST,
            DEFERRED,
            INDEX,
        )
        limits = (self.most, self.per_person, self.slots, keys.PLACE_TTL)
        found: Any = self.redis.eval(
            scripts.ACCEPT, len(names), *names, job, keys.MARKER_TTL, *limits, "data", f"of {ts}"
        )
        return Receipt(found[0].decode(), *found[1:])

    def finish(self, ts: str) -> int:
        """Let a job go, as both processes do."""
        job = job_id(TEAM, CHANNEL, ts)
        names = (keys.PENDING, JOB + job, LIST, DEFERRED)
        found: Any = self.redis.eval(scripts.FINISH, len(names), *names, job, JOB, keys.PLACE_TTL)
        return int(found)

    def take(self) -> str | None:
        """Take the next job off RQ's list and begin it, as a worker does; returns its `ts`."""
        job = self.redis.lpop(LIST)
        if job is None:
            return None
        assert isinstance(job, bytes)
        self.redis.hset(JOB + job.decode(), "status", "started")
        return _ts(job)

    def end(self, ts: str, status: str = "finished") -> int:
        """Finish a job and record how it ended, as a worker does."""
        finished = self.finish(ts)
        self.redis.hset(JOB + job_id(TEAM, CHANNEL, ts), "status", status)
        return finished

    def withdraw(self, ts: str) -> None:
        """Take a job off RQ's list, as the bot does with one that nobody has begun."""
        self.redis.lrem(LIST, 0, job_id(TEAM, CHANNEL, ts))

    def delete(self, ts: str) -> None:
        """Delete a job as RQ's own tools do, which know nothing of places."""
        job = job_id(TEAM, CHANNEL, ts)
        self.redis.delete(JOB + job)
        self.redis.lrem(LIST, 0, job)
        self.redis.zrem(DEFERRED, job)

    def heal(self, most: int = 100) -> int:
        """Free what deleted jobs hold, as each worker does every few seconds."""
        names = (keys.PENDING, LIST, DEFERRED)
        found: Any = self.redis.eval(scripts.HEAL, len(names), *names, JOB, keys.PLACE_TTL, most)
        return int(found)

    def runnable(self) -> list[str]:
        """Return what is on RQ's list, the next one first."""
        return [_ts(job) for job in self.redis.lrange(LIST, 0, -1)]

    def pending(self) -> list[str]:
        """Return all unfinished jobs in the order in which they came."""
        return [_ts(job) for job in self.redis.zrange(keys.PENDING, 0, -1)]

    def deferred(self) -> set[str]:
        """Return the jobs that RQ shows as waiting."""
        return {_ts(job) for job in self.redis.zrange(DEFERRED, 0, -1)}

    def statuses(self, stamps: Iterable[str]) -> list[str | None]:
        """Return what RQ shows as the jobs' states."""
        with self.redis.pipeline() as pipeline:
            for ts in stamps:
                pipeline.hget(JOB + job_id(TEAM, CHANNEL, ts), "status")
            return [found and found.decode() for found in pipeline.execute()]

    def status(self, ts: str) -> str | None:
        """Return what RQ shows as a job's state."""
        return self.statuses([ts])[0]

    def answer_all(self) -> None:
        """Take and end jobs until nothing is runnable."""
        while (ts := self.take()) is not None:
            self.end(ts)

    def ours(self) -> set[str]:
        """Return the names of our own keys."""
        return {key.decode() for key in self.redis.keys("starchat:*") if isinstance(key, bytes)}

    def held(self) -> set[str]:
        """Return the keys that hold a place for somebody."""
        kinds = ("lane", "person")
        return {key for key in self.ours() if key == keys.PENDING or key.split(":")[2] in kinds}


def _ts(job: Any) -> str:
    return str(job.decode().split("-", 2)[2]).replace("-", ".")
