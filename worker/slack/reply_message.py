"""
Reply message: one placeholder, streaming edits, one final.

Every effect in Slack follows a check of the lease, and its intent is recorded in the job's state.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Final

import structlog
from redis.exceptions import RedisError

from contract import keys
from contract.job import Job, Streaming
from contract.language import Translatable
from contract.reply_controls import Block
from contract.slack_budget import Priority
from contract.stop import build_stop_block
from worker import render
from worker.errors import (
    LeaseLostError,
    NotAllowedError,
    SilentOutcomeError,
    SlackUnavailableError,
)
from worker.failpoints import Failpoint, Failpoints
from worker.jobs.job_state import JobProgress, JobState
from worker.render.file_messages import mark_incomplete
from worker.render.model import Json, Message, Part
from worker.slack.client import NotEditableError, RejectedError, RetryLaterError
from worker.slack.later_parts import LaterParts, SurplusParts, list_files
from worker.slack.streaming_edits import RenderText, StreamingEdits
from worker.slack.thread_messages import FIRST_PART, OwnMessages, ReplyState, ThreadMessages

log = structlog.get_logger()

BACKOFF_FACTOR: Final = 1.25
"""Factor by which the interval between edits grows, so that a long reply needs few calls."""
BLOCK_ERRORS: Final = frozenset({"invalid_blocks", "invalid_blocks_format", "block_mismatch"})
"""Slack's errors about a block that it does not know."""
MAX_EDIT_INTERVAL_SECONDS: Final = 6.0
"""Maximum seconds between two edits."""
POST_GRACE_SECONDS: Final = 10.0
"""Maximum seconds in which a canceled execution completes the post of its first message."""
OWNER_POLL_DELAYS_SECONDS: Final = (0.3, 0.3, 0.4)
"""Seconds between reads of the `ts` that a live owner records right after its post."""


