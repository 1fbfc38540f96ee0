"""
Slack Web API client: rate-limited by shared token buckets, with retries where they are safe.

An idempotent call is retried until its deadline. After an unknown outcome of any other call, its
caller must look for the effect first.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final, Protocol

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from contract.app_access import AppAccess
from contract.authorship import AppAuthor
from contract.proxies import find_proxy
from contract.slack_budget import Buckets, Priority, find_buckets
from contract.slack_errors import HTTP_OK, ErrorKind, classify_error, retry_after_seconds
from worker.errors import AppRefusedError, NotAllowedError, SlackUnavailableError, ThreadGoneError
from worker.slack.methods import AUTH_TEST, SlackMethod
from worker.slack.rate_limits import MAX_SLEEP_SECONDS, TokenBuckets

log = structlog.get_logger()

CALL_TIMEOUT_SECONDS: Final = 10
"""Timeout of one call in seconds."""
MAX_RETRY_DELAY_SECONDS: Final = 30.0
"""Maximum seconds between two attempts of a call."""


class UnknownOutcomeError(Exception):
    """The response was lost: Slack may or may not have executed the call."""


class RetryLaterError(Exception):
    """Slack did not execute the call: its bucket is empty, or Slack is unreachable."""


class RejectedError(Exception):
    """Slack permanently rejects this request; the argument is Slack's error name."""


class NotEditableError(RejectedError):
    """Slack does not allow edits of this message any more; a new message may be posted."""


LeaseCheck = Callable[[], Awaitable[None]]


class CallCounter(Protocol):
    """Counter of calls by outcome: `ok`, `limited`, `refused` or `failed`."""

    def count_call(self, method: str, outcome: str) -> None:
        """Count one call."""
        ...


ERRORS_BY_KIND: Final[dict[ErrorKind, type[Exception]]] = {
    ErrorKind.GONE: ThreadGoneError,
    ErrorKind.NOT_ALLOWED: NotAllowedError,
    ErrorKind.NOT_EDITABLE: NotEditableError,
}


async def open_web_client(token: str, base_url: str, stack: AsyncExitStack) -> AsyncWebClient:
    """Return slack_sdk's client without retries; `stack` closes its pooled session."""
    timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT_SECONDS)
    client = AsyncWebClient(
        token=token,
        base_url=base_url,
        timeout=CALL_TIMEOUT_SECONDS,
        # No cookies: a sign-in page must not change later calls.
        session=await stack.enter_async_context(
            aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        ),
        retry_handlers=[],
    )
    client.proxy = find_proxy(base_url)
    return client


