"""Calls Slack's Web API: within the shared budgets, and repeated only where that is harmless."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from worker.errors import NotAllowedError, ThreadGoneError
from worker.slack.methods import HTTP_OK, ErrorKind, SlackMethod, classify_error, parse_retry_after
from worker.slack.rate_limits import MAX_SLEEP_SECONDS, TokenBuckets, bucket_key

log = structlog.get_logger()

CALL_TIMEOUT_SECONDS: Final = 10
"""Seconds that Slack has for one answer."""
MAX_RETRY_DELAY_SECONDS: Final = 30.0
"""Seconds between two tries at most, while Slack does not answer."""


class UnknownOutcomeError(Exception):
    """The call was sent and nothing came back: it may have had its effect or not."""


class NoBudgetError(Exception):
    """The budget is spent or Slack is away, and the caller did not want to wait."""


class RejectedError(Exception):
    """Slack refuses this very request for good; the argument is Slack's name of the error."""


class NotEditableError(RejectedError):
    """Slack lets nobody change this message any more; another one may be posted."""


class SlackUnavailableError(Exception):
    """Slack did not take the call until its deadline."""


LeaseCheck = Callable[[], Awaitable[None]]


class CallCounter(Protocol):
    """Whoever counts calls; an outcome is `ok`, `limited`, `refused` or `failed`."""

    def count_call(self, method: str, outcome: str) -> None:
        """Count one call."""
        ...


ERRORS_BY_KIND: Final[dict[ErrorKind, type[Exception]]] = {
    ErrorKind.GONE: ThreadGoneError,
    ErrorKind.NOT_ALLOWED: NotAllowedError,
    ErrorKind.NOT_EDITABLE: NotEditableError,
}


class SlackClient:
    """Calls Slack for one app; keeps to the shared budgets and to each method's policy."""

    def __init__(self, client: AsyncWebClient, buckets: TokenBuckets, counter: CallCounter) -> None:
        """`client` must have a session, and no retry handlers of its own."""
        if client.session is None or client.retry_handlers:
            raise ValueError("a client with one pooled session and without retries is needed")
        self._session = client.session
        self._client = client
        self._buckets = buckets
        self._counter = counter

    async def call(
        self, method: SlackMethod, team: str, arguments: dict[str, Any], deadline: float
    ) -> dict[str, Any]:
        """
        Call until Slack has taken it, at most until `until` (s, monotonic).

        Raises `ThreadGoneError`, `NotAllowedError`, `RefusedError`, `SlackAwayError`; for a method
        that must not be repeated also `UnknownOutcomeError`.
        """
        tries = 0
        while True:
            await self._wait_for_budget(method, team, arguments, deadline)
            try:
                return await self._send_request(method, team, arguments)
            except NoBudgetError:
                tries += 1
            delay = min(MAX_RETRY_DELAY_SECONDS, 0.25 * 2**tries) * random.uniform(0.5, 1)  # noqa: S311
            if time.monotonic() + delay > deadline:
                raise SlackUnavailableError(method.name)
            await asyncio.sleep(delay)

    async def call_once(
        self, method: SlackMethod, team: str, arguments: dict[str, Any], check_lease: LeaseCheck
    ) -> dict[str, Any]:
        """
        Call once if the budget has room for what is not urgent; raises `BusyError` if not.

        `prove` comes last before the call, and may raise what keeps us from making it.
        """
        key = self._bucket_key(method, team, arguments)
        if await self._buckets.acquire(key, method.rate_limit, is_final=False):
            raise NoBudgetError(method.name)
        await check_lease()
        return await self._send_request(method, team, arguments)

    async def upload_content(self, url: str, content: bytes) -> None:
        """Send a file's content where Slack wants it. Raises `BusyError` where that failed."""
        try:
            async with self._session.post(url, data=content) as response:
                if response.status == HTTP_OK:
                    return
        except (aiohttp.ClientError, TimeoutError):
            pass
        raise NoBudgetError("upload")

    async def _wait_for_budget(
        self, method: SlackMethod, team: str, arguments: dict[str, Any], deadline: float
    ) -> None:
        key = self._bucket_key(method, team, arguments)
        while wait := await self._buckets.acquire(key, method.rate_limit, is_final=True):
            if time.monotonic() + wait > deadline:
                raise SlackUnavailableError(method.name)
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
        except aiohttp.ClientConnectorError:
            self._counter.count_call(method.name, "failed")
            raise NoBudgetError(method.name) from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, AttributeError):
            # An answer that is no JSON object ends as one of the last two inside slack_sdk.
            raise self._report_lost_response(method) from None
        self._counter.count_call(method.name, "ok")
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
        kind = classify_error(status, error_name)
        if kind is ErrorKind.TRANSIENT:
            return self._report_lost_response(method)
        if kind is ErrorKind.RATE_LIMITED:
            self._counter.count_call(method.name, "limited")
            delay = parse_retry_after(response.headers.get("Retry-After"))
            await self._buckets.block_for(
                self._bucket_key(method, team, arguments), method.rate_limit, delay
            )
            return NoBudgetError(method.name)
        self._counter.count_call(method.name, "refused")
        return ERRORS_BY_KIND.get(kind, RejectedError)(error_name)

    def _report_lost_response(self, method: SlackMethod) -> Exception:
        self._counter.count_call(method.name, "failed")
        return (NoBudgetError if method.idempotent else UnknownOutcomeError)(method.name)

    @staticmethod
    def _bucket_key(method: SlackMethod, team: str, arguments: dict[str, Any]) -> str:
        channel = arguments["channel"] if method.per_channel else None
        return bucket_key(team, method.name, channel)
