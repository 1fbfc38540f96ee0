"""
Downloads of files from Slack.

The token is sent only to Slack: each address, also of a redirect, is checked before. Bytes and
seconds are bounded. A response is never decompressed.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient
from yarl import URL

from contract.proxies import find_proxy
from contract.slack_budget import Priority, find_buckets
from contract.slack_errors import HTTP_OK, HTTP_TOO_MANY_REQUESTS, retry_after_seconds
from worker.files.content import is_binary_start
from worker.render.file_notes import UnreadReason
from worker.slack.client import CallCounter
from worker.slack.rate_limits import TokenBuckets

MAX_FILE_BYTES: Final = 256 * 1024
"""The rest of a longer file is not read."""
DOWNLOAD_SECONDS: Final = 10.0
"""Seconds for a file, with all redirects and attempts."""
MAX_ATTEMPTS: Final = 2
RETRY_DELAY_SECONDS: Final = 0.5
MAX_REDIRECTS: Final = 4
CHUNK_BYTES: Final = 16 * 1024
SLACK_DOMAIN: Final = "slack.com"
HTTPS_PORT: Final = 443
BUDGET_NAME: Final = "files.download"
"""Name of the token bucket: a download is no method of the Web API."""
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
GONE: Final = frozenset({404, 410})
DENIED: Final = frozenset({401, 403})


class UnreadableFileError(Exception):
    """A file cannot be read, for this reason."""

    def __init__(self, reason: UnreadReason) -> None:
        super().__init__(reason)
        self.reason = reason


class _TransientError(Exception):
    """A repeated download may succeed."""


@dataclass(frozen=True, slots=True)
class Download:
    """Bytes of a response; `is_cut` if there are more, `is_redirected` if it is not the first."""

    content: bytes
    is_cut: bool
    content_type: str
    is_redirected: bool


class FileDownloads:
    """Downloads with one app's token, through its session, from one budget with its calls."""

    def __init__(
        self,
        client: AsyncWebClient,
        buckets: TokenBuckets,
        counter: CallCounter,
        *,
        seconds: float = DOWNLOAD_SECONDS,
    ) -> None:
        """`client` must have a session. A download takes at most `seconds`."""
        if client.session is None:
            raise ValueError("the client must have one pooled session")
        self._client = client
        self._session = client.session
        self._buckets = buckets
        self._counter = counter
        self._seconds = seconds

    async def download_file(self, url: str, team: str) -> Download:
        """Download the beginning of a file. Raises `UnreadableFileError` and `RedisError`."""
        outcome = "failed"
        try:
            async with asyncio.timeout(self._seconds):
                download = await self._try_download(url, team)
            outcome = "ok"
        except TimeoutError:
            raise UnreadableFileError(UnreadReason.UNAVAILABLE) from None
        except UnreadableFileError as error:
            is_failed = error.reason is UnreadReason.UNAVAILABLE
            outcome = "failed" if is_failed else "refused"
            raise
        finally:
            self._counter.count_call(BUDGET_NAME, outcome)
        return download

    async def _try_download(self, url: str, team: str) -> Download:
        for _ in range(MAX_ATTEMPTS):
            try:
                await self._wait_for_token(team)
                return await self._follow_redirects(url, team)
            except (_TransientError, aiohttp.ClientError, OSError, TimeoutError):
                await asyncio.sleep(RETRY_DELAY_SECONDS)
        raise UnreadableFileError(UnreadReason.UNAVAILABLE)

    async def _wait_for_token(self, team: str) -> None:
        buckets = find_buckets(team, BUDGET_NAME)
        wait = await self._buckets.acquire(buckets, Priority.REPLY)
        while wait:
            await asyncio.sleep(wait)
            wait = await self._buckets.acquire(buckets, Priority.REPLY)

    async def _follow_redirects(self, url: str, team: str) -> Download:
        target = self._check_address(url)
        for hops in range(MAX_REDIRECTS + 1):
            async with self._session.get(
                target,
                # No other encoding: a small response must not become a large file.
                headers={
                    "Authorization": f"Bearer {self._client.token}",
                    "Accept-Encoding": "identity",
                },
                allow_redirects=False,
                auto_decompress=False,
                proxy=find_proxy(str(target)),
                timeout=aiohttp.ClientTimeout(total=self._seconds),
            ) as response:
                if response.status not in REDIRECTS:
                    await self._check_status(response, team)
                    return await _read_response(response, is_redirected=hops > 0)
                target = self._check_address(response.headers.get("Location", ""), target)
        raise UnreadableFileError(UnreadReason.DENIED)

    def _check_address(self, address: str, base: URL | None = None) -> URL:
        """Return an address to which the token may be sent."""
        try:
            url = URL(address) if base is None else base.join(URL(address))
            is_own = is_slack_address(url, URL(self._client.base_url))
        except ValueError:
            is_own = False
        if not is_own:
            raise UnreadableFileError(UnreadReason.OUTSIDE)
        return url

    async def _check_status(self, response: aiohttp.ClientResponse, team: str) -> None:
        status = response.status
        if status == HTTP_OK:
            return
        if status == HTTP_TOO_MANY_REQUESTS:
            seconds = retry_after_seconds(response.headers.get("Retry-After"))
            await self._buckets.block_for(find_buckets(team, BUDGET_NAME), seconds)
            raise _TransientError
        if status in GONE:
            raise UnreadableFileError(UnreadReason.GONE)
        if status in DENIED:
            raise UnreadableFileError(UnreadReason.DENIED)
        raise _TransientError


def is_slack_address(url: URL, api_url: URL) -> bool:
    """Return whether an address is Slack's, or on the server of the Web API that is called."""
    if url.user is not None or url.password is not None or not url.host:
        return False
    if url.origin() == api_url.origin():
        return True
    host = url.host.lower()
    is_slack = host == SLACK_DOMAIN or host.endswith(f".{SLACK_DOMAIN}")
    return is_slack and url.scheme == "https" and url.port == HTTPS_PORT


async def _read_response(response: aiohttp.ClientResponse, *, is_redirected: bool) -> Download:
    """Read up to `MAX_FILE_BYTES`; stop at once if the beginning is no text."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnreadableFileError(UnreadReason.NOT_TEXT)
    content = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        content += chunk
        if is_binary_start(bytes(content[:CHUNK_BYTES])):
            raise UnreadableFileError(UnreadReason.NOT_TEXT)
        if len(content) > MAX_FILE_BYTES:
            break
    is_cut = len(content) > MAX_FILE_BYTES
    return Download(
        bytes(content[:MAX_FILE_BYTES]), is_cut, response.content_type, is_redirected=is_redirected
    )
