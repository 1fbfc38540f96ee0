"""The bot's clients of Slack, and the first question they ask: who am I?"""

import logging
import random
import threading
from typing import Any, Final

import structlog
from slack_bolt import App
from slack_bolt.authorization import AuthorizeResult
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from bot.messages.identity import BotIdentity
from bot.settings import Settings
from bot.slack.clock import SlackClock
from bot.slack.errors import CALL_ERRORS
from contract.settings import SettingsError

log = structlog.get_logger()

CALL_TIMEOUT_SECONDS: Final = 10
"""Seconds for one call."""
TOKEN_ERRORS: Final = frozenset(
    {
        "invalid_auth",
        "not_authed",
        "account_inactive",
        "token_revoked",
        "token_expired",
        "not_allowed_token_type",
        "missing_scope",
        "no_permission",
    }
)
"""Slack's errors that say that a token is wrong, and will be wrong the next time too."""
RETRY_DELAYS_SECONDS: Final = (1.0, 2.0, 5.0, 10.0)
"""Seconds between tries to reach Slack at most; the last one for ever."""


class SlackWebClient(WebClient):
    """A client whose `clock` is set by Slack's answers."""

    def __init__(self, **options: Any) -> None:
        """`options` are those of a `WebClient`."""
        super().__init__(**options)
        self.clock = SlackClock()

    def api_call(self, api_method: str, **arguments: Any) -> SlackResponse:
        """See `WebClient`."""
        answer = super().api_call(api_method, **arguments)
        self.clock.sync(answer.headers)
        return answer


def create_client(settings: Settings) -> SlackWebClient:
    """Return a client that repeats nothing by itself: a post may have arrived without an answer."""
    return SlackWebClient(
        token=settings.slack_bot_token.get_secret_value(),
        base_url=settings.slack_api_url,
        timeout=CALL_TIMEOUT_SECONDS,
        retry_handlers=[],
    )


def authenticate(web_client: WebClient, stop: threading.Event) -> BotIdentity | None:
    """
    Ask Slack who we are until it answers; `None` if `stop` comes first.

    Raises `SettingsError` if Slack refuses the token.
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
            )
        except CALL_ERRORS as error:
            why = error_name(error)
            if why in TOKEN_ERRORS:
                raise SettingsError(token_error("SLACK_BOT_TOKEN", why)) from None
        log.warning("slack not reached", why=why)
        tries += 1
        stop.wait(retry_delay(tries))
    return None


def retry_delay(tries: int) -> float:
    """Return the seconds to wait after so many failed tries; no two bots wait equally long."""
    return RETRY_DELAYS_SECONDS[min(tries, len(RETRY_DELAYS_SECONDS)) - 1] * random.uniform(0.5, 1)  # noqa: S311 - no secret


def error_name(error: Exception) -> str:
    """Return Slack's word for what went wrong, or the kind of error that kept us from it."""
    if isinstance(error, SlackApiError):
        return str(error.response.get("error"))
    return type(error).__name__


def token_error(variable: str, why: str) -> str:
    """Say in one line that Slack refuses a token."""
    return f"{variable} must be a token that Slack accepts, not the given one ({why})"


def create_app(web_client: WebClient, identity: BotIdentity) -> App:
    """Return Bolt's app with everything off that answers before we have decided."""
    token = web_client.token

    def authorize() -> AuthorizeResult:
        # Without it Bolt asks Slack who we are before the first acknowledgement.
        return AuthorizeResult(
            enterprise_id=None,
            team_id=identity.team,
            bot_id=identity.bot_id,
            bot_user_id=identity.user_id,
            bot_token=token,
        )

    quiet = logging.getLogger("slack_bolt.starchat")
    # Below that Bolt warns of the variable SLACK_BOT_TOKEN, and prints requests that it cannot use.
    quiet.setLevel(logging.ERROR)
    return App(
        name="starchat",
        logger=quiet,
        client=web_client,
        authorize=authorize,
        # Signatures are checked where requests come in by HTTP; Bolt would log their bodies.
        request_verification_enabled=False,
        # Our own posts keep the copies of threads true.
        ignoring_self_events_enabled=False,
        attaching_function_token_enabled=False,
    )
