"""Bolt app whose acknowledgement comes last, with metrics around each request."""

import logging
import time
from typing import Any, Final

from slack_bolt import App, BoltRequest, BoltResponse
from slack_bolt.authorization import AuthorizeResult
from slack_sdk import WebClient

from bot.messages.message import BotIdentity
from bot.metrics import Metrics
from bot.slack.budget import pace_calls
from contract.slack_budget import Priority

HTTP_OK: Final = 200
REQUEST_TYPES: Final = frozenset(
    {"event_callback", "block_actions", "view_submission", "view_closed", "message_action"}
    | {"shortcut", "app_rate_limited", "block_suggestion"}
)
"""Request types with a label of their name; all others share the label `other`."""


class BoltApp(App):
    """
    Bolt app that measures each request.

    A Bolt middleware cannot: its `next()` returns before the listener runs.
    """

    def __init__(self, metrics: Metrics, **options: Any) -> None:
        """`options` are those of `App`."""
        super().__init__(**options)
        self._metrics = metrics

    def dispatch(self, req: BoltRequest) -> BoltResponse:
        """Run the listener of a request. Only a response with status 200 acknowledges it."""
        began = time.monotonic()
        is_acknowledged = False
        try:
            # Slack waits 3 s for the acknowledgement, so no call may wait for the budget.
            with pace_calls(Priority.REPLY, max_wait=0):
                response = super().dispatch(req)
            is_acknowledged = response.status == HTTP_OK
        finally:
            self._metrics.count_request(
                _request_type(req.body), time.monotonic() - began, acknowledged=is_acknowledged
            )
        return response


def create_app(web_client: WebClient, identity: BotIdentity, metrics: Metrics) -> BoltApp:
    """Create a Bolt app without listeners, and without Bolt's own early acknowledgements."""

    def authorize() -> AuthorizeResult:
        # The default would call `auth.test` before the first acknowledgement.
        return AuthorizeResult(
            enterprise_id=None,
            team_id=identity.team,
            bot_id=identity.bot_id,
            bot_user_id=identity.user_id,
            bot_token=web_client.token,
        )

    logger = logging.getLogger("slack_bolt.starchat")
    # Bolt's warnings print request bodies, and complain about the variable SLACK_BOT_TOKEN.
    logger.setLevel(logging.ERROR)
    return BoltApp(
        metrics,
        name="starchat",
        logger=logger,
        client=web_client,
        authorize=authorize,
        # The acknowledgement follows the listener, which has put everything into Redis by then.
        process_before_response=True,
        # The error listener acknowledges these; Bolt would answer 404, and Slack would retry.
        raise_error_for_unhandled_request=True,
        # `HttpMode` verifies signatures; Bolt would log the bodies of unsigned requests.
        request_verification_enabled=False,
        # The bot's own messages update the cached threads.
        ignoring_self_events_enabled=False,
        attaching_function_token_enabled=False,
    )


def _request_type(body: dict[str, Any]) -> str:
    kind = body.get("type")
    if kind in REQUEST_TYPES:
        return str(kind)
    return "command" if "command" in body else "other"
