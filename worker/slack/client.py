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
from worker.slack.methods import OK, Meaning, Method, meaning, retry_after
from worker.slack.rate_limits import MOST_WAIT, Rates, budget_key

log = structlog.get_logger()

TIMEOUT: Final = 10
"""Seconds that Slack has for one answer."""
LONGEST_PAUSE: Final = 30.0
"""Seconds between two tries at most, while Slack does not answer."""


class UnknownOutcomeError(Exception):
    """The call was sent and nothing came back: it may have had its effect or not."""


class BusyError(Exception):
    """The budget is spent or Slack is away, and the caller did not want to wait."""


class RefusedError(Exception):
    """Slack refuses this very request for good; the argument is Slack's name of the error."""


class FixedError(RefusedError):
    """Slack lets nobody change this message any more; another one may be posted."""


class SlackAwayError(Exception):
    """Slack did not take the call until its deadline."""


Prove = Callable[[], Awaitable[None]]


class Calls(Protocol):
    """Whoever counts calls; an outcome is `ok`, `limited`, `refused` or `failed`."""

    def called(self, method: str, outcome: str) -> None:
        """Count one call."""
        ...


REFUSALS: Final[dict[Meaning, type[Exception]]] = {
    Meaning.GONE: ThreadGoneError,
    Meaning.NOT_ALLOWED: NotAllowedError,
    Meaning.FIXED: FixedError,
}


class Slack:
    """Calls Slack for one app; keeps to the shared budgets and to each method's policy."""

    def __init__(self, client: AsyncWebClient, rates: Rates, calls: Calls) -> None:
        """`client` must have a session, and no retry handlers of its own."""
        if client.session is None or client.retry_handlers:
            raise ValueError("a client with one pooled session and without retries is needed")
        self._session = client.session
        self._client = client
        self._rates = rates
        self._calls = calls

    async def call(
        self, method: Method, team: str, arguments: dict[str, Any], until: float
    ) -> dict[str, Any]:
        """
        Call until Slack has taken it, at most until `until` (s, monotonic).

        Raises `ThreadGoneError`, `NotAllowedError`, `RefusedError`, `SlackAwayError`; for a method
        that must not be repeated also `UnknownOutcomeError`.
        """
        tries = 0
        while True:
            await self._budget(method, team, arguments, until)
            try:
                return await self._once(method, team, arguments)
            except BusyError:
                tries += 1
            pause = min(LONGEST_PAUSE, 0.25 * 2**tries) * random.uniform(0.5, 1)  # noqa: S311
            if time.monotonic() + pause > until:
                raise SlackAwayError(method.name)
            await asyncio.sleep(pause)

    async def attempt(
        self, method: Method, team: str, arguments: dict[str, Any], prove: Prove
    ) -> dict[str, Any]:
        """
        Call once if the budget has room for what is not urgent; raises `BusyError` if not.

        `prove` comes last before the call, and may raise what keeps us from making it.
        """
        key = self._key(method, team, arguments)
        if await self._rates.take(key, method.budget, final=False):
            raise BusyError(method.name)
        await prove()
        return await self._once(method, team, arguments)

    async def upload(self, url: str, content: bytes) -> None:
        """Send a file's content where Slack wants it. Raises `BusyError` where that failed."""
        try:
            async with self._session.post(url, data=content) as response:
                if response.status == OK:
                    return
        except (aiohttp.ClientError, TimeoutError):
            pass
        raise BusyError("upload")

    async def _budget(
        self, method: Method, team: str, arguments: dict[str, Any], until: float
    ) -> None:
        key = self._key(method, team, arguments)
        while wait := await self._rates.take(key, method.budget, final=True):
            if time.monotonic() + wait > until:
                raise SlackAwayError(method.name)
            await asyncio.sleep(min(wait, MOST_WAIT))

    async def _once(self, method: Method, team: str, arguments: dict[str, Any]) -> dict[str, Any]:
        sent: dict[str, Any] = {"params" if method.verb == "GET" else "json": arguments}
        try:
            found = await self._client.api_call(method.name, http_verb=method.verb, **sent)
        except SlackApiError as error:
            raise await self._failed(method, team, arguments, error) from None
        except aiohttp.ClientConnectorError:
            self._calls.called(method.name, "failed")
            raise BusyError(method.name) from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, AttributeError):
            # An answer that is no JSON object ends as one of the last two inside slack_sdk.
            raise self._lost(method) from None
        self._calls.called(method.name, "ok")
        data: dict[str, Any] = found.data  # type: ignore[assignment]
        return data

    async def _failed(
        self, method: Method, team: str, arguments: dict[str, Any], error: SlackApiError
    ) -> Exception:
        response = error.response
        status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0))
        data = getattr(response, "data", None)
        name = str(data.get("error") or "") if isinstance(data, dict) else ""
        log.info("slack refused", method=method.name, status=status, error=name)
        why = meaning(status, name)
        if why is Meaning.TRANSIENT:
            return self._lost(method)
        if why is Meaning.LIMITED:
            self._calls.called(method.name, "limited")
            pause = retry_after(response.headers.get("Retry-After"))
            await self._rates.freeze(self._key(method, team, arguments), method.budget, pause)
            return BusyError(method.name)
        self._calls.called(method.name, "refused")
        return REFUSALS.get(why, RefusedError)(name)

    def _lost(self, method: Method) -> Exception:
        self._calls.called(method.name, "failed")
        return (BusyError if method.repeatable else UnknownOutcomeError)(method.name)

    @staticmethod
    def _key(method: Method, team: str, arguments: dict[str, Any]) -> str:
        channel = arguments["channel"] if method.per_channel else None
        return budget_key(team, method.name, channel)
