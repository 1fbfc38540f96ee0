"""A question and the means to reply to it, as a worker has them that has just taken it."""

import asyncio
import time
from collections.abc import Callable
from uuid import uuid4

from redis.asyncio import Redis

from contract import keys
from contract.job import Job
from testing.worker_harness import Desk, words
from testing.workspace import Json, Messages
from worker import render
from worker.failpoints import Faults
from worker.jobs.job_state import Ledger
from worker.jobs.leases import JOB, Fence, Lease
from worker.render import Facts, Message
from worker.slack.client import Slack
from worker.slack.reply_message import Posting
from worker.slack.thread_messages import SlackThread

SIGN = render.growing("")
FACTS = Facts(model="tiny", reason="stop", max_new_tokens=9)
PACE = 0.05
"""Seconds between edits."""


class Post:
    """One question; every `taken` is another execution of its job."""

    def __init__(self, desk: Desk, client: Redis, slack: Slack, job: Job) -> None:
        self.desk = desk
        self.client = client
        self.slack = slack
        self.job = job

    async def taken(self, patience: float = 30.0) -> Posting:
        """Let a new execution take the job."""
        lease = Lease(self.job.id, uuid4().hex)
        await self.client.set(keys.lease(self.job.id), lease.execution, ex=600)
        await self.client.hset(self.key, "status", "started")
        self.ledger = Ledger(self.client, Fence(self.client, 600), lease)
        thread = SlackThread(self.slack, self.job, time.monotonic() + patience)
        return Posting(thread, self.ledger, self.job, Faults(), PACE)

    async def opened(self) -> Posting:
        """Let a new execution take the job and show that it has."""
        posting = await self.taken()
        await posting.open(await self.ledger.read(), SIGN)
        return posting

    async def finished(self, *parts: render.Part, again: bool = False) -> None:
        """Let a new execution show a finished reply."""
        posting = await self.opened()
        await posting.finish(parts, state="final", again=again)

    async def sees(self, enough: Callable[[Messages], bool]) -> Messages:
        """Wait until a person sees enough of ours in the thread."""

        def look() -> Messages | None:
            return self.shown if enough(self.shown) else None

        return await asyncio.to_thread(self.desk.workspace.wait_until, look)

    @property
    def key(self) -> str:
        """Where Redis has the job."""
        return JOB + self.job.id

    @property
    def shown(self) -> Messages:
        """What stands in the thread of ours."""
        return self.desk.said_by_us(self.job)


def message(text: str) -> Message:
    """Return a finished reply of one part."""
    [part] = render.final(text, facts=FACTS)
    assert isinstance(part, Message)
    return part


def of(shown: Json) -> str:
    """Return what a message of ours says, or the file that it shows."""
    return words([shown]) or str(shown["files"][0]["name"])
