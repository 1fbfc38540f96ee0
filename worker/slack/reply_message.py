"""
Reply message: one placeholder, streaming edits, one final.

Every effect in Slack follows a check of the lease, and its intent is recorded in the job's state.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Self

import structlog

from contract import keys
from contract.job import Job, Streaming
from worker import render
from worker.errors import LeaseLostError
from worker.failpoints import Failpoint, Failpoints
from worker.jobs.job_state import JobProgress, JobState
from worker.render.model import Message, Part, Snippet
from worker.slack.client import NotEditableError, RejectedError, RetryLaterError
from worker.slack.thread_messages import ReplyState, ThreadMessages

log = structlog.get_logger()

BACKOFF_FACTOR: Final = 1.25
"""Factor by which the interval between edits grows, so that a long reply needs few calls."""
MAX_EDIT_INTERVAL_SECONDS: Final = 6.0
"""Maximum seconds between two edits."""
FIRST_PART: Final = 1
"""Part number of the placeholder, which becomes the first part of the reply."""
OWNER_POLL_DELAYS_SECONDS: Final = (0.3, 0.3, 0.4)
"""Seconds between reads of the `ts` that a live owner records right after its post."""


RenderText = Callable[[str], Awaitable[Message]]


class ReplyMessage:
    """Message of one job's reply. `state` is the job's durable state."""

    def __init__(
        self,
        thread: ThreadMessages,
        state: JobState,
        job: Job,
        failpoints: Failpoints,
        edit_interval: float,
    ) -> None:
        """Edit at most once per `edit_interval` seconds."""
        self._thread = thread
        self.state = state
        self._job = job
        self._failpoints = failpoints
        self._edit_interval = edit_interval
        self._ts: str | None = None
        self._last_message: Message | None = None
        self._last_edit_at = -float("inf")
        self._not_editable = False

    async def ensure_placeholder(self, progress: JobProgress, status: Message | None) -> None:
        """
        Ensure that the thread has exactly one placeholder.

        If the bot or an earlier execution has posted one, adopt it and show `status` in it.
        Without a `status` it stays as it is, because the final follows at once.
        """
        owner = f"worker:{self.state.lease.execution_id}"
        self._ts = progress.placeholder
        if self._ts is None:
            first_owner = await self.state.set_once(keys.PLACEHOLDER_OWNER, owner)
            if first_owner != owner:
                self._ts = await self._adopt_placeholder(first_owner)
        if self._ts is None:
            await self._post_first(status or render.compose_growing(""))
        elif status is not None:
            await self.show_status(status)

    async def _adopt_placeholder(self, first_owner: str) -> str | None:
        """Find the placeholder that `first_owner` intended to post, if it exists."""
        delays = () if first_owner.startswith("worker:") else OWNER_POLL_DELAYS_SECONDS
        for delay in (0.0, *delays):
            await asyncio.sleep(delay)
            ts = await self.state.read_field(keys.PLACEHOLDER)
            if ts:
                return ts
        found = (await self._thread.wait_for_part(FIRST_PART)).parts.get(FIRST_PART)
        return None if found is None else await self.state.set_once(keys.PLACEHOLDER, found)

    async def _post_first(self, message: Message, state: str = ReplyState.PLACEHOLDER) -> None:
        await self.state.check_lease()
        self._failpoints.hit(Failpoint.BEFORE_PLACEHOLDER)
        posted_ts = await self._thread.post_part(message, FIRST_PART, state)
        self._failpoints.hit(Failpoint.AFTER_PLACEHOLDER_POST)
        try:
            self._ts = await self.state.set_once(keys.PLACEHOLDER, posted_ts)
        except LeaseLostError:
            self._ts = await self.state.read_field(keys.PLACEHOLDER)
            raise
        finally:
            # If another placeholder is recorded, this one is a duplicate.
            if self._ts != posted_ts:
                await self._thread.delete_message(posted_ts)
        self._failpoints.hit(Failpoint.AFTER_PLACEHOLDER_SAVED)
        self._last_message, self._last_edit_at = message, time.monotonic()

    async def show_status(self, message: Message) -> None:
        """Show what the reply waits for, unless the rate limit does not allow an edit now."""
        if message == self._last_message or self._ts is None:
            return
        with contextlib.suppress(RetryLaterError, RejectedError):
            check = self.state.check_lease
            await self._thread.edit_if_allowed(self._ts, message, ReplyState.PLACEHOLDER, check)
            self._last_message, self._last_edit_at = message, time.monotonic()

    def stream_edits(self, render: RenderText) -> "StreamingEdits":
        """Return a context manager that shows the text while it is generated."""
        is_silent = self._job.streaming is Streaming.OFF
        return StreamingEdits(self, render, self._edit_interval, is_silent=is_silent)

    async def update_text(self, message: Message) -> None:
        """Show the text so far. Raises `RetryLaterError` if the rate limit forbids it now."""
        if message == self._last_message or self._ts is None or self._not_editable:
            return
        try:
            check = self.state.check_lease
            await self._thread.edit_if_allowed(self._ts, message, ReplyState.GROWING, check)
        except RejectedError as error:
            self._not_editable = isinstance(error, NotEditableError)
            log.warning("edit refused", job=self._job.id, error=str(error))
        self._last_message, self._last_edit_at = message, time.monotonic()

    def seconds_until_next_edit(self, edits: int) -> float:
        """Return the seconds until the next edit, after `edits` edits."""
        interval = min(MAX_EDIT_INTERVAL_SECONDS, self._edit_interval * BACKOFF_FACTOR**edits)
        return max(0.0, self._last_edit_at + interval - time.monotonic())

    async def publish_final(self, parts: Sequence[Part], *, state: str, may_exist: bool) -> None:
        """
        Publish the finished reply: the first part replaces the placeholder, the others follow.

        With `may_exist`, search first for the parts that an earlier execution has posted.
        """
        first, *others = parts
        assert isinstance(first, Message)  # noqa: S101 - a file follows the message that names it
        if self._ts is None:
            await self._post_first(first)
        await self.state.check_lease()
        try:
            await self._thread.edit_message(str(self._ts), first, state)
        except NotEditableError:
            await self._replace_placeholder(str(self._ts), first, state)
        self._failpoints.hit(Failpoint.AFTER_FINAL)
        found = await self._thread.find_own() if others and may_exist else None
        for number, part in enumerate(others, FIRST_PART + 1):
            await self.state.check_lease()
            if isinstance(part, Snippet):
                await self._publish_file(number, part, found.file_ids if found else frozenset())
            elif not (found and number in found.parts):
                await self._thread.post_part(part, number, state)
                self._failpoints.hit(Failpoint.AFTER_PART_POST)

    async def _replace_placeholder(self, old_ts: str, first: Message, state: str) -> None:
        """Post the reply as a new message, because Slack forbids edits of the placeholder."""
        log.info("placeholder replaced", job=self._job.id)
        # Cleared before the deletion: a later execution then searches the thread for a message.
        await self.state.write_fields({keys.PLACEHOLDER: ""})
        with contextlib.suppress(RejectedError):
            await self._thread.delete_message(old_ts)
        await self._post_first(first, state)

    async def _publish_file(self, number: int, snippet: Snippet, shared: frozenset[str]) -> None:
        file_id = await self.state.read_field(f"{keys.FILE_ID_PREFIX}{number}")
        if file_id is None:
            file_id = await self._thread.upload_file(snippet)
            await self.state.write_fields({f"{keys.FILE_ID_PREFIX}{number}": file_id})
            self._failpoints.hit(Failpoint.AFTER_FILE_UPLOADED)
        elif file_id in shared or await self._thread.has_file(file_id):
            return
        await self._thread.share_file(file_id, snippet)
        self._failpoints.hit(Failpoint.AFTER_FILE_POST)

    async def withdraw_if_deleted(self) -> bool:
        """If the question was deleted, delete the reply; return whether it was."""
        found = await self._thread.find_own()
        if found.question_exists:
            return False
        for ts in sorted({*found.parts.values(), *filter(None, [self._ts])}):
            await self.state.check_lease()
            await self._thread.delete_message(ts)
        return True


class StreamingEdits:
    """Edits the placeholder while text arrives: the newest text only, one edit at a time."""

    def __init__(
        self, message: ReplyMessage, render: RenderText, edit_interval: float, *, is_silent: bool
    ) -> None:
        """With `is_silent`, show no text before the final."""
        self._message = message
        self._render = render
        self._edit_interval = edit_interval
        self._is_silent = is_silent
        self._text = ""
        self._text_changed = asyncio.Event()
        self._finished = asyncio.Event()
        self._edit_task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if not self._is_silent:
            self._edit_task = asyncio.create_task(self._edit_loop())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._finished.set()
        self._text_changed.set()
        if self._edit_task is None:
            return
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            self._edit_task.cancel()
            return
        # Await an edit in flight: if cancelled, it could reach Slack after the final.
        await self._edit_task

    async def show_text(self, text: str) -> None:
        """Show this text at the next edit. Raises the error of an earlier edit, if one failed."""
        self._text = text
        self._text_changed.set()
        if self._edit_task is not None and self._edit_task.done():
            await self._edit_task

    async def _edit_loop(self) -> None:
        edits, min_delay = 0, 0.0
        while True:
            await self._text_changed.wait()
            with contextlib.suppress(TimeoutError):
                delay = max(self._message.seconds_until_next_edit(edits), min_delay, 0.001)
                await asyncio.wait_for(self._finished.wait(), delay)
            if self._finished.is_set():
                return
            self._text_changed.clear()
            try:
                await self._message.update_text(await self._render(self._text))
                min_delay = 0.0
            except RetryLaterError:
                self._text_changed.set()
                min_delay = self._edit_interval
            edits += 1
