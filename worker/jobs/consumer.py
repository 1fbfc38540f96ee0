"""
Job consumer: many jobs in flight on one event loop.

It dequeues and claims jobs while it has capacity, and finishes, requeues or abandons each.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

import redis
import structlog

from contract.progress_watch import ProgressWatch
from contract.thread_pool import eager_thread_pool
from worker.aio import STOP_STEP_SECONDS, cancel_and_wait
from worker.errors import AppRefusedError, LeaseLostError, SlackUnavailableError
from worker.failpoints import Failpoint, Failpoints
from worker.jobs.heartbeat import Heartbeat
from worker.jobs.job_context import JobContext, Outcome, RequeueError
from worker.jobs.leases import Lease
from worker.jobs.rq_job import is_poison_error
from worker.jobs.rq_worker import RqWorker
from worker.metrics import Metrics

log = structlog.get_logger()

T = TypeVar("T")

RQ_THREADS: Final = 8
"""Threads for RQ's blocking calls, each about a millisecond long."""
REDIS_RETRY_SECONDS: Final = 0.5
"""Seconds between attempts while Redis is unreachable."""

MAX_FOLLOWERS: Final = 64
"""Jobs beyond the capacity, which use the slots of others."""

AnswerJob = Callable[[JobContext], Awaitable[Outcome]]


