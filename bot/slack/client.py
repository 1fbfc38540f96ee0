"""Web API client that keeps Slack's time, with the errors of its calls."""

import random
import re
import threading
import time
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any, Final

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import Clock
from slack_sdk.web import SlackResponse

from bot.messages.message import BotIdentity
from bot.slack.budget import NoBudgetError, SlackBudget
from contract import clock_skew
from contract.app_access import AppAccess
from contract.base_settings import BaseSettings
from contract.proxies import find_proxy
from contract.settings import SettingsError
from contract.slack_errors import (
    AMBIGUOUS_ERRORS,
    RATE_LIMIT_ERRORS,
    TOKEN_ERRORS,
    describe_rejected_token,
    is_app_error,
    retry_after_seconds,
)

log = structlog.get_logger()

CALL_TIMEOUT_SECONDS: Final = 10
RETRY_DELAYS_SECONDS: Final = (1.0, 2.0, 5.0, 10.0)
"""Maximum delays before the first, second, … retry of a call; the last one repeats."""
DATE_RESOLUTION_SECONDS: Final = 2.0
"""Tolerance between two `Date` headers of one clock, which have whole seconds only."""
CALL_ERRORS: Final = (SlackApiError, NoBudgetError, OSError, HTTPException)
"""Exceptions of a call: Slack's error response, an exhausted budget, a broken connection."""
UNRECORDED_METHODS: Final = frozenset({"apps.connections.open"})
"""Methods with the app-level token: they say nothing about the bot token."""
ERROR_NAME: Final = re.compile("[a-z_]+")
WORKSPACE_URL: Final = re.compile(r"https?://[A-Za-z0-9.:\[\]/_-]{1,200}/")


class AppRefusedError(SlackApiError):
    """Slack refuses the whole app for now, for example its token: nothing was executed."""


class SlackClock(Clock):
    """
    Slack's time: the `Date` of its last responses plus the seconds since.

    Message timestamps are Slack's, so no other clock may be compared with them. Before the first
    response it is this machine's time.
    """

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()
        self._synced = False

    def sync(self, headers: Mapping[str, str]) -> None:
        """Set the clock by the headers of a response."""
        server_time = clock_skew.server_time(headers)
        if server_time is None:
            return
        # Each response is a little older than its date: the newest date is the most accurate.
        latest = server_time - time.monotonic()
        if not self._synced or not latest <= self._offset <= latest + DATE_RESOLUTION_SECONDS:
            self._offset = latest
        self._synced = True

    def now(self) -> float:
        """Return Slack's time in seconds since the epoch."""
        return self._offset + time.monotonic()


class SlackWebClient(WebClient):
    """
    Web API client whose `clock` is set by Slack's responses, and whose calls keep a `budget`.

    `budget` is set as soon as the team is known. `access` follows from the results of the calls.
    """

    budget: SlackBudget | None = None

    def __init__(self, **options: Any) -> None:
        """`options` are those of `WebClient`."""
        super().__init__(**options)
        self.proxy = find_proxy(self.base_url)
        self.clock = SlackClock()
        self.access = AppAccess()

    def api_call(self, api_method: str, **arguments: Any) -> SlackResponse:
        """See `WebClient`. Raises `NoBudgetError`, and `AppRefusedError` if the app is refused."""
        channel = _find_argument(arguments, "channel")
        if self.budget is not None:
            is_further_page = _find_argument(arguments, "cursor") is not None
            self.budget.take_call(api_method, channel, is_further_page=is_further_page)
        try:
            answer = super().api_call(api_method, **arguments)
        except SlackApiError as error:
            seconds = rate_limit_seconds(error)
            if self.budget is not None and seconds is not None:
                self.budget.block_calls(api_method, channel, seconds)
            name = error_name(error)
            if api_method in UNRECORDED_METHODS or not is_app_error(api_method, name):
                raise
            self.access.record_refusal(api_method, name)
            raise AppRefusedError(name, error.response) from None  # type: ignore[no-untyped-call]
        self.clock.sync(answer.headers)
        if api_method not in UNRECORDED_METHODS:
            self.access.record_success(api_method)
        return answer


def create_client(settings: BaseSettings) -> SlackWebClient:
    """Create a client without retries: a post may have arrived although its response did not."""
    # For a call without a proxy, slack_sdk uses urllib's opener, which would find one by itself.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    urllib.request.install_opener(direct)
    return SlackWebClient(
        token=settings.slack_bot_token.get_secret_value(),
        base_url=settings.slack_api_url,
        timeout=CALL_TIMEOUT_SECONDS,
        retry_handlers=[],
    )


def authenticate(web_client: WebClient, stop: threading.Event) -> BotIdentity | None:
    """
    Call `auth.test` until Slack responds; `None` if `stop` is set first.

    Raises `SettingsError` if Slack rejects the token.
    """
    tries = 0
    while not stop.is_set():
        try:
            answer = web_client.auth_test()
            return BotIdentity(
                team=str(answer["team_id"]),
                user_id=str(answer["user_id"]),
                bot_id=str(answer.get("bot_id") or ""),
                name=str(answer.get("user") or "StarChat"),
                url=_read_workspace_url(answer.get("url")),
            )
        except CALL_ERRORS as error:
            why = error_name(error)
            if why in TOKEN_ERRORS:
                raise SettingsError(describe_rejected_token("SLACK_BOT_TOKEN", why)) from None
        log.warning("slack not reached", why=why)
        tries += 1
        stop.wait(retry_delay(tries))
    return None


def _read_workspace_url(value: object) -> str:
    """Return a workspace's address; empty if it is none that a link can begin with."""
    is_url = isinstance(value, str) and re.fullmatch(WORKSPACE_URL, value)
    return str(value) if is_url else ""


def retry_delay(tries: int) -> float:
    """Return the seconds to wait after `tries` failures, with jitter between bots."""
    longest = RETRY_DELAYS_SECONDS[min(tries, len(RETRY_DELAYS_SECONDS)) - 1]
    return longest * random.uniform(0.5, 1)  # noqa: S311 - no secret


def rate_limit_seconds(error: Exception) -> float | None:
    """Return the seconds until a rate limit ends; `None` if the error is another one."""
    if isinstance(error, NoBudgetError):
        return error.seconds
    if not isinstance(error, SlackApiError) or error_name(error) not in RATE_LIMIT_ERRORS:
        return None
    return retry_after_seconds((error.response.headers or {}).get("Retry-After"))


def error_name(error: Exception) -> str:
    """Return Slack's error name, or the exception's type if Slack sent none."""
    if isinstance(error, NoBudgetError):
        return "ratelimited"
    if isinstance(error, SlackApiError):
        return str(error.response.get("error"))
    return type(error).__name__


def is_refusal(error: Exception) -> bool:
    """Return whether Slack executed nothing of a call for certain."""
    if isinstance(error, NoBudgetError):
        return True
    if not isinstance(error, SlackApiError):
        return False
    # If Slack sends a page instead of JSON, slack_sdk puts a sentence where the name should be.
    name = error_name(error)
    return ERROR_NAME.fullmatch(name) is not None and name not in AMBIGUOUS_ERRORS


def _find_argument(arguments: Mapping[str, Any], name: str) -> str | None:
    """Return an argument of a call, wherever the SDK has put it."""
    places = (arguments.get(place) for place in ("json", "params", "data"))
    found = (place.get(name) for place in places if isinstance(place, Mapping))
    return next((str(value) for value in found if value), None)
