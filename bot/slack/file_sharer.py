"""File sharer: uploads text files, and shares them in a thread by one message."""

import urllib.request
from collections.abc import Sequence
from typing import Final

from slack_sdk import WebClient

from bot.slack.budget import pace_calls
from contract.job import Thread
from contract.proxies import find_proxy
from contract.slack_budget import Priority

UPLOAD_TIMEOUT_SECONDS: Final = 30
MAX_WAIT_SECONDS: Final = 10.0
"""Wait for the budget of a call."""
SCHEMES: Final = ("https://", "http://")


class FileSharer:
    """Sharer of files. Methods raise `bot.slack.client.CALL_ERRORS` if Slack fails a call."""

    def __init__(self, client: WebClient) -> None:
        """`client` must not retry: a repeated share is a second message."""
        self._client = client

    def upload_file(self, name: str, text: str, snippet_type: str) -> str:
        """Upload a file that no channel shows yet; return its id."""
        content = text.encode("utf-8", "replace")
        with pace_calls(Priority.REPLY, MAX_WAIT_SECONDS):
            answer = self._client.files_getUploadURLExternal(
                filename=name.rpartition("/")[2], length=len(content), snippet_type=snippet_type
            )
        _send_content(str(answer["upload_url"]), content)
        return str(answer["file_id"])

    def share_files(self, thread: Thread, files: Sequence[tuple[str, str]], comment: str) -> None:
        """Share uploaded files (ids and titles) in a thread; Slack does so once."""
        with pace_calls(Priority.REPLY, MAX_WAIT_SECONDS):
            self._client.files_completeUploadExternal(
                files=[{"id": file, "title": title} for file, title in files],
                channel_id=thread.channel,
                thread_ts=thread.ts,
                initial_comment=comment,
            )


def _send_content(url: str, content: bytes) -> None:
    """Send a file's content to its upload address, which needs no token."""
    if not url.startswith(SCHEMES):
        raise OSError("not an address to upload to")
    proxy = find_proxy(url)
    handler = urllib.request.ProxyHandler({"http": proxy, "https": proxy} if proxy else {})
    opener = urllib.request.build_opener(handler)
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked
        url, content, {"Content-Type": "application/octet-stream"}
    )
    opener.open(request, timeout=UPLOAD_TIMEOUT_SECONDS).close()
