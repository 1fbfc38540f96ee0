"""Later parts of a finished reply: each message and each file once, in their order."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

import structlog

from contract import keys
from contract.language import Language
from contract.reply_files import join_file_ids
from contract.surplus import Surplus
from worker.errors import NotAllowedError, ThreadGoneError
from worker.failpoints import Failpoint, Failpoints
from worker.jobs.job_state import JobState
from worker.render.file_messages import MAX_FILE_MESSAGES, compose_file_messages
from worker.render.model import Message, Part, Snippet
from worker.slack.client import RejectedError
from worker.slack.file_uploads import UploadFailedError
from worker.slack.thread_messages import FIRST_PART, OwnMessages, ThreadMessages

log = structlog.get_logger()

IN_MESSAGES_PREFIX: Final = "starchat_in_messages_"
"""Prefix of job hash fields: this part of the reply is posted as messages instead of a file."""
NUMBERS_PER_FILE: Final = MAX_FILE_MESSAGES
"""Part numbers of a file: each message that may replace it has one."""


async def list_files(state: JobState) -> str:
    """Return the files of the reply, also those of an old version that are left, as metadata."""
    shared = await state.read_fields(keys.FILE_ID_PREFIX)
    left = Surplus.from_json(await state.read_field(keys.SURPLUS))
    return join_file_ids([*left.files, *shared.values()])


class LaterParts:
    """Publishes the parts of one reply after its first message."""

    def __init__(
        self,
        thread: ThreadMessages,
        state: JobState,
        failpoints: Failpoints,
        found: OwnMessages,
        *,
        shown_as: str,
        language: Language,
    ) -> None:
        """
        Post messages in the state `shown_as`, with our sentences in `language`.

        `found` are the messages of an earlier execution.
        """
        self._thread = thread
        self._state = state
        self._failpoints = failpoints
        self._found = found
        self._shown_as = shown_as
        self._language = language
        self._can_upload = True
        self._messages: dict[int, tuple[str, Message]] = {}

    async def publish_parts(self, parts: Sequence[Part]) -> None:
        """Publish the parts in order. Raises the errors of `ThreadMessages.post_part`."""
        number = FIRST_PART + 1
        for part in parts:
            await self._state.check_lease()
            if isinstance(part, Snippet):
                await self._publish_file(number, part)
                number += NUMBERS_PER_FILE
            else:
                await self._publish_message(number, part)
                number += 1

    async def set_state(self, state: str) -> None:
        """Set the state of the published messages."""
        for number, (ts, message) in self._messages.items():
            if number not in self._found.finished:
                await self._state.check_lease()
                # A part that a user has deleted, or that is too old to edit, needs no state.
                with contextlib.suppress(RejectedError, ThreadGoneError):
                    await self._thread.edit_message(ts, message, state, number)

    async def _publish_message(self, number: int, message: Message) -> None:
        ts = self._found.parts.get(number)
        if ts is None:
            ts = await self._thread.post_part(message, number, self._shown_as)
            self._failpoints.hit(Failpoint.AFTER_PART_POST)
        self._messages[number] = ts, message

    async def _publish_file(self, number: int, snippet: Snippet) -> None:
        field = f"{IN_MESSAGES_PREFIX}{number}"
        if not await self._state.read_field(field):
            try:
                await self._share_file(f"{keys.FILE_ID_PREFIX}{number}", snippet)
            except UploadFailedError as error:
                log.warning("file not uploaded", job=self._state.lease.job_id, reason=str(error))
                self._can_upload = False
                # Recorded before the first post: no later execution may upload the file too.
                await self._state.write_fields({field: "1"})
            else:
                return
        messages = await asyncio.to_thread(compose_file_messages, snippet, self._language)
        for offset, message in enumerate(messages):
            await self._state.check_lease()
            await self._publish_message(number + offset, message)

    async def _share_file(self, field: str, snippet: Snippet) -> None:
        file_id = await self._state.read_field(field)
        if not file_id:
            if not self._can_upload:
                raise UploadFailedError("an earlier file failed")
            file_id = await self._thread.files.upload_file(snippet)
            await self._state.write_fields({field: file_id})
            self._failpoints.hit(Failpoint.AFTER_FILE_UPLOADED)
        elif file_id in self._found.file_ids or await self._thread.has_file(file_id):
            return
        await self._thread.files.share_file(file_id, snippet)
        self._failpoints.hit(Failpoint.AFTER_FILE_POST)


class SurplusParts:
    """Parts of a finished reply that a new version replaces: its later messages and its files."""

    def __init__(self, thread: ThreadMessages, state: JobState, failpoints: Failpoints) -> None:
        self._thread = thread
        self._state = state
        self._failpoints = failpoints

    async def is_left(self) -> bool:
        """Return whether the old version still has its later parts."""
        return bool(await self._state.read_field(keys.SURPLUS))

    async def delete_old(self) -> None:
        """Delete the later parts of the old version, once."""
        field = await self._state.read_field(keys.SURPLUS)
        if field:
            await self._delete(Surplus.from_json(field))
            self._failpoints.hit(Failpoint.AFTER_SURPLUS_DELETED)
            await self._state.write_fields({keys.SURPLUS: ""})

    async def delete_new(self) -> None:
        """Delete what a new version has posted besides the first message."""
        found = await self._thread.find_own()
        later = [ts for part, ts in found.parts.items() if part != FIRST_PART]
        shared = await self._state.read_fields(keys.FILE_ID_PREFIX)
        await self._delete(
            Surplus(messages=tuple(later), files=tuple(filter(None, shared.values())))
        )
        in_messages = await self._state.read_fields(IN_MESSAGES_PREFIX)
        if shared or in_messages:
            await self._state.write_fields(dict.fromkeys((*shared, *in_messages), ""))

    async def _delete(self, surplus: Surplus) -> None:
        for ts in surplus.messages:
            await self._state.check_lease()
            with contextlib.suppress(RejectedError):
                await self._thread.delete_message(ts)
        for file in surplus.files:
            await self._state.check_lease()
            with contextlib.suppress(RejectedError, ThreadGoneError, NotAllowedError):
                await self._thread.delete_file(file)
