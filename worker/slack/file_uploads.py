"""
File uploads: a bounded number of calls for each file, and one clear error.

An upload takes three steps: Slack names an address, the content is sent there, and the file is
shared in the thread. The address is on another host, which a firewall may block.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from contract.job import Job
from contract.slack_budget import Priority
from worker.errors import NotAllowedError, SlackUnavailableError, ThreadGoneError
from worker.render.model import Snippet
from worker.slack.client import RejectedError, RetryLaterError, SlackClient, UnknownOutcomeError
from worker.slack.methods import COMPLETE_UPLOAD, GET_UPLOAD_URL, SlackMethod

MAX_UPLOAD_ATTEMPTS: Final = 3
"""Addresses that are asked for one file, and calls that share it."""
RETRY_DELAYS_SECONDS: Final = (1.0, 4.0)
"""Seconds before the second and the third attempt."""
MAX_UPLOAD_SECONDS: Final = 30.0
"""Seconds for each of both steps; the rest of the reply must still be posted in time."""


class UploadFailedError(Exception):
    """Slack did not take a file; its content can still be posted in messages."""


class FileUploads:
    """Uploads the files of one reply. Methods raise `UploadFailedError`."""

    def __init__(
        self, slack: SlackClient, job: Job, has_file: Callable[[str], Awaitable[bool]]
    ) -> None:
        """`has_file` searches the thread for a file."""
        self._slack = slack
        self._job = job
        self._has_file = has_file

    async def upload_file(self, snippet: Snippet) -> str:
        """Upload a file that no channel shows yet; return its id."""
        content = snippet.content.encode("utf-8", "replace")
        deadline = time.monotonic() + MAX_UPLOAD_SECONDS
        for delay in (*RETRY_DELAYS_SECONDS, None):
            upload = await self._call_slack(
                GET_UPLOAD_URL,
                deadline,
                filename=snippet.filename,
                length=len(content),
                snippet_type=snippet.snippet_type,
            )
            try:
                await self._slack.upload_content(str(upload["upload_url"]), content)
            except RetryLaterError:
                if delay is None or time.monotonic() + delay > deadline:
                    break
                await asyncio.sleep(delay)
            else:
                return str(upload["file_id"])
        raise UploadFailedError("the upload address does not take the content")

    async def share_file(self, file_id: str, snippet: Snippet) -> None:
        """
        Share an uploaded file in the thread, exactly once.

        Slack shows the file some moments after its response. This method waits for that, so that
        the next part appears below the file.
        """
        deadline = time.monotonic() + MAX_UPLOAD_SECONDS
        for _ in range(MAX_UPLOAD_ATTEMPTS):
            try:
                await self._call_slack(
                    COMPLETE_UPLOAD,
                    deadline,
                    files=[{"id": file_id, "title": snippet.title}],
                    channel_id=self._job.thread.channel,
                    thread_ts=self._job.thread.ts,
                )
            except UnknownOutcomeError:
                if await self._has_file(file_id):
                    return
            except UploadFailedError:
                # Slack completes an upload once; an earlier attempt may have lost its response.
                if await self._has_file(file_id):
                    return
                raise
            else:
                await self._has_file(file_id)
                return
        raise UploadFailedError("no response to the share")

    async def _call_slack(
        self, method: SlackMethod, deadline: float, **arguments: Any
    ) -> dict[str, Any]:
        team = self._job.thread.team
        try:
            return await self._slack.call(method, team, arguments, deadline, Priority.FINAL)
        except (RejectedError, NotAllowedError, ThreadGoneError, SlackUnavailableError) as error:
            raise UploadFailedError(f"{method.name}: {error}") from None
