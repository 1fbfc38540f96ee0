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
from bot.background import Background
from bot.handlers.backfill import CatchUp
from bot.handlers.edits import Edits
from bot.handlers.job_builder import LAST_ATTEMPT
from bot.handlers.questions import Turns
from bot.health import Metrics
from bot.messages import block_actions
from bot.messages.block_actions import AskedAgain
from bot.messages.events import Changed, Deleted, HomeOpened, Other, Posted, Uninstalled, read
from bot.messages.identity import Me
from bot.slack.errors import SLACK_AWAY
from bot.slack.poster import Posting
from bot.store.line import Line
from bot.store.purge import Forgetting
from contract import queue_eta

log = structlog.get_logger()

KINDS: Final = frozenset(
    {"event_callback", "block_actions", "view_submission", "view_closed", "message_action"}
    | {"shortcut", "app_rate_limited", "block_suggestion"}
)
"""Types of requests that are counted by name; whatever else comes is counted as `other`."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """Everything that listens to Slack."""

    me: Me
    turns: Turns
    edits: Edits
    catch_up: CatchUp
    line: Line
    posting: Posting
    forgetting: Forgetting
    background: Background
    metrics: Metrics

    def attach(self, app: App) -> None:
        """Make `app` hand every request to us."""
        app.use(self.receive)
        app.error(self.failed)

    def receive(self, body: dict[str, Any], request: BoltRequest) -> BoltResponse:
        """Deal with a request and acknowledge it: no other listener of Bolt's ever comes to it."""
        began = time.monotonic()
        kind = body.get("type")
        kind = kind if kind in KINDS else ("command" if "command" in body else "other")
        done = False
        try:
            response = self._deal(kind, body, request)
            done = True
        finally:
            self.metrics.request(kind, time.monotonic() - began, acknowledged=done)
        return response

    def failed(self, error: Exception) -> None:
        """Log what kept us from acknowledging; never with the text of the request."""
        if isinstance(error, (RedisError, *SLACK_AWAY)):
            log.warning("not acknowledged", why=type(error).__name__)
        else:
            log.error("not acknowledged", exc_info=error)

    def _deal(self, kind: str, body: dict[str, Any], request: BoltRequest) -> BoltResponse:
        match kind:
            case "event_callback":
                self._event(body, _attempt(request))
            case "command":
                return self._command(body)
            case "block_actions":
                self._pressed(body)
            case "app_rate_limited":
                log.error("slack limits our events")
        return BoltResponse(status=200, body="")

    def _event(self, body: dict[str, Any], attempt: int) -> None:
        match read(body, self.me):
            case Posted() as post:
                self._before(post, attempt)
                self.turns.take(post, attempt=attempt)
            case Changed() as changed:
                self.edits.change(changed, attempt=attempt)
            case Deleted() as deleted:
                self.edits.delete(deleted, attempt=attempt)
            case HomeOpened() as opened:
                self.background.do("home", self._show_home, opened.user)
            case Uninstalled() as gone:
                self.background.do("forget team", self._forget_team, gone.team)
            case Other(readable=False):
                log.warning("event not readable")

    def _before(self, post: Posted, attempt: int) -> None:
        try:
            self.catch_up.go_before(post)
        except SLACK_AWAY as error:
            if attempt < LAST_ATTEMPT:
                raise
            log.warning("not looked before", why=type(error).__name__)

    def _pressed(self, body: dict[str, Any]) -> None:
        match block_actions.read(body, self.me):
            case AskedAgain() as asked:
                self.edits.again(asked)
            case Other(readable=False):
                log.warning("press not readable")

    def _command(self, body: dict[str, Any]) -> BoltResponse:
        said = str(body.get("text") or "").strip().lower()
        match said:
            case "status":
                text = self._status()
            case "forget":
                text = self._forget(body)
            case _:
                text = texts.HELP
        answer = {"response_type": "ephemeral", "text": text}
        return BoltResponse(
            status=200, body=json.dumps(answer), headers={"content-type": "application/json"}
        )

    def _forget(self, body: dict[str, Any]) -> str:
        team, channel = str(body.get("team_id")), str(body.get("channel_id"))
        if not (team.isalnum() and channel.isalnum()):
            return texts.HELP
        return texts.forgotten(self.forgetting.channel(team, channel))

    def _status(self) -> str:
        workers, pending = self.line.workers(), self.line.pending()
        return texts.status(pending, workers, queue_eta.estimate_wait(pending, workers))

    def _show_home(self, user: str) -> None:
        self.posting.show_home(user, texts.home(self._status()))

    def _forget_team(self, team: str) -> None:
        log.info("team forgotten", team=team, keys=self.forgetting.team(team))


def _attempt(request: BoltRequest) -> int:
    said = str(request.headers.get("x-slack-retry-num", ["0"])[0])
    return int(said) if said.isascii() and said.isdigit() else 0
