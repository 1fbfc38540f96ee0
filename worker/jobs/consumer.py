"""Holds many jobs in flight on one event loop: takes, runs, stops, gives back, ends them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import redis
import structlog

from contract.thread_pool import eager_thread_pool
from worker.aio import cancel_and_wait
from worker.errors import LeaseLostError
from worker.failpoints import Failpoint, Failpoints
from worker.jobs.leases import Heartbeat, Lease
from worker.jobs.rq_worker import ClaimedJob, RqWorker
from worker.jobs.task import JobContext, Outcome, RequeueError
from worker.metrics import Metrics
from worker.slack.client import SlackUnavailableError

log = structlog.get_logger()

T = TypeVar("T")

RQ_THREADS: Final = 8
"""Threads for RQ's blocking calls: each takes about a millisecond."""
REDIS_RETRY_SECONDS: Final = 0.5
"""Seconds between tries while Redis is away."""

AnswerJob = Callable[[JobContext], Awaitable[Outcome]]
OpenContext = Callable[[ClaimedJob], JobContext]


@dataclass(slots=True)
class RunningJob:
    """A job in flight, and whether somebody else has it by now."""

    claimed: ClaimedJob
    context: JobContext
    task: "asyncio.Task[None]"
    lost: bool = False
    requeueing: bool = False