class SlackClient:
    """Client of one app."""

    def __init__(
        self,
        client: AsyncWebClient,
        buckets: TokenBuckets,
        counter: CallCounter,
        access: AppAccess | None = None,
    ) -> None:
        """`client` must have a session and no retry handlers. Raises `ValueError` otherwise."""
        if client.session is None or client.retry_handlers:
            raise ValueError("the client must have one pooled session and no retry handlers")
        self._session = client.session
        self._client = client
        self._buckets = buckets
        self._counter = counter
        self._author: AppAuthor | None = None
        self._access = access or AppAccess()

    async def call(
        self,
        method: SlackMethod,
        team: str,
        arguments: dict[str, Any],
        deadline: float,
        priority: Priority = Priority.REPLY,
    ) -> dict[str, Any]:
        """
        Call until Slack accepts, at most until `deadline` (s, monotonic).

        Raises `ThreadGoneError`, `NotAllowedError` or `RejectedError` if Slack rejects the call,
        `AppRefusedError` if it rejects the whole app, `SlackUnavailableError` at the deadline, and
        `UnknownOutcomeError` if the response of a method that is not idempotent was lost.
        """
        attempts = 0
        while True:
            await self._wait_for_token(
                _find_buckets(method, team, arguments), priority, method.name, deadline
            )
            try:
                return await self._send_request(method, team, arguments)
            except RetryLaterError:
                attempts += 1
            delay = min(MAX_RETRY_DELAY_SECONDS, 0.25 * 2**attempts) * random.uniform(0.5, 1)  # noqa: S311
            if time.monotonic() + delay > deadline:
                raise SlackUnavailableError(method.name)
            await asyncio.sleep(delay)

    async def call_once(
        self,
        method: SlackMethod,
        team: str,
        arguments: dict[str, Any],
        check_lease: LeaseCheck,
        priority: Priority = Priority.BACKGROUND,
    ) -> dict[str, Any]:
        """
        Call once, if the buckets have a token besides the reserve for more important calls.

        `check_lease` runs last before the call. Raises its errors, `RetryLaterError` if no token
        is left, and the errors of `call`.
        """
        buckets = _find_buckets(method, team, arguments)
        if await self._buckets.acquire(buckets, priority):
            raise RetryLaterError(method.name)
        await check_lease()
        return await self._send_request(method, team, arguments)

    async def find_author(self, deadline: float) -> AppAuthor:
        """Return the app as an author, from `auth.test` once. Raises the errors of `call`."""
        if self._author is None:
            answer = await self.call(AUTH_TEST, "", {}, deadline)
            self._author = AppAuthor(str(answer["user_id"]), str(answer.get("bot_id") or ""))
        return self._author

    async def upload_content(self, url: str, content: bytes) -> None:
        """Send a file's content to its upload URL. Raises `RetryLaterError` if that fails."""
        try:
            async with self._session.post(url, data=content, proxy=find_proxy(url)) as response:
                if response.status == HTTP_OK:
                    return
        except (aiohttp.ClientError, TimeoutError, ValueError):
            pass
        raise RetryLaterError("upload")

    async def _wait_for_token(
        self, buckets: Buckets, priority: Priority, method: str, deadline: float
    ) -> None:
        while wait := await self._buckets.acquire(buckets, priority):
            if time.monotonic() + wait > deadline:
                raise SlackUnavailableError(method)
            await asyncio.sleep(min(wait, MAX_SLEEP_SECONDS))

    async def _send_request(
        self, method: SlackMethod, team: str, arguments: dict[str, Any]
    ) -> dict[str, Any]:
        payload: dict[str, Any] = {"params" if method.http_verb == "GET" else "json": arguments}
        try:
            response = await self._client.api_call(
                method.name, http_verb=method.http_verb, **payload
            )
        except SlackApiError as error:
            raise await self._convert_error(method, team, arguments, error) from None
        except (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError):
            self._counter.count_call(method.name, "failed")
            raise RetryLaterError(method.name) from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, AttributeError):
            # slack_sdk raises one of the last two for a response that is not a JSON object.
            raise self._report_lost_response(method) from None
        self._counter.count_call(method.name, "ok")
        self._access.record_success(method.name)
        data: dict[str, Any] = response.data  # type: ignore[assignment]
        return data

    async def _convert_error(
        self, method: SlackMethod, team: str, arguments: dict[str, Any], error: SlackApiError
    ) -> Exception:
        response = error.response
        status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0))
        data = getattr(response, "data", None)
        error_name = str(data.get("error") or "") if isinstance(data, dict) else ""
        log.info("slack refused", method=method.name, status=status, error=error_name)
        kind = classify_error(method.name, status, error_name)
        if kind is ErrorKind.TRANSIENT:
            return self._report_lost_response(method)
        if kind is ErrorKind.RATE_LIMITED:
            self._counter.count_call(method.name, "limited")
            seconds = retry_after_seconds(response.headers.get("Retry-After"))
            await self._buckets.block_for(_find_buckets(method, team, arguments), seconds)
            return RetryLaterError(method.name)
        self._counter.count_call(method.name, "refused")
        if kind is ErrorKind.APP_REFUSED:
            on_trial = self._access.is_on_trial
            self._access.record_refusal(method.name, error_name)
            return AppRefusedError(error_name, on_trial=on_trial)
        return ERRORS_BY_KIND.get(kind, RejectedError)(error_name)

    def _report_lost_response(self, method: SlackMethod) -> Exception:
        self._counter.count_call(method.name, "failed")
        return (RetryLaterError if method.idempotent else UnknownOutcomeError)(method.name)


def _find_buckets(method: SlackMethod, team: str, arguments: dict[str, Any]) -> Buckets:
    return find_buckets(team, method.name, arguments.get("channel"))
