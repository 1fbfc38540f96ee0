"""
Slack's agent sessions: while a thread's session is `processing`, Slack draws its own Stop.

A session is an extra: its calls take what the budget leaves, and no reply waits for them. Redis
holds which sessions may be `processing` before the call is made. A bot ends those that a dead
worker has left: see `bot/handlers/stops/sessions.py`. Where an app, a plan or a workspace has no
sessions, all workers leave them out for an hour.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from contract import keys
from contract.job import Job, Thread
from worker.aio import cancel_and_wait
from worker.errors import (
    AppRefusedError,
    NotAllowedError,
    SilentOutcomeError,
    SlackUnavailableError,
)
from worker.slack.client import RejectedError, RetryLaterError, SlackClient
from worker.slack.methods import SET_SESSION_STATUS
from worker.slack.session_titles import SessionTitles

log = structlog.get_logger()

CHECK_SECONDS: Final = 30
"""Seconds after which a bot looks whether a thread still has a job."""
MISSING_SUBSCRIPTION: Final = "missing_agent_session_stopped_event_subscription"
"""Slack's warning that its Stop has no effect."""
REFUSED: Final[dict[str, Any]] = {"ok": False}
"""Response of a Slack that does not set this status."""
CHANNEL_ERRORS: Final = frozenset({"channel_not_found", "not_in_channel", "is_archived"})
"""Errors of one channel, which say nothing about the workspace."""


class AgentSessions:
    """Sessions of the threads in which this worker replies."""

    def __init__(self, slack: SlackClient, connection: Redis) -> None:
        """`connection` must decode responses."""
        self._slack = slack
        self._redis = connection
        self._titles = SessionTitles(slack, connection)
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def show_processing(self, job: Job) -> AsyncIterator[None]:
        """
        Show that the thread of a job is processed until the context ends.

        After an error the session stays `processing`: another execution continues the job.
        """
        begun = self._start_task(self._begin(job))
        yield
        self._start_task(self._end(job.thread, begun))

    async def wait_for_tasks(self) -> None:
        """Wait until the calls in progress have ended."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def stop_tasks(self) -> None:
        """Cancel the calls in progress; a bot ends the sessions that are left."""
        await cancel_and_wait(set(self._tasks))

    def _start_task(self, step: Any) -> "asyncio.Task[None]":
        task: asyncio.Task[None] = asyncio.create_task(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _begin(self, job: Job) -> None:
        thread = job.thread
        with contextlib.suppress(RedisError):
            if await self._redis.exists(keys.session_latch(thread.team)):
                return
            # Before the call: a bot ends the session if this worker dies.
            await self._redis.zadd(
                keys.session_schedule(thread.team),
                {
                    keys.session_member(thread.channel, thread.ts): await self._read_clock()
                    + CHECK_SECONDS
                },
            )
            answer = await self._set_status(thread, "processing")
            if answer == REFUSED:
                await self._redis.zrem(
                    keys.session_schedule(thread.team),
                    keys.session_member(thread.channel, thread.ts),
                )
            elif answer is not None and answer.get("warning") == MISSING_SUBSCRIPTION:
                await self._latch(thread.team, MISSING_SUBSCRIPTION)
            if answer not in (REFUSED, None):
                await self._titles.name_session(job)

    async def _end(self, thread: Thread, begun: "asyncio.Task[None]") -> None:
        await asyncio.wait({begun})
        schedule, member = (
            keys.session_schedule(thread.team),
            keys.session_member(thread.channel, thread.ts),
        )
        with contextlib.suppress(RedisError):
            if await self._redis.zscore(schedule, member) is None:
                return
            queue = keys.thread_queue(thread.team, thread.channel, thread.ts)
            if await self._redis.llen(queue) > 1:
                # The thread's next job continues the session.
                return
            if await self._set_status(thread, "active") is not None:
                await self._redis.zrem(schedule, member)

    async def _set_status(self, thread: Thread, status: str) -> dict[str, Any] | None:
        """Set a session's status; return Slack's response, `None` if it may be repeated."""
        arguments = {"channel_id": thread.channel, "thread_ts": thread.ts, "status": status}
        try:
            return await self._slack.call_once(
                SET_SESSION_STATUS, thread.team, arguments, _check_nothing
            )
        except (RejectedError, NotAllowedError) as error:
            if str(error) not in CHANNEL_ERRORS:
                await self._latch(thread.team, str(error))
            return REFUSED
        except (RetryLaterError, SilentOutcomeError, SlackUnavailableError, AppRefusedError):
            log.info("session status not set", channel=thread.channel, status=status)
        return None

    async def _latch(self, team: str, reason: str) -> None:
        """Leave sessions out of a workspace for an hour."""
        log.warning("agent sessions left out", team=team, reason=reason)
        await self._redis.set(keys.session_latch(team), "1", ex=keys.SECONDS_PER_HOUR)

    async def _read_clock(self) -> float:
        seconds, micros = await self._redis.time()
        return float(seconds + micros / 1e6)


async def _check_nothing() -> None:
    """Check no lease: a status that is set late does no harm."""
