"""Probe of the app's access to Slack: at the start, and while Slack refuses the app."""

import time
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from contract import clock_skew
from contract.app_access import PROBE_METHOD, AppAccess
from contract.slack_errors import TOKEN_ERRORS, is_app_error

log = structlog.get_logger()

CONNECTION_ERRORS: Final = (
    aiohttp.ClientError,
    TimeoutError,
    OSError,
    ValueError,
    AttributeError,
)
"""Errors of a call without an answer; slack_sdk raises the last two for one that is no JSON."""


class AccessProbe:
    """Checks by `auth.test` whether Slack accepts the app."""

    def __init__(
        self, client: AsyncWebClient, access: AppAccess, read_token: Callable[[], str]
    ) -> None:
        """`read_token` returns the current token: an operator may have replaced its file."""
        self._client = client
        self._access = access
        self._read_token = read_token

    async def find_wrong_token(self) -> str | None:
        """Return Slack's error name if the token is wrong; a Slack that is away proves nothing."""
        error_name = await self._call_slack()
        if error_name in TOKEN_ERRORS:
            return error_name
        if error_name is not None:
            log.warning("app refused by slack", method=PROBE_METHOD, error=error_name)
        return None

    async def probe_if_due(self) -> None:
        """Read the token again and call Slack, if it refuses the app and the delay is over."""
        if self._access.start_probe():
            self._client.token = self._read_token()
            await self._call_slack()

    async def _call_slack(self) -> str | None:
        """Call `auth.test` and record the result; return Slack's error name, if any."""
        try:
            response = await self._client.auth_test()
        except SlackApiError as error:
            data: Any = getattr(error.response, "data", None)
            error_name = str(data.get("error") or "") if isinstance(data, dict) else ""
            if is_app_error(PROBE_METHOD, error_name):
                self._access.record_refusal(PROBE_METHOD, error_name)
            return error_name
        except CONNECTION_ERRORS as error:
            log.warning("slack does not answer", error=type(error).__name__)
            return None
        self._access.record_success(PROBE_METHOD)
        clock_skew.warn_on_skew(clock_skew.server_time(response.headers), machine=time.time())
        return None
