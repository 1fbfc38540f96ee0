"""
What happens on each request of Slack: one middleware that acknowledges last.

It answers 200 only after everything that the request asks for is safe in Redis. If it raises,
Bolt answers 500, Socket Mode sends no acknowledgement, and Slack delivers again.
"""

import json
import time
from dataclasses import dataclass
from typing import Any, Final

import structlog
from redis.exceptions import RedisError
from slack_bolt import App, BoltRequest, BoltResponse

from bot import texts
from bot.background import BackgroundTasks
from bot.handlers.backfill import Backfill
from bot.handlers.edits import EditHandler
from bot.handlers.job_builder import LAST_ATTEMPT
from bot.handlers.questions import QuestionHandler
from bot.health import Metrics
from bot.messages import block_actions
from bot.messages.block_actions import ReanswerRequested
from bot.messages.events import (
    AppHomeOpened,
    AppUninstalled,
    Ignored,
    MessageChanged,
    MessageDeleted,
    MessagePosted,
    parse_event,
)
from bot.messages.identity import BotIdentity
from bot.slack.errors import CALL_ERRORS
from bot.slack.poster import Poster
from bot.store.line import QueueStatus
from bot.store.purge import Purge
from contract import queue_eta

log = structlog.get_logger()

REQUEST_TYPES: Final = frozenset(
    {"event_callback", "block_actions", "view_submission", "view_closed", "message_action"}
    | {"shortcut", "app_rate_limited", "block_suggestion"}
)
"""Types of requests that are counted by name; whatever else comes is counted as `other`."""


@dataclass(frozen=True, slots=True)
class Router:
    """Everything that listens to Slack."""

    identity: BotIdentity
    questions: QuestionHandler
    edit_handler: EditHandler
    backfill: Backfill
    queue_status: QueueStatus
    poster: Poster
    purge: Purge
    background: BackgroundTasks
    metrics: Metrics

    def register(self, app: App) -> None:
        """Make `app` hand every request to us."""
        app.use(self.handle_request)
        app.error(self.log_failure)

    def handle_request(self, body: dict[str, Any], request: BoltRequest) -> BoltResponse:
        """Deal with a request and acknowledge it: no other listener of Bolt's ever comes to it."""
        began = time.monotonic()
        kind = body.get("type")
        kind = kind if kind in REQUEST_TYPES else ("command" if "command" in body else "other")
        is_acknowledged = False
        try:
            response = self._dispatch_request(kind, body, request)
            is_acknowledged = True
        finally:
            self.metrics.count_request(kind, time.monotonic() - began, acknowledged=is_acknowledged)
        return response

    def log_failure(self, error: Exception) -> None:
        """Log what kept us from acknowledging; never with the text of the request."""
        if isinstance(error, (RedisError, *CALL_ERRORS)):
            log.warning("not acknowledged", why=type(error).__name__)
        else:
            log.error("not acknowledged", exc_info=error)

    def _dispatch_request(
        self, kind: str, body: dict[str, Any], request: BoltRequest
    ) -> BoltResponse:
        match kind:
            case "event_callback":
                self._handle_event(body, _read_retry_number(request))
            case "command":
                return self._handle_command(body)
            case "block_actions":
                self._handle_action(body)
            case "app_rate_limited":
                log.error("events rate limited by slack")
        return BoltResponse(status=200, body="")

    def _handle_event(self, body: dict[str, Any], attempt: int) -> None:
        match parse_event(body, self.identity):
            case MessagePosted() as post:
                self._backfill_first(post, attempt)
                self.questions.handle_message(post, attempt=attempt)
            case MessageChanged() as changed:
                self.edit_handler.handle_change(changed, attempt=attempt)
            case MessageDeleted() as deleted:
                self.edit_handler.handle_deletion(deleted, attempt=attempt)
            case AppHomeOpened() as opened:
                self.background.submit("home", self._publish_home, opened.user)
            case AppUninstalled() as gone:
                self.background.submit("forget team", self._purge_team, gone.team)
            case Ignored(readable=False):
                log.warning("event not readable")

    def _backfill_first(self, post: MessagePosted, attempt: int) -> None:
        try:
            self.backfill.handle_earlier_first(post)
        except CALL_ERRORS as error:
            if attempt < LAST_ATTEMPT:
                raise
            log.warning("earlier questions not read", why=type(error).__name__)

    def _handle_action(self, body: dict[str, Any]) -> None:
        match block_actions.parse_block_action(body, self.identity):
            case ReanswerRequested() as asked:
                self.edit_handler.answer_again(asked)
            case Ignored(readable=False):
                log.warning("action not readable")

    def _handle_command(self, body: dict[str, Any]) -> BoltResponse:
        words = str(body.get("text") or "").strip().lower()
        match words:
            case "status":
                text = self._describe_status()
            case "forget":
                text = self._purge_channel(body)
            case _:
                text = texts.HELP_TEXT
        answer = {"response_type": "ephemeral", "text": text}
        return BoltResponse(
            status=200, body=json.dumps(answer), headers={"content-type": "application/json"}
        )

    def _purge_channel(self, body: dict[str, Any]) -> str:
        team, channel = str(body.get("team_id")), str(body.get("channel_id"))
        if not (team.isalnum() and channel.isalnum()):
            return texts.HELP_TEXT
        return texts.purge_text(self.purge.drop_channel(team, channel))

    def _describe_status(self) -> str:
        workers, pending = self.queue_status.live_workers(), self.queue_status.queue_depth()
        return texts.status_text(pending, workers, queue_eta.estimate_wait(pending, workers))

    def _publish_home(self, user: str) -> None:
        self.poster.publish_home(user, texts.home_view(self._describe_status()))

    def _purge_team(self, team: str) -> None:
        log.info("team forgotten", team=team, keys=self.purge.drop_team(team))


def _read_retry_number(request: BoltRequest) -> int:
    number = str(request.headers.get("x-slack-retry-num", ["0"])[0])
    return int(number) if number.isascii() and number.isdigit() else 0
