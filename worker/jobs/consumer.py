"""Holds many jobs in flight on one event loop: takes, runs, stops, gives back, ends them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import redis
import structlog

from contract.thread_pool import eager_thread_pool
from worker.aio import end
from worker.errors import LeaseLostError
from worker.failpoints import Faults, Point
from worker.jobs.leases import Heartbeat, Lease
from worker.jobs.rq_worker import RqWorker, Taken
from worker.jobs.task import GiveBackError, Outcome, Task
from worker.metrics import Metrics
from worker.slack.client import SlackAwayError

log = structlog.get_logger()

T = TypeVar("T")

THREADS: Final = 8
"""Threads for RQ's blocking calls: each takes about a millisecond."""
PAUSE: Final = 0.5
"""Seconds between tries while Redis is away."""

Answer = Callable[[Task], Awaitable[Outcome]]
OpenTask = Callable[[Taken], Task]


@dataclass(slots=True)
class Running:
    """A job in flight, and whether somebody else has it by now."""

    taken: Taken
    task: Task
    work: "asyncio.Task[None]"
    lost: bool = False
    leaving: bool = False


class Intake:
    """Takes jobs while there is room, and none once it is closing."""

    def __init__(
        self,
        worker: RqWorker,
        heartbeat: Heartbeat,
        open_task: OpenTask,
        answer: Answer,
        metrics: Metrics,
        *,
        faults: Faults,
    ) -> None:
        """`heartbeat` renews the leases of what is held here."""
        self._worker = worker
        self._heartbeat = heartbeat
        self._open_task = open_task
        self._answer = answer
        self._metrics = metrics
        self._faults = faults
        self._threads = eager_thread_pool(THREADS, "rq")
        self._closing = asyncio.Event()
        self._leaving = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: dict[str, Running] = {}
        self.capacity = 1
        """How many jobs may be held at once."""

    def __len__(self) -> int:
        return len(self._running)

    async def thread(self, call: Callable[..., T], *arguments: object) -> T:
        """Run one of RQ's blocking calls in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, call, *arguments)

    async def run(self, may_take: Callable[[], Awaitable[bool]]) -> None:
        """Take jobs until `close`; while `may_take` says no, leave them to other workers."""
        while not self._closing.is_set():
            if len(self._tasks) >= self.capacity:
                await self._unless_closing(self._tasks)
            elif not await may_take():
                await self._pause(PAUSE)
            else:
                await self._take()

    async def _take(self) -> None:
        try:
            job = await self.thread(self._worker.dequeue)
            if job is not None and self._closing.is_set():
                await self.thread(self._worker.put_back, job)
                return
        except redis.RedisError as error:
            log.warning("queue out of reach", error=type(error).__name__)
            await self._pause(PAUSE)
            return
        if job is not None:
            self._faults.hit(Point.DEQUEUED)
            task = asyncio.create_task(self._serve(job))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, job: str) -> None:
        try:
            taken = await self.thread(self._worker.begin, job)
        except redis.RedisError as error:
            log.warning("job not begun", job=job, error=type(error).__name__)
            return
        if taken is None:
            return
        if self._leaving:
            await self.thread(self._worker.give_back, taken, 0)
            return
        self._faults.hit(Point.CLAIMED)
        self._metrics.taken(taken.age)
        work = asyncio.current_task()
        assert work is not None  # noqa: S101
        running = Running(taken, self._open_task(taken), work)
        self._running[job] = running
        self._heartbeat.hold(taken.lease)
        log.info("job taken", job=job, age=round(taken.age, 2))
        try:
            await self._through(running)
        finally:
            self._heartbeat.drop(taken.lease)
            if self._running.get(job) is running:
                del self._running[job]

    async def _through(self, running: Running) -> None:
        taken, job = running.taken, running.taken.lease.job
        try:
            outcome = await self._answer(running.task)
            self._faults.hit(Point.BEFORE_FINISH)
            await self._record(taken, outcome)
        except GiveBackError:
            await self._give_back(running)
        except SlackAwayError:
            await self._record(taken, Outcome.UNSENT)
        except LeaseLostError:
            self._lost(running)
        except redis.RedisError as error:
            self._worker.forget(taken)
            log.warning("job left to recovery", job=job, error=type(error).__name__)
        except asyncio.CancelledError:
            if running.lost:
                self._lost(running)
            else:
                await self._give_back(running)

    async def _record(self, taken: Taken, outcome: Outcome) -> None:
        """Record the end, however long Redis is away: the reply is out already."""
        record = self._worker.succeed
        if outcome is Outcome.WITHDRAWN:
            record = self._worker.withdraw
        elif outcome in {Outcome.REFUSED, Outcome.UNSENT}:
            record = self._worker.fail
        await self._persist(lambda: self._worker.let_go(taken.lease.job))
        self._faults.hit(Point.AFTER_FINISH)
        self._metrics.ended(outcome)
        await self._persist(lambda: record(taken, str(outcome)))
        log.info("job ended", job=taken.lease.job, outcome=str(outcome))

    async def _persist(self, call: Callable[[], None]) -> None:
        while True:
            try:
                await self.thread(call)
            except (redis.ConnectionError, redis.TimeoutError):
                await asyncio.sleep(PAUSE)
            else:
                return

    async def _give_back(self, running: Running) -> None:
        running.leaving = True
        uncharged = 1 if running.task.charged else 0
        try:
            given = await self.thread(self._worker.give_back, running.taken, uncharged)
        except redis.RedisError:
            given = False
        self._metrics.ended("given_back")
        log.info("job given back", job=running.taken.lease.job, given=given)

    def _lost(self, running: Running) -> None:
        self._worker.forget(running.taken)
        self._metrics.ended("lost")
        log.warning("job lost to another worker", job=running.taken.lease.job)

    def lose(self, lease: Lease) -> None:
        """End a job here that another worker has by now."""
        running = self._running.get(lease.job)
        if running is not None and running.taken.lease == lease:
            running.lost = True
            running.work.cancel()

    def stop(self, job: str) -> None:
        """End a job for its reader: the reply keeps what there is so far."""
        running = self._running.get(job)
        if running is not None:
            log.info("job stopped", job=job)
            running.task.stopped.set()

    def edit(self, job: str) -> None:
        """End a job here whose question was edited: it runs anew with the text it has now."""
        running = self._running.get(job)
        if running is not None:
            log.info("job edited", job=job)
            running.task.edited.set()

    def close(self) -> None:
        """Take no more jobs."""
        self._closing.set()

    async def drain(self, now: asyncio.Event, grace: float) -> None:
        """Let running jobs finish for `grace` seconds; give the rest back, at once if `now`."""
        tasks = set(self._tasks)
        if tasks:
            hurry = asyncio.create_task(now.wait())
            done = asyncio.create_task(_all(tasks))
            await asyncio.wait({hurry, done}, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
            hurry.cancel()
            self._leaving = True
            await end(running.work for running in self._running.values() if not running.leaving)
            await done
        self._threads.shutdown()

    async def _unless_closing(self, tasks: set["asyncio.Task[None]"]) -> None:
        closing = asyncio.create_task(self._closing.wait())
        await asyncio.wait({closing, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        closing.cancel()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)


async def _all(tasks: set["asyncio.Task[None]"]) -> None:
    if tasks:
        await asyncio.wait(tasks)