class ReplyMessage:
    """
    Message of one job's reply.

    `state` is the job's durable state, `surplus` what a new version of the reply replaces.
    """

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
        self.surplus = SurplusParts(thread, state, failpoints)
        self._job = job
        self._failpoints = failpoints
        self._edit_interval = edit_interval
        self._ts: str | None = None
        self._last_message: Message | None = None
        self._last_edit_at = -float("inf")
        self._not_editable = False
        self._controls: Sequence[Block] = ()
        self._files: str | None = None

    async def ensure_placeholder(self, progress: JobProgress, status: Translatable | None) -> None:
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
            await self._post_first(self._compose_status(status or render.texts.WRITING))
        elif status is not None:
            # Before the edits of growing replies: a restart without a word looks like a fault.
            await self.show_status(status, Priority.REPLY)

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
        posting = asyncio.create_task(self._post_and_record(message, state))
        try:
            await asyncio.shield(posting)
        except asyncio.CancelledError:
            # Only this worker knows the message in flight, and learns whether it is a duplicate.
            await asyncio.wait([posting], timeout=POST_GRACE_SECONDS)
            posting.cancel()
            await asyncio.gather(posting, return_exceptions=True)
            raise
        self._failpoints.hit(Failpoint.AFTER_PLACEHOLDER_SAVED)
        self._last_message, self._last_edit_at = message, time.monotonic()

    async def _post_and_record(self, message: Message, state: str) -> None:
        """Post the first message and record it; delete it if another one is recorded."""
        posted_ts = await self._thread.post_part(message, FIRST_PART, state)
        self._failpoints.hit(Failpoint.AFTER_PLACEHOLDER_POST)
        try:
            self._ts = await self.state.set_once(keys.PLACEHOLDER, posted_ts)
        except (LeaseLostError, RedisError):
            # A later execution may have found this message, and may have finished it since.
            self._ts = await self.state.read_field(keys.PLACEHOLDER)
            await self._delete_duplicate(posted_ts)
            raise
        await self._delete_duplicate(posted_ts)

    async def _delete_duplicate(self, posted_ts: str) -> None:
        if self._ts != posted_ts:
            await self._thread.delete_message(posted_ts)

    def _compose_status(self, sentence: Translatable) -> Message:
        return self._add_button(render.compose_status(sentence, self._job.language))

    def _add_button(self, message: Message) -> Message:
        """Return a message of a reply in progress with the button that stops it."""
        button = build_stop_block(self._job.thread.ts, self._job.ts, self._job.language)
        return Message(message.text, [*message.blocks, button])

    async def show_status(
        self, sentence: Translatable, priority: Priority = Priority.BACKGROUND
    ) -> None:
        """Show what the reply waits for, unless the rate limit does not allow an edit now."""
        message = self._compose_status(sentence)
        if message == self._last_message or self._ts is None:
            return
        with contextlib.suppress(RetryLaterError, RejectedError):
            check = self.state.check_lease
            await self._thread.edit_if_allowed(
                self._ts, message, ReplyState.PLACEHOLDER, check, priority
            )
            self._last_message, self._last_edit_at = message, time.monotonic()

    def stream_edits(self, render: RenderText) -> StreamingEdits:
        """Return a context manager that shows the text while it is generated."""
        is_silent = self._job.streaming is Streaming.OFF
        return StreamingEdits(self, render, self._edit_interval, is_silent=is_silent)

    async def update_text(self, message: Message) -> None:
        """Show the text so far. Raises `RetryLaterError` if the rate limit forbids it now."""
        message = self._add_button(message)
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

    async def publish_final(
        self,
        parts: Sequence[Part],
        *,
        state: str,
        may_exist: bool,
        controls: Sequence[Block] = (),
    ) -> None:
        """
        Publish the finished reply: the first part replaces the placeholder, the others follow.

        The parts get their final `state` when all of them are there. With `may_exist`, search first
        for the parts that an earlier execution has posted. `controls` are the blocks below the
        first part: the last of them alone if Slack does not take all, or none.
        """
        first, *others = parts
        self._controls = controls
        assert isinstance(first, Message)  # noqa: S101 - a file follows the message that names it
        if self._ts is None:
            await self._post_first(first)
        found = await self._thread.find_own() if others and may_exist else OwnMessages()
        is_finished = not others or FIRST_PART in found.finished
        shown_as = state if is_finished else ReplyState.GROWING
        await self.state.check_lease()
        try:
            await self._edit_first(first, shown_as, state)
        except NotEditableError:
            await self._replace_placeholder(str(self._ts), first, state)
            shown_as = state
        self._failpoints.hit(Failpoint.AFTER_FINAL)
        await self._publish_later(first, others, found, shown_as=shown_as, state=state)

    async def _edit_first(self, first: Message, shown_as: str, state: str) -> None:
        """Edit the first part; if finished, it names the files, and has the controls."""
        self._files = files = await list_files(self.state) if shown_as == state else None
        while shown_as == state and self._controls:
            message = Message(first.text, [*first.blocks, *self._controls])
            try:
                await self._thread.edit_message(str(self._ts), message, state, files=files)
            except RejectedError as error:
                if str(error) not in BLOCK_ERRORS:
                    raise
                # A control is never worth a reply. The last block is the one that Slack knows best.
                self._controls = self._controls[1:]
                log.warning("controls refused", job=self._job.id, error=str(error))
            else:
                return
        await self._thread.edit_message(str(self._ts), first, shown_as, files=files)

    async def _publish_later(
        self,
        first: Message,
        others: Sequence[Part],
        found: OwnMessages,
        *,
        shown_as: str,
        state: str,
    ) -> None:
        """Publish the other parts in the state `shown_as`, then set the final `state` of all."""
        parts = (self._thread, self.state, self._failpoints, found)
        later = LaterParts(*parts, shown_as=shown_as, language=self._job.language)
        try:
            await later.publish_parts(others)
        except (RejectedError, NotAllowedError, SlackUnavailableError):
            await self._admit_gap(first)
            raise
        if shown_as != state:
            await later.set_state(state)
        # A first part that an earlier version had finished does not name the files yet.
        if shown_as != state or (others and self._files != await list_files(self.state)):
            await self.state.check_lease()
            # The first part's state comes last: it speaks for the whole reply.
            with contextlib.suppress(NotEditableError):
                await self._edit_first(first, state, state)

    async def _admit_gap(self, first: Message) -> None:
        """Say in the first part that later ones are missing, if Slack takes that."""
        await self.state.check_lease()
        files = await list_files(self.state)
        with contextlib.suppress(RejectedError, SilentOutcomeError, SlackUnavailableError):
            message = mark_incomplete(first, self._job.language)
            await self._thread.edit_message(str(self._ts), message, ReplyState.ERROR, files=files)

    async def _replace_placeholder(self, old_ts: str, first: Message, state: str) -> None:
        """Post the reply as a new message, because Slack forbids edits of the placeholder."""
        log.info("placeholder replaced", job=self._job.id)
        # Cleared before the deletion: a later execution then searches the thread for a message.
        await self.state.write_fields({keys.PLACEHOLDER: ""})
        with contextlib.suppress(RejectedError):
            await self._thread.delete_message(old_ts)
        await self._post_first(first, state)

    async def read_first(self) -> Json:
        """Return the first message of the reply as Slack has it; empty if it is not found."""
        return (await self._thread.find_own()).first

    async def withdraw_if_deleted(self) -> bool:
        """If the question was deleted, delete the reply; return whether it was."""
        found = await self._thread.find_own()
        if found.question_exists:
            return False
        for ts in sorted({*found.parts.values(), *filter(None, [self._ts])}):
            await self.state.check_lease()
            await self._thread.delete_message(ts)
        return True
