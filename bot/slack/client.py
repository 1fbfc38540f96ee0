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

from bot.messages.identity import Me
from bot.settings import Settings
from bot.slack.clock import SlackClock
from bot.slack.errors import SLACK_AWAY
from contract.settings import SettingsError

log = structlog.get_logger()

TIMEOUT: Final = 10
"""Seconds for one call."""
REFUSED: Final = frozenset(
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
PAUSES: Final = (1.0, 2.0, 5.0, 10.0)
"""Seconds between tries to reach Slack at most; the last one for ever."""


class Client(WebClient):
    """A client whose `clock` is set by Slack's answers."""

    def __init__(self, **options: Any) -> None:
        """`options` are those of a `WebClient`."""
        super().__init__(**options)
        self.clock = SlackClock()

    def api_call(self, api_method: str, **arguments: Any) -> SlackResponse:
        """See `WebClient`."""
        answer = super().api_call(api_method, **arguments)
        self.clock.hear(answer.headers)
        return answer


def client(settings: Settings) -> Client:
    """Return a client that repeats nothing by itself: a post may have arrived without an answer."""
    return Client(
        token=settings.slack_bot_token.get_secret_value(),
        base_url=settings.slack_api_url,
        timeout=TIMEOUT,
        retry_handlers=[],
    )


def introduce(web: WebClient, stop: threading.Event) -> Me | None:
    """
    Ask Slack who we are until it answers; `None` if `stop` comes first.

    Raises `SettingsError` if Slack refuses the token.
    """
    tries = 0
    while not stop.is_set():
        try:
            answer = web.auth_test()
            return Me(
                team=str(answer["team_id"]),
                user=str(answer["user_id"]),
                bot=str(answer.get("bot_id") or ""),
                name=str(answer.get("user") or "StarChat"),
            )
        except SLACK_AWAY as error:
            why = reason(error)
            if why in REFUSED:
                raise SettingsError(refusal("SLACK_BOT_TOKEN", why)) from None
        log.warning("slack not reached", why=why)
        tries += 1
        stop.wait(pause(tries))
    return None


def pause(tries: int) -> float:
    """Return the seconds to wait after so many failed tries; no two bots wait equally long."""
    return PAUSES[min(tries, len(PAUSES)) - 1] * random.uniform(0.5, 1)  # noqa: S311 - no secret


def reason(error: Exception) -> str:
    """Return Slack's word for what went wrong, or the kind of error that kept us from it."""
    if isinstance(error, SlackApiError):
        return str(error.response.get("error"))
    return type(error).__name__


def refusal(variable: str, why: str) -> str:
    """Say in one line that Slack refuses a token."""
    return f"{variable} must be a token that Slack accepts, not the given one ({why})"


def application(web: WebClient, me: Me) -> App:
    """Return Bolt's app with everything off that answers before we have decided."""
    token = web.token

    def authorize() -> AuthorizeResult:
        # Without it Bolt asks Slack who we are before the first acknowledgement.
        return AuthorizeResult(
            enterprise_id=None, team_id=me.team, bot_id=me.bot, bot_user_id=me.user, bot_token=token
        )

    quiet = logging.getLogger("slack_bolt.starchat")
    # Below that Bolt warns of the variable SLACK_BOT_TOKEN, and prints requests that it cannot use.
    quiet.setLevel(logging.ERROR)
    return App(
        name="starchat",
        logger=quiet,
        client=web,
        authorize=authorize,
        # Signatures are checked where requests come in by HTTP; Bolt would log their bodies.
        request_verification_enabled=False,
        # Our own posts keep the copies of threads true.
        ignoring_self_events_enabled=False,
        attaching_function_token_enabled=False,
    )
