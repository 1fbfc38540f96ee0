"""
The bot's messages in one Slack thread: posted exactly once, edited, deleted and found again.

Each message carries metadata with its job and part number. After an unknown outcome the thread is
searched for the message before it is posted again.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from contract import keys
from contract.authorship import AppAuthor
from contract.job import Job
from contract.reply_files import FILES_FIELD
from contract.slack_budget import Priority
from worker.errors import SlackUnavailableError, ThreadGoneError
from worker.render.model import Message
from worker.slack.client import (
    LeaseCheck,
    SlackClient,
    UnknownOutcomeError,
)
from worker.slack.file_uploads import FileUploads
from worker.slack.methods import (
    DELETE_FILE,
    DELETE_MESSAGE,
    LIST_REPLIES,
    POST_MESSAGE,
    UPDATE_MESSAGE,
)

FIRST_PART: Final = 1
"""Part number of the placeholder, which becomes the first part of the reply."""
PAGE_SIZE: Final = 200
"""Messages of a page of `conversations.replies`."""
MAX_PAGES: Final = 25
"""Maximum pages of one search."""
SEARCH_DELAYS_SECONDS: Final = (0.3, 0.7, 1.5)
"""Seconds before each repeated search: Slack may list a new message a moment after its post."""


class ReplyState(StrEnum):
    """State of a reply, as its metadata says."""

    PLACEHOLDER = "placeholder"
    GROWING = "growing"
    FINAL = "final"
    ERROR = "error"
    POINTER = "pointer"
    """It points to an earlier answer, and is no turn of the conversation."""


END_STATES: Final = frozenset({ReplyState.FINAL, ReplyState.ERROR, ReplyState.POINTER})
"""States of a part that is not changed any more."""

PRIORITY_BY_STATE: Final[Mapping[str, Priority]] = {
    ReplyState.PLACEHOLDER: Priority.REPLY,
    ReplyState.GROWING: Priority.REPLY,
    ReplyState.FINAL: Priority.FINAL,
    ReplyState.ERROR: Priority.FINAL,
    ReplyState.POINTER: Priority.FINAL,
}


@dataclass(frozen=True, slots=True)
class OwnMessages:
    """
    The bot's messages of one job: `ts` by part number, and the ids of the thread's files.

    `finished` are the numbers of the parts in an end state.
    """

    parts: dict[int, str] = field(default_factory=dict)
    file_ids: frozenset[str] = frozenset()
    question_exists: bool = True
    finished: frozenset[int] = frozenset()
    first: dict[str, Any] = field(default_factory=dict)
    """The first part as Slack has it."""


class ThreadMessages:
    """Messages of one job's thread. Every call is retried until `deadline` (s, monotonic)."""

    def __init__(self, slack: SlackClient, job: Job, deadline: float) -> None:
        self._slack = slack
        self._job = job
        self._deadline = deadline
        self._channel: dict[str, Any] = {"channel": job.thread.channel}
        self.files = FileUploads(slack, job, self.has_file)

    def _build_metadata(self, part: int, state: str, files: str | None = None) -> dict[str, Any]:
        payload = {"job": self._job.id, "part": part, "question": self._job.ts, "state": state}
        payload |= {} if files is None else {FILES_FIELD: files}
        return {"event_type": keys.METADATA_EVENT_TYPE, "event_payload": payload}

    async def _call_slack(
        self, method: Any, priority: Priority = Priority.FINAL, **arguments: Any
    ) -> dict[str, Any]:
        return await self._slack.call(
            method, self._job.thread.team, arguments, self._deadline, priority
        )

    async def post_part(self, message: Message, part: int, state: str) -> str:
        """
        Post one part of the reply, exactly once; return its `ts`.

        Raises `SlackUnavailableError` at the deadline, and the errors of `SlackClient.call`.
        """
        while True:
            try:
                response = await self._call_slack(
                    POST_MESSAGE,
                    PRIORITY_BY_STATE[state],
                    **self._channel,
                    thread_ts=self._job.thread.ts,
                    text=message.text,
                    blocks=message.blocks,
                    metadata=self._build_metadata(part, state),
                    mrkdwn=False,
                    parse="none",
                    link_names=False,
                    unfurl_links=False,
                    unfurl_media=False,
                )
            except UnknownOutcomeError:
                found = (await self.wait_for_part(part)).parts.get(part)
                if found is not None:
                    return found
                if time.monotonic() > self._deadline:
                    raise SlackUnavailableError from None
                continue
            return str(response["ts"])

    async def edit_message(
        self, ts: str, message: Message, state: str, part: int = 1, files: str | None = None
    ) -> None:
        """
        Edit a message, with retries until the deadline.

        `files` are the ids of the whole reply's files, for a first part in an end state.
        """
        await self._call_slack(UPDATE_MESSAGE, **self._build_edit(ts, message, state, part, files))

    async def edit_if_allowed(
        self,
        ts: str,
        message: Message,
        state: str,
        check_lease: LeaseCheck,
        priority: Priority = Priority.BACKGROUND,
    ) -> None:
        """Edit a message once. Raises `RetryLaterError` if the rate limit does not allow it now."""
        arguments = self._build_edit(ts, message, state, 1)
        team = self._job.thread.team
        await self._slack.call_once(UPDATE_MESSAGE, team, arguments, check_lease, priority)

    def _build_edit(
        self, ts: str, message: Message, state: str, part: int, files: str | None = None
    ) -> dict[str, Any]:
        return {
            **self._channel,
            "ts": ts,
            "text": message.text,
            "blocks": message.blocks,
            "metadata": self._build_metadata(part, state, files),
            "parse": "none",
            "link_names": False,
        }

    async def delete_message(self, ts: str) -> None:
        """Delete a message, if it still exists."""
        try:
            await self._call_slack(DELETE_MESSAGE, **self._channel, ts=ts)
        except ThreadGoneError:
            return

    async def delete_file(self, file_id: str) -> None:
        """Delete a file. Raises `RejectedError` if it does not exist."""
        await self._call_slack(DELETE_FILE, file=file_id)

    async def has_file(self, file_id: str) -> bool:
        """Return whether the thread shows a file; search several times if it does not."""
        found = await self._search_until(lambda found: file_id in found.file_ids)
        return file_id in found.file_ids

    async def wait_for_part(self, part: int) -> OwnMessages:
        """Search for a part of the reply, several times if it does not appear."""
        return await self._search_until(lambda found: part in found.parts)

    async def _search_until(self, is_found: Callable[[OwnMessages], bool]) -> OwnMessages:
        found = await self.find_own()
        for delay in SEARCH_DELAYS_SECONDS:
            if is_found(found):
                break
            await asyncio.sleep(delay)
            found = await self.find_own()
        return found

    async def find_own(self) -> OwnMessages:
        """Search the thread, from the question on, for the bot's messages of this job."""
        author = await self._slack.find_author(self._deadline)
        parts: dict[int, str] = {}
        file_ids: set[str] = set()
        finished: set[int] = set()
        question_exists, cursor, first = False, "", dict[str, Any]()
        for _ in range(MAX_PAGES):
            page = await self._call_slack(
                LIST_REPLIES,
                Priority.REPLY,
                **self._channel,
                ts=self._job.thread.ts,
                oldest=self._job.ts,
                inclusive="true",
                include_all_metadata="true",
                limit=PAGE_SIZE,
                **({"cursor": cursor} if cursor else {}),
            )
            for message in page.get("messages", []):
                question_exists = question_exists or (
                    message.get("ts") == self._job.ts and message.get("subtype") != "tombstone"
                )
                payload = self._read_payload(message, author)
                part = payload.get("part", FIRST_PART)
                if payload and isinstance(part, int):
                    parts.setdefault(part, str(message["ts"]))
                    first = message if part == FIRST_PART and not first else first
                    finished |= {part} if payload.get("state") in END_STATES else set()
                file_ids |= {str(file["id"]) for file in message.get("files", [])}
            previous_cursor = cursor
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
            if cursor in {"", previous_cursor}:
                break
        return OwnMessages(parts, frozenset(file_ids), question_exists, frozenset(finished), first)

    def _read_payload(self, message: dict[str, Any], author: AppAuthor) -> dict[str, Any]:
        """Return the metadata of a part of the job's reply; empty for any other message."""
        metadata = message.get("metadata")
        if not isinstance(metadata, dict) or not author.is_author_of(message):
            return {}
        payload = metadata.get("event_payload")
        is_reply = metadata.get("event_type") == keys.METADATA_EVENT_TYPE
        if not is_reply or not isinstance(payload, dict) or payload.get("job") != self._job.id:
            return {}
        return payload