class JobConsumer:
    """Runs up to `capacity` jobs at once, and takes no more once it is closing."""

    def __init__(
        self,
        worker: RqWorker,
        heartbeat: Heartbeat,
        answer: AnswerJob,
        metrics: Metrics,
        *,
        failpoints: Failpoints,
    ) -> None:
        """Answer each job by `answer`, while `heartbeat` renews its lease."""
        self._worker = worker
        self._heartbeat = heartbeat
        self._answer = answer
        self._metrics = metrics
        self._failpoints = failpoints
        self._threads = eager_thread_pool(RQ_THREADS, "rq")
        self._closing = asyncio.Event()
        self._requeueing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: dict[str, JobContext] = {}
        self.watch = ProgressWatch()
        self.capacity = 1
        """Maximum number of jobs in flight, besides those that use the slots of others."""
        self.count_followers: Callable[[], int] = lambda: 0
        """Returns how many jobs use the slots of others."""
        self._has_followers = asyncio.Event()

    def __len__(self) -> int:
        return len(self._running)

    async def run_in_thread(self, call: Callable[..., T], *arguments: object) -> T:
        """Run one of RQ's blocking calls in a thread."""
        loop = asyncio.get_running_loop()
        with self.watch.watch_work():
            return await loop.run_in_executor(self._threads, call, *arguments)

    @property
    def is_idle(self) -> bool:
        """Whether no job is in flight."""
        return not self._tasks

    # -- the steps of a job

    async def consume_jobs(self, can_take: Callable[[], Awaitable[bool]]) -> None:
        """Take jobs until `stop_taking`; while `can_take` is false, leave them to other workers."""
        while not self._closing.is_set():
            if len(self._tasks) - min(MAX_FOLLOWERS, self.count_followers()) >= self.capacity:
                await self._wait_for_room()
            elif not await can_take():
                await self._sleep_unless_closing(REDIS_RETRY_SECONDS)
            else:
                await self._take_job()

    async def _take_job(self) -> None:
        try:
            job_id = await self.run_in_thread(self._worker.dequeue_job_id)
            if job_id is not None and self._closing.is_set():
                await self.run_in_thread(self._worker.return_job_id, job_id)
                return
        except redis.RedisError as error:
            log.warning("queue unreachable", error=type(error).__name__)
            await self._sleep_unless_closing(REDIS_RETRY_SECONDS)
            return
        if job_id is not None:
            self._failpoints.hit(Failpoint.DEQUEUED)
            task = asyncio.create_task(self._run_job(job_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run_job(self, job_id: str) -> None:
        try:
            context = await self.run_in_thread(self._worker.claim_job, job_id)
        except redis.RedisError as error:
            log.warning("job claim failed", job=job_id, error=type(error).__name__)
            return
        if context is None:
            return
        if self._requeueing:
            await self.run_in_thread(self._worker.requeue_job, context, 0)
            return
        self._failpoints.hit(Failpoint.CLAIMED)
        self._metrics.record_queue_wait(context.age_seconds)
        context.task = asyncio.current_task()
        self._running[job_id] = context
        self._heartbeat.add_lease(context.lease)
        log.info("job claimed", job=job_id, age=round(context.age_seconds, 2))
        try:
            await self._execute_job(context)
        finally:
            self._heartbeat.remove_lease(context.lease)
            self._remove_running(context)

    async def _execute_job(self, context: JobContext) -> None:
        try:
            await self._answer_job(context)
        except redis.RedisError as error:
            if is_poison_error(error):
                await self._quarantine_job(context, error)
            else:
                self._leave_job(context, error)
        except (OSError, MemoryError) as error:
            # This process lacks files or memory: another one, or a later attempt, may succeed.
            self._leave_job(context, error)
        except asyncio.CancelledError:
            if context.lost:
                self._abandon_job(context)
            else:
                await self._requeue_job(context)
        except Exception as error:  # noqa: BLE001 - the net of a job's task: the job is poison
            await self._quarantine_job(context, error)

    async def _answer_job(self, context: JobContext) -> None:
        try:
            outcome = await self._answer(context)
            self._failpoints.hit(Failpoint.BEFORE_FINISH)
            await self._finish_job(context, outcome)
        except RequeueError:
            await self._requeue_job(context)
        except AppRefusedError as error:
            # Behind the others: if Slack refuses this job alone, it must not hold them up.
            await self._requeue_job(context, to_back=error.on_trial)
        except SlackUnavailableError:
            await self._finish_job(context, Outcome.UNSENT)
        except LeaseLostError:
            self._abandon_job(context)

    async def _finish_job(self, context: JobContext, outcome: Outcome) -> None:
        """Record the end. The reply is already posted, so retry until Redis is back."""
        await self._retry_until_redis(lambda: self._worker.release_quota(context.lease.job_id))
        self._failpoints.hit(Failpoint.AFTER_FINISH)
        self._metrics.count_outcome(str(outcome))
        await self._retry_until_redis(lambda: self._worker.record_outcome(context, outcome))
        log.info("job ended", job=context.lease.job_id, outcome=str(outcome))

    async def _retry_until_redis(self, call: Callable[[], None]) -> None:
        while True:
            try:
                await self.run_in_thread(call)
            except (redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError):
                await asyncio.sleep(REDIS_RETRY_SECONDS)
            else:
                return

    async def _requeue_job(self, context: JobContext, *, to_back: bool = False) -> None:
        # Removed first: a drain must not cancel a job that is being requeued already.
        self._remove_running(context)
        refunded = 1 if context.attempt_refundable else 0
        try:
            requeued = await self.run_in_thread(
                partial(self._worker.requeue_job, context, refunded, to_back=to_back)
            )
        except redis.RedisError:
            requeued = False
        self._metrics.count_outcome("requeued")
        log.info("job requeued", job=context.lease.job_id, requeued=requeued)

    async def _quarantine_job(self, context: JobContext, error: Exception) -> None:
        log.error("job failed", job=context.lease.job_id, exc_info=error)
        await self._retry_until_redis(lambda: self._worker.quarantine_job(context.lease.job_id))
        self._worker.forget_execution(context)
        self._metrics.count_outcome("quarantined")

    def _leave_job(self, context: JobContext, error: Exception) -> None:
        """Leave a job to the reaper: Redis did not answer, or this process lacks resources."""
        self._worker.forget_execution(context)
        log.warning("job left to recovery", job=context.lease.job_id, error=type(error).__name__)

    def _abandon_job(self, context: JobContext) -> None:
        self._worker.forget_execution(context)
        self._metrics.count_outcome("lost")
        log.warning("job lost to another worker", job=context.lease.job_id)

    def _remove_running(self, context: JobContext) -> None:
        if self._running.get(context.lease.job_id) is context:
            del self._running[context.lease.job_id]

    # -- signals from outside

    def cancel_lost(self, lease: Lease) -> None:
        """Cancel a job whose lease another worker has."""
        context = self._running.get(lease.job_id)
        if context is not None and context.lease == lease:
            context.cancel_lost()

    def stop_job(self, job_id: str) -> None:
        """Stop a job for its reader; the reply keeps the text so far."""
        context = self._running.get(job_id)
        if context is not None:
            log.info("job stopped", job=job_id)
            context.stopped.set()

    def mark_edited(self, job_id: str) -> None:
        """Interrupt a job whose question was edited; it runs again with the new text."""
        context = self._running.get(job_id)
        if context is not None:
            log.info("job edited", job=job_id)
            context.edited.set()

    def stop_taking(self) -> None:
        """Take no more jobs."""
        self._closing.set()

    async def drain_jobs(self, requeue_now: asyncio.Event, grace_seconds: float) -> None:
        """
        Let running jobs finish for `grace_seconds`, or until `requeue_now`; requeue the rest.

        If Redis does not answer, jobs are left to the recovery by another worker.
        """
        tasks = set(self._tasks)
        if tasks:
            requeue_wait = asyncio.create_task(requeue_now.wait())
            all_done = asyncio.create_task(asyncio.wait(tasks))
            await asyncio.wait(
                {requeue_wait, all_done}, timeout=grace_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            requeue_wait.cancel()
            self._requeueing = True
            await cancel_and_wait(c.task for c in self._running.values() if c.task is not None)
            await asyncio.wait({all_done}, timeout=STOP_STEP_SECONDS)

    async def end_threads(self) -> None:
        """End the threads of `run_in_thread`, once nothing calls it any more."""
        ending = asyncio.create_task(asyncio.to_thread(self._threads.shutdown, cancel_futures=True))
        await asyncio.wait({ending}, timeout=STOP_STEP_SECONDS)

    def notice_follower(self) -> None:
        """Look again whether there is room for a job: one may use the slot of another."""
        self._has_followers.set()

    async def _wait_for_room(self) -> None:
        """Wait until a job ends or uses the slot of another one, or the consumer is closing."""
        self._has_followers.clear()
        signals = {asyncio.create_task(e.wait()) for e in (self._closing, self._has_followers)}
        await asyncio.wait({*signals, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
        for waiting in signals:
            waiting.cancel()

    async def _sleep_unless_closing(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)