class JobConsumer:
    """Takes jobs while there is room, and none once it is closing."""

    def __init__(
        self,
        worker: RqWorker,
        heartbeat: Heartbeat,
        open_context: OpenContext,
        answer: AnswerJob,
        metrics: Metrics,
        *,
        failpoints: Failpoints,
    ) -> None:
        """`heartbeat` renews the leases of what is held here."""
        self._worker = worker
        self._heartbeat = heartbeat
        self._open_context = open_context
        self._answer = answer
        self._metrics = metrics
        self._failpoints = failpoints
        self._threads = eager_thread_pool(RQ_THREADS, "rq")
        self._closing = asyncio.Event()
        self._requeueing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._jobs: dict[str, RunningJob] = {}
        self.capacity = 1
        """How many jobs may be held at once."""

    def __len__(self) -> int:
        return len(self._jobs)

    async def run_in_thread(self, call: Callable[..., T], *arguments: object) -> T:
        """Run one of RQ's blocking calls in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, call, *arguments)

    async def consume_jobs(self, can_take: Callable[[], Awaitable[bool]]) -> None:
        """Take jobs until `close`; while `may_take` says no, leave them to other workers."""
        while not self._closing.is_set():
            if len(self._tasks) >= self.capacity:
                await self._wait_unless_closing(self._tasks)
            elif not await can_take():
                await self._sleep_unless_closing(REDIS_RETRY_SECONDS)
            else:
                await self._take_job()

    async def _take_job(self) -> None:
        try:
            job = await self.run_in_thread(self._worker.dequeue_job_id)
            if job is not None and self._closing.is_set():
                await self.run_in_thread(self._worker.return_job_id, job)
                return
        except redis.RedisError as error:
            log.warning("queue unreachable", error=type(error).__name__)
            await self._sleep_unless_closing(REDIS_RETRY_SECONDS)
            return
        if job is not None:
            self._failpoints.hit(Failpoint.DEQUEUED)
            task = asyncio.create_task(self._run_job(job))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run_job(self, job: str) -> None:
        try:
            claimed = await self.run_in_thread(self._worker.claim_job, job)
        except redis.RedisError as error:
            log.warning("job claim failed", job=job, error=type(error).__name__)
            return
        if claimed is None:
            return
        if self._requeueing:
            await self.run_in_thread(self._worker.requeue_job, claimed, 0)
            return
        self._failpoints.hit(Failpoint.CLAIMED)
        self._metrics.record_queue_wait(claimed.age_seconds)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        running = RunningJob(claimed, self._open_context(claimed), task)
        self._jobs[job] = running
        self._heartbeat.add_lease(claimed.lease)
        log.info("job claimed", job=job, age=round(claimed.age_seconds, 2))
        try:
            await self._execute_job(running)
        finally:
            self._heartbeat.remove_lease(claimed.lease)
            if self._jobs.get(job) is running:
                del self._jobs[job]

    async def _execute_job(self, running: RunningJob) -> None:
        claimed, job = running.claimed, running.claimed.lease.job
        try:
            outcome = await self._answer(running.context)
            self._failpoints.hit(Failpoint.BEFORE_FINISH)
            await self._finish_job(claimed, outcome)
        except RequeueError:
            await self._requeue_job(running)
        except SlackUnavailableError:
            await self._finish_job(claimed, Outcome.UNSENT)
        except LeaseLostError:
            self._abandon_job(running)
        except redis.RedisError as error:
            self._worker.forget_execution(claimed)
            log.warning("job left to recovery", job=job, error=type(error).__name__)
        except asyncio.CancelledError:
            if running.lost:
                self._abandon_job(running)
            else:
                await self._requeue_job(running)

    async def _finish_job(self, claimed: ClaimedJob, outcome: Outcome) -> None:
        """Record the end, however long Redis is away: the reply is out already."""
        record = self._worker.record_success
        if outcome is Outcome.WITHDRAWN:
            record = self._worker.record_withdrawal
        elif outcome in {Outcome.ERROR_POSTED, Outcome.UNSENT}:
            record = self._worker.record_failure
        await self._retry_until_redis(lambda: self._worker.release_quota(claimed.lease.job))
        self._failpoints.hit(Failpoint.AFTER_FINISH)
        self._metrics.count_outcome(outcome)
        await self._retry_until_redis(lambda: record(claimed, str(outcome)))
        log.info("job ended", job=claimed.lease.job, outcome=str(outcome))

    async def _retry_until_redis(self, call: Callable[[], None]) -> None:
        while True:
            try:
                await self.run_in_thread(call)
            except (redis.ConnectionError, redis.TimeoutError):
                await asyncio.sleep(REDIS_RETRY_SECONDS)
            else:
                return

    async def _requeue_job(self, running: RunningJob) -> None:
        running.requeueing = True
        refunded = 1 if running.context.attempt_refundable else 0
        try:
            requeued = await self.run_in_thread(self._worker.requeue_job, running.claimed, refunded)
        except redis.RedisError:
            requeued = False
        self._metrics.count_outcome("requeued")
        log.info("job requeued", job=running.claimed.lease.job, given=requeued)

    def _abandon_job(self, running: RunningJob) -> None:
        self._worker.forget_execution(running.claimed)
        self._metrics.count_outcome("lost")
        log.warning("job lost to another worker", job=running.claimed.lease.job)

    def cancel_lost(self, lease: Lease) -> None:
        """End a job here that another worker has by now."""
        running = self._jobs.get(lease.job)
        if running is not None and running.claimed.lease == lease:
            running.lost = True
            running.task.cancel()

    def stop_job(self, job: str) -> None:
        """End a job for its reader: the reply keeps what there is so far."""
        running = self._jobs.get(job)
        if running is not None:
            log.info("job stopped", job=job)
            running.context.stopped.set()

    def mark_edited(self, job: str) -> None:
        """End a job here whose question was edited: it runs anew with the text it has now."""
        running = self._jobs.get(job)
        if running is not None:
            log.info("job edited", job=job)
            running.context.edited.set()

    def stop_taking(self) -> None:
        """Take no more jobs."""
        self._closing.set()

    async def drain_jobs(self, requeue_now: asyncio.Event, grace_seconds: float) -> None:
        """Let running jobs finish for `grace` seconds; give the rest back, at once if `now`."""
        tasks = set(self._tasks)
        if tasks:
            requeue_wait = asyncio.create_task(requeue_now.wait())
            all_done = asyncio.create_task(_wait_for_all(tasks))
            await asyncio.wait(
                {requeue_wait, all_done}, timeout=grace_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            requeue_wait.cancel()
            self._requeueing = True
            await cancel_and_wait(
                running.task for running in self._jobs.values() if not running.requeueing
            )
            await all_done
        self._threads.shutdown()

    async def _wait_unless_closing(self, tasks: set["asyncio.Task[None]"]) -> None:
        closing = asyncio.create_task(self._closing.wait())
        await asyncio.wait({closing, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        closing.cancel()

    async def _sleep_unless_closing(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)


async def _wait_for_all(tasks: set["asyncio.Task[None]"]) -> None:
    if tasks:
        await asyncio.wait(tasks)
