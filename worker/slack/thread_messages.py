"""Our own messages in one Slack thread: found by metadata, posted once, edited, deleted."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from contract import keys
from contract.job import Job
from worker.errors import ThreadGoneError
from worker.render.model import Message, Snippet
from worker.slack.client import (
    BusyError,
    Prove,
    RefusedError,
    Slack,
    SlackAwayError,
    UnknownOutcomeError,
)
from worker.slack.methods import COMPLETE, DELETE, POST, REPLIES, UPDATE, UPLOAD

PAGE: Final = 200
"""Messages read at once."""
PAGES: Final = 25
"""Pages read at most when looking for our own messages."""
LOOKS: Final = (0.3, 0.7, 1.5)
"""Seconds before each further look: a message just posted may not be readable at once."""


@dataclass(frozen=True, slots=True)
class Found:
    """Our messages of one job: `ts` by part number, and Slack's ids of the files in the thread."""

    parts: dict[int, str]
    files: frozenset[str]
    question: bool
    """Whether the message that asks is still there."""


class SlackThread:
    """One job's thread. Every call may take until `deadline` (s, monotonic)."""

    def __init__(self, slack: Slack, job: Job, deadline: float) -> None:
        self._slack = slack
        self._job = job
        self._deadline = deadline
        self._place = {"channel": job.thread.channel}

    def _metadata(self, part: int, state: str) -> dict[str, Any]:
        payload = {"job": self._job.id, "part": part, "question": self._job.ts, "state": state}
        return {"event_type": keys.METADATA_EVENT_TYPE, "event_payload": payload}

    async def _call(self, method: Any, **arguments: Any) -> dict[str, Any]:
        return await self._slack.call(method, self._job.thread.team, arguments, self._deadline)

    async def post(self, message: Message, part: int, state: str) -> str:
        """
        Post a message of ours and return its `ts`.

        After an unknown outcome it is looked for before it is posted again, so it is there once.
        """
        while True:
            try:
                answer = await self._call(
                    POST,
                    **self._place,
                    thread_ts=self._job.thread.ts,
                    text=message.text,
                    blocks=message.blocks,
                    metadata=self._metadata(part, state),
                    mrkdwn=False,
                    parse="none",
                    link_names=False,
                    unfurl_links=False,
                    unfurl_media=False,
                )
            except UnknownOutcomeError:
                found = (await self.look_for(part)).parts.get(part)
                if found is not None:
                    return found
                if time.monotonic() > self._deadline:
                    raise SlackAwayError from None
                continue
            return str(answer["ts"])

    async def edit(self, ts: str, message: Message, state: str, part: int = 1) -> None:
        """Replace a message, whatever it takes; doing it twice is harmless."""
        await self._call(UPDATE, **self._edited(ts, message, state, part))

    async def try_edit(self, ts: str, message: Message, state: str, prove: Prove) -> None:
        """Replace a message if the budget has room, right after `prove`. Raises `BusyError`."""
        arguments = self._edited(ts, message, state, 1)
        await self._slack.attempt(UPDATE, self._job.thread.team, arguments, prove)

    def _edited(self, ts: str, message: Message, state: str, part: int) -> dict[str, Any]:
        return {
            **self._place,
            "ts": ts,
            "text": message.text,
            "blocks": message.blocks,
            "metadata": self._metadata(part, state),
            "parse": "none",
            "link_names": False,
        }

    async def delete(self, ts: str) -> None:
        """Delete a message of ours; it may be gone already."""
        try:
            await self._call(DELETE, **self._place, ts=ts)
        except ThreadGoneError:
            return

    async def upload(self, snippet: Snippet) -> str:
        """Send a file's content to Slack; returns the id under which it can be shown."""
        content = snippet.content.encode("utf-8", "replace")
        while True:
            slot = await self._call(
                UPLOAD,
                filename=snippet.filename,
                length=len(content),
                snippet_type=snippet.snippet_type,
            )
            try:
                await self._slack.upload(str(slot["upload_url"]), content)
            except BusyError:
                if time.monotonic() > self._deadline:
                    raise SlackAwayError from None
                await asyncio.sleep(1)
                continue
            return str(slot["file_id"])

    async def show(self, file: str, snippet: Snippet) -> None:
        """
        Show an uploaded file in the thread, once even after an unknown outcome.

        Slack shows a file a moment after it has said yes: waits for it, so that what is posted next
        stands below it.
        """
        while True:
            try:
                await self._call(
                    COMPLETE,
                    files=[{"id": file, "title": snippet.title}],
                    channel_id=self._job.thread.channel,
                    thread_ts=self._job.thread.ts,
                )
            except UnknownOutcomeError:
                if await self.shows(file):
                    return
                if time.monotonic() > self._deadline:
                    raise SlackAwayError from None
                continue
            except RefusedError as error:
                if str(error) != "file_not_found":
                    raise
                # Slack completes an upload once: an attempt whose answer was lost has done it.
            await self.shows(file)
            return

    async def shows(self, file: str) -> bool:
        """Tell whether a file is in the thread, after a few looks at most."""
        return file in (await self._look_until(lambda found: file in found.files)).files

    async def look_for(self, part: int) -> Found:
        """Read the thread until our message is there, a few times at most."""
        return await self._look_until(lambda found: part in found.parts)

    async def _look_until(self, enough: Callable[[Found], bool]) -> Found:
        found = await self.look()
        for pause in LOOKS:
            if enough(found):
                break
            await asyncio.sleep(pause)
            found = await self.look()
        return found

    async def look(self) -> Found:
        """Read the thread from the question on and find what is ours."""
        parts: dict[int, str] = {}
        files: set[str] = set()
        question, cursor = False, ""
        for _ in range(PAGES):
            page = await self._call(
                REPLIES,
                **self._place,
                ts=self._job.thread.ts,
                oldest=self._job.ts,
                inclusive="true",
                include_all_metadata="true",
                limit=PAGE,
                **({"cursor": cursor} if cursor else {}),
            )
            for message in page.get("messages", []):
                question = question or (
                    message.get("ts") == self._job.ts and message.get("subtype") != "tombstone"
                )
                part = self._part(message)
                if part is not None:
                    parts.setdefault(part, str(message["ts"]))
                files |= {str(file["id"]) for file in message.get("files", [])}
            before, cursor = cursor, (page.get("response_metadata") or {}).get("next_cursor") or ""
            if cursor in {"", before}:
                break
        return Found(parts, frozenset(files), question)

    def _part(self, message: dict[str, Any]) -> int | None:
        metadata = message.get("metadata") or {}
        payload = metadata.get("event_payload") or {}
        if (
            metadata.get("event_type") != keys.METADATA_EVENT_TYPE
            or payload.get("job") != self._job.id
        ):
            return None
        return int(payload.get("part", 1))
