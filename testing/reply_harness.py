"""Reply harness: a question, and the parts of a worker that reply to it."""

import asyncio
import time
from collections.abc import Callable
from uuid import uuid4

from redis.asyncio import Redis
from slack_sdk.web.async_client import AsyncWebClient

from contract import keys
from contract.job import Job
from contract.language import Language
from testing.worker_harness import WorkerHarness, reply_text
from testing.workspace import Json, Messages
from worker import render
from worker.answering.answer_cache import AnswerCache
from worker.answering.pipeline import ThreadSources
from worker.failpoints import Failpoints
from worker.files.downloads import FileDownloads
from worker.files.file_cache import FileCache
from worker.files.file_reader import FileReader
from worker.jobs.job_state import JobState
from worker.jobs.leases import JOB_PREFIX, Lease
from worker.metrics import Metrics
from worker.render import Message, ReplyFacts
from worker.slack.client import SlackClient
from worker.slack.rate_limits import TokenBuckets
from worker.slack.reply_message import ReplyMessage
from worker.slack.thread_messages import ThreadMessages

PLACEHOLDER = render.texts.WRITING
FACTS = ReplyFacts(model="tiny", finish_reason="stop", max_new_tokens=9)
EDIT_INTERVAL_SECONDS = 0.05
"""Interval between edits."""


class ReplyHarness:
    """One question; each `take_job` is another execution of its job."""

    def __init__(self, harness: WorkerHarness, client: Redis, web: AsyncWebClient) -> None:
        """Post a question in the harness' workspace; `web` calls that workspace."""
        self.harness = harness
        self.client = client
        self.web = web
        self.slack = SlackClient(web, TokenBuckets(client), Metrics())
        self.job: Job = harness.post_question("What is a mutex?")

    async def take_job(
        self, within: float = 30.0, failpoints: Failpoints | None = None
    ) -> ReplyMessage:
        """Claim the job for a new execution."""
        lease = Lease(self.job.id, uuid4().hex)
        await self.client.set(keys.job_lease(self.job.id), lease.execution_id, ex=600)
        await self.client.hset(self.job_key, "status", "started")
        self.state = JobState(self.client, lease, 600)
        thread = ThreadMessages(self.slack, self.job, time.monotonic() + within)
        return ReplyMessage(
            thread, self.state, self.job, failpoints or Failpoints(), EDIT_INTERVAL_SECONDS
        )

    def open_sources(self) -> ThreadSources:
        """Return the worker's readers of earlier answers and of files."""
        downloads = FileDownloads(self.web, TokenBuckets(self.client), Metrics())
        reader = FileReader(self.slack, downloads, FileCache(self.client))
        return ThreadSources(AnswerCache(self.client), reader)

    async def open_reply(self) -> ReplyMessage:
        """Claim the job for a new execution, and post the placeholder."""
        message = await self.take_job()
        await message.ensure_placeholder(await self.state.load_progress(), PLACEHOLDER)
        return message

    async def finish_reply(self, *parts: render.Part, again: bool = False) -> None:
        """Claim the job for a new execution, and post a finished reply."""
        message = await self.open_reply()
        await message.publish_final(parts, state="final", may_exist=again)

    async def wait_for_messages(self, is_enough: Callable[[Messages], bool]) -> Messages:
        """Wait until the app's messages in the thread satisfy `is_enough`."""

        def find_messages() -> Messages | None:
            return self.visible_messages if is_enough(self.visible_messages) else None

        return await asyncio.to_thread(self.harness.workspace.wait_until, find_messages)

    @property
    def job_key(self) -> str:
        """Redis key of the job's hash."""
        return JOB_PREFIX + self.job.id

    @property
    def visible_messages(self) -> Messages:
        """The app's messages in the thread."""
        return self.harness.bot_messages(self.job)


async def compose_growing(text: str) -> Message:
    """Render a growing reply at once."""
    return render.compose_growing(text, Language.ENGLISH)


def build_message(text: str) -> Message:
    """Return a finished reply of one message."""
    [part] = render.compose_final(text, facts=FACTS)
    assert isinstance(part, Message)
    return part


def message_content(message: Json) -> str:
    """Return the reply text of a message, or the name of its file."""
    return reply_text([message]) or str(message["files"][0]["name"])
