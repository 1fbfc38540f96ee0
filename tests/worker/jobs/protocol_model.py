"""The bot's and the workers' real steps on one Redis, one at a time, for tests of their order."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import redis

from bot.store.job_queue import Limits, Outbox
from bot.store.job_updates import Revised, Revisions
from contract import keys
from contract.conversation import Speaker, Turn
from contract.job import Job, Thread
from worker import scripts
from worker.jobs.leases import INTERMEDIATE, JOB, QUEUE_KEY, SIGHTINGS, STARTED, Claims
from worker.jobs.rq_worker import RqWorker, Taken

LEASE: Final = 3600.0
"""Seconds: no lease runs out here but by `expire`."""
TEAM: Final = "T1"
CHANNEL: Final = "C1"


def question(number: int, thread: str, user: str, text: str) -> Job:
    """Return the job of a message; its thread and its text are what the test says."""
    ts = f"{number}.1"
    turn = Turn(speaker=Speaker.USER, text=text, ts=ts)
    place = Thread(team=TEAM, channel=CHANNEL, ts=thread)
    return Job(thread=place, ts=ts, user=user, user_team=TEAM, turns=(turn,))


@dataclass(eq=False)
class Execution:
    """A worker's hold on a job; `text` is the question as it was read."""

    worker: RqWorker
    taken: Taken
    answer: str | None
    posted: bool
    withdrawn: bool

    @property
    def job(self) -> str:
        """The job's id."""
        return self.taken.lease.job

    @property
    def text(self) -> str:
        """The question as it was read."""
        return self.taken.job.question.text


@dataclass
class Protocol:
    """One bot and some workers."""

    redis: redis.Redis
    workers: list[RqWorker] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.outbox = Outbox(self.redis, Limits(pending=1000, per_person=1000, slots=2))
        self.revisions = Revisions(self.redis)
        self.claims = Claims(self.redis, LEASE, "w")
        for name in ("w0", "w1"):
            claims = Claims(self.redis, LEASE, name)
            self.workers.append(RqWorker(self.redis, name, claims, 3600))
        self._note = self.redis.register_script(scripts.NOTE)
        self._settle = self.redis.register_script(scripts.SETTLE)
        self._beat = self.redis.register_script(scripts.BEAT)

    def clear(self) -> None:
        """Begin with an empty server."""
        self.redis.flushall()
        for worker in self.workers:
            worker.executions.clear()

    # -- the bot

    def edit(self, job: Job, text: str, *, restart: bool) -> Revised:
        """Put another text into a job."""

        def rebuilt(old: Job) -> Job:
            turn = old.question.model_copy(update={"text": text})
            return old.model_copy(update={"turns": (turn,)})

        return self.revisions.revise(job.id, rebuilt, restart=restart)

    def delete(self, job: Job) -> None:
        """Take a question back."""
        self.outbox.claim(TEAM, CHANNEL, job.ts)
        self.outbox.cancel(job.id)

    # -- a worker

    def dequeue(self, worker: RqWorker) -> str | None:
        """Take an id off the list, if there is one."""
        return worker.dequeue() if self.redis.llen(QUEUE_KEY) else None

    def claim(self, job: str) -> None:
        """Claim a job, and go no further."""
        self.claims.claim(job, uuid4().hex)

    def begin(self, worker: RqWorker, job: str) -> Execution | None:
        """Claim a job that was taken off the list, and read what is known of it."""
        taken = worker.begin(job)
        if taken is None:
            return None
        fields = [keys.ANSWER, keys.POSTED, keys.WITHDRAWN]
        answer, posted, withdrawn = self.redis.hmget(JOB + job, fields)
        said = answer.decode() if isinstance(answer, bytes) else None
        return Execution(worker, taken, said, posted is not None, withdrawn is not None)

    def holds(self, execution: Execution) -> bool:
        """Say whether an execution would be allowed to act now; changes nothing."""
        lease = execution.taken.lease
        holder = self.redis.get(keys.lease(lease.job))
        if holder is not None:
            return holder == lease.execution.encode()
        return self.redis.zscore(STARTED, lease.member) is not None

    def beat(self, execution: Execution) -> bool:
        """Prove and prolong the lease, as before each effect outside."""
        lease = execution.taken.lease
        held = [keys.lease(lease.job), STARTED]
        return bool(self._beat(keys=held, args=[lease.execution, lease.member, int(LEASE * 1000)]))

    def settle(self, execution: Execution, message: str) -> str | None:
        """Say which message is the reply; returns which one is, or nothing if the job is lost."""
        lease = execution.taken.lease
        held = [keys.lease(lease.job), STARTED, JOB + lease.job]
        wish = [lease.execution, lease.member, keys.PLACEHOLDER, message]
        found = self._settle(keys=held, args=wish)
        return found.decode() if isinstance(found, bytes) else None

    def note(self, execution: Execution, field: str, value: str, *, newest: bool = True) -> int:
        """Write on the job, if it is ours and (with `newest`) nobody thought better of it."""
        lease = execution.taken.lease
        held = [keys.lease(lease.job), STARTED, JOB + lease.job]
        revision = execution.taken.revision if newest else ""
        wish = [lease.execution, lease.member, revision, field, value]
        return int(self._note(keys=held, args=wish))

    def let_go(self, execution: Execution) -> None:
        """Let the next one of the thread run."""
        execution.worker.let_go(execution.job)

    def record(self, execution: Execution) -> None:
        """Write down the end for RQ's tools."""
        execution.worker.succeed(execution.taken, "answered")

    def give_back(self, execution: Execution) -> bool:
        """Put the job back in front."""
        return execution.worker.give_back(execution.taken, 0)

    def die(self, execution: Execution) -> None:
        """Forget an execution as a killed worker does."""
        execution.worker.forget(execution.taken)

    # -- time and recovery

    def expire(self) -> None:
        """Let all leases run out."""
        for key in self.redis.scan_iter(f"starchat:{TEAM}:lease:*"):
            self.redis.delete(key)

    def reap(self) -> None:
        """Put back what dead workers held; ids that nobody claimed have rested long enough."""
        self.claims.reap()
        for job in _texts(self.redis.zrange(SIGHTINGS, 0, -1)):
            self.redis.zadd(SIGHTINGS, {job: 0})
        self.claims.reap()

    def heal(self) -> None:
        """Free what deleted jobs hold up."""
        self.claims.heal()

    # -- what is there

    def pending(self) -> list[str]:
        """Return all unfinished jobs in their order."""
        return _texts(self.redis.zrange(keys.PENDING, 0, -1))

    def lane(self, thread: str) -> list[str]:
        """Return a thread's unfinished jobs in their order."""
        return _texts(self.redis.lrange(keys.lane(TEAM, CHANNEL, thread), 0, -1))

    def left(self) -> set[str]:
        """Return the keys that hold a place, a lease or a job somewhere."""
        found = _texts(self.redis.keys("*"))
        kinds = (":lane:", ":person:", ":lease:")
        places = (keys.PENDING, QUEUE_KEY, INTERMEDIATE, STARTED, SIGHTINGS)
        return {key for key in found if key in places or any(kind in key for kind in kinds)}


def _texts(found: Iterable[Any]) -> list[str]:
    return [str(one, "utf-8") for one in found]
