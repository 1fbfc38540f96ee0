"""
Bolt listeners: one for each kind of Slack request.

Bolt acknowledges after the listener (`process_before_response`). By then, Redis holds everything
that the request asks for. If a listener raises, Bolt answers 500, Socket Mode sends no
acknowledgement, and Slack delivers the request again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from redis.exceptions import RedisError
from slack_bolt import Ack, App, BoltRequest, BoltResponse
from slack_bolt.error import BoltUnhandledRequestError

from bot import texts
from bot.handlers.app_events import AppEventHandler
from bot.handlers.asks.command import SlashCommand
from bot.handlers.asks.form import ASK_CALLBACK_ID
from bot.handlers.asks.handlers import AskHandlers
from bot.handlers.backfill import Backfill
from bot.handlers.edits import EditHandler
from bot.handlers.home.home_handler import HomeHandler
from bot.handlers.outage_signs import OutageSigns
from bot.handlers.questions import QuestionHandler
from bot.handlers.reanswer import ReanswerHandler
from bot.handlers.replies.controls import ReplyControls
from bot.handlers.slash_commands import SlashCommandHandler
from bot.handlers.stops.stop_handler import StopHandler
from bot.handlers.votes.reason_form import REASON_CALLBACK_ID, parse_reason
from bot.home.presses import parse_home_press
from bot.home.view import CLEAR_ACTION_ID, LANGUAGE_ACTION_ID
from bot.messages.block_actions import (
    ANSWER_AGAIN_ACTION_ID,
    CONTROLS,
    SHARE_ACTION_ID,
    ReanswerRequested,
    ShareRequested,
    StopRequested,
    parse_block_action,
)
from bot.messages.event_parser import parse_event
from bot.messages.events import (
    AppHomeOpened,
    AppUninstalled,
    BotInvited,
    ChannelMoved,
    DeletionReaction,
    Event,
    FileDeleted,
    Ignored,
    MessageChanged,
    MessageDeleted,
    MessagePosted,
    MessagesTabOpened,
    SessionStopped,
    StopReaction,
    VoteReaction,
)
from bot.messages.message import BotIdentity
from bot.messages.public_questions import PublicQuestions
from bot.rules.modal import RULES_CALLBACK_ID
from bot.slack.client import CALL_ERRORS
from contract.stop import STOP_ACTION_ID

log = structlog.get_logger()

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Router:
    """Listeners, and the handlers that they call."""

    identity: BotIdentity
    questions: QuestionHandler
    edits: EditHandler
    reanswers: ReanswerHandler
    stops: StopHandler
    controls: ReplyControls
    backfill: Backfill
    slash_commands: SlashCommandHandler
    asks: AskHandlers
    app_events: AppEventHandler
    home: HomeHandler
    outage_signs: OutageSigns
    public_questions: PublicQuestions

    def register_listeners(self, app: App) -> None:
        """Register a listener for each kind of request; Bolt runs the first that matches."""
        app.event({"type": "message", "subtype": "message_changed"})(self.on_message_changed)
        app.event({"type": "message", "subtype": "message_deleted"})(self.on_message_deleted)
        app.event("message")(self.on_message)
        app.event("app_mention")(self.on_message)
        app.event("reaction_added")(self.on_reaction)
        app.event("reaction_removed")(self.on_reaction)
        app.event("agent_session_stopped")(self.on_stop_event)
        app.event("app_home_opened")(self.on_app_home_opened)
        app.event("member_joined_channel")(self.on_member_joined)
        app.event("channel_id_changed")(self.on_channel_moved)
        app.event("file_deleted")(self.on_file_deleted)
        app.event("app_uninstalled")(self.on_app_uninstalled)
        app.event("tokens_revoked")(self.on_app_uninstalled)
        app.action(ANSWER_AGAIN_ACTION_ID)(self.on_block_action)
        app.action(STOP_ACTION_ID)(self.on_block_action)
        app.action(SHARE_ACTION_ID)(self.on_block_action)
        for control in CONTROLS:
            app.action(control)(self.on_block_action)
        for control in (LANGUAGE_ACTION_ID, CLEAR_ACTION_ID):
            app.action(control)(self.on_home_press)
        app.view(REASON_CALLBACK_ID)(self.on_vote_reason)
        app.command("/starchat")(self.on_slash_command)
        app.view(RULES_CALLBACK_ID)(self.on_rules_form)
        app.message_shortcut(ASK_CALLBACK_ID)(self.on_shortcut)
        app.view(ASK_CALLBACK_ID)(self.on_ask_form)
        app.error(self.on_error)

    def on_message(self, body: Body, request: BoltRequest) -> None:
        """Handle a new message or mention."""
        event = self._parse_event(body)
        if not isinstance(event, MessagePosted):
            return
        self.public_questions.record_message(event)
        try:
            self.questions.handle_message(
                event,
                check_earlier=self.backfill.outage is not None,
                is_first_delivery=_read_retry_number(request) == 0,
            )
        except RedisError:
            self.outage_signs.show_wait(event)
            raise

    def on_message_changed(self, body: Body, request: BoltRequest) -> None:
        """Handle an edited message, or a deleted root, which Slack turns into a tombstone."""
        match self._parse_event(body):
            case MessageChanged() as changed:
                self.edits.handle_change(changed, attempt=_read_retry_number(request))
            case MessageDeleted() as deleted:
                self.edits.handle_deletion(deleted)

    def on_message_deleted(self, body: Body) -> None:
        """Handle a deleted message."""
        event = self._parse_event(body)
        if isinstance(event, MessageDeleted):
            self.edits.handle_deletion(event)

    def on_reaction(self, body: Body) -> None:
        """Stop a reply, delete it, or count a vote on it."""
        match self._parse_event(body):
            case StopReaction() as reaction:
                self.stops.stop_by_reaction(reaction)
            case DeletionReaction() as reaction:
                self.controls.deletion.delete_by_reaction(reaction)
            case VoteReaction() as reaction:
                self.controls.votes.vote_by_reaction(reaction)

    def on_stop_event(self, body: Body) -> None:
        """Stop replies after a press of Slack's own Stop."""
        event = self._parse_event(body)
        if isinstance(event, SessionStopped):
            self.stops.stop_by_session(event)

    def on_vote_reason(self, body: Body, ack: Ack) -> None:
        """Accept the reason of a 👎, and close its form."""
        given = parse_reason(body, self.identity)
        if given is None:
            log.warning("action not readable")
        else:
            self.controls.votes.give_reason(given)
        ack()

    def on_app_home_opened(self, body: Body) -> None:
        """Publish the Home tab, or suggest prompts in the direct message."""
        match self._parse_event(body):
            case AppHomeOpened() as event:
                self.home.publish_home(event.user)
            case MessagesTabOpened() as event:
                self.asks.prompts.suggest_prompts(event)

    def on_home_press(self, body: Body, ack: Ack) -> None:
        """Follow a control of the Home tab."""
        press = parse_home_press(body)
        if press is None:
            log.warning("action not readable")
        else:
            self.home.handle_press(press)
        ack()

    def on_member_joined(self, body: Body) -> None:
        """Welcome a channel that the bot was invited to."""
        event = self._parse_event(body)
        if isinstance(event, BotInvited):
            self.app_events.welcome_channel(event)

    def on_channel_moved(self, body: Body) -> None:
        """Keep the rules of a channel that has a new id."""
        event = self._parse_event(body)
        if isinstance(event, ChannelMoved):
            self.app_events.move_channel(event)

    def on_file_deleted(self, body: Body) -> None:
        """Delete the texts of a file."""
        event = self._parse_event(body)
        if isinstance(event, FileDeleted):
            self.app_events.purge_file(event)

    def on_app_uninstalled(self, body: Body) -> None:
        """Purge a team that has uninstalled the app or revoked its token."""
        event = self._parse_event(body)
        if isinstance(event, AppUninstalled):
            self.app_events.purge_team(event)

    def on_block_action(self, body: Body, ack: Ack) -> None:
        """Stop a reply, follow a control of a finished one, or answer an edited question."""
        match parse_block_action(body, self.identity):
            case StopRequested() as request:
                self.stops.stop_by_button(request)
            case ReanswerRequested() as request:
                self.reanswers.answer_again(request)
            case ShareRequested() as request:
                self.asks.private.share_answer(request)
            case Ignored():
                log.warning("action not readable")
            case request:
                self.controls.handle_press(request)
        ack()

    def on_slash_command(self, body: Body, ack: Ack) -> None:
        """Run `/starchat` and reply to its author alone."""
        command = SlashCommand(
            text=str(body.get("text") or ""),
            team=str(body.get("team_id")),
            channel=str(body.get("channel_id")),
            user=str(body.get("user_id")),
            trigger_id=str(body.get("trigger_id") or ""),
        )
        words = self.slash_commands.run_slash_command(command)
        if words is None:
            ack()
            return
        text = words.text.translate(self.slash_commands.find_language(command))
        more_blocks = words.more_blocks
        blocks = [texts.section_block(text), *more_blocks] if more_blocks else None
        ack(text=text, blocks=blocks, response_type="ephemeral")

    def on_rules_form(self, body: Body, ack: Ack) -> None:
        """Save the form of a channel's rules, or keep it open with what is wrong."""
        ack(**self.slash_commands.settings.submit_form(body))

    def on_shortcut(self, body: Body, ack: Ack) -> None:
        """Open the form of a question about a message."""
        self.asks.shortcut.open_form(body)
        ack()

    def on_ask_form(self, body: Body, ack: Ack) -> None:
        """Accept a question about a message, or keep its form open with what is wrong."""
        ack(**self.asks.shortcut.submit_form(body))

    def on_error(self, error: Exception, body: Body) -> BoltResponse | None:
        """Acknowledge a request without a listener; leave a failed one unacknowledged."""
        if isinstance(error, BoltUnhandledRequestError):
            if body.get("type") == "app_rate_limited":
                log.error("events rate limited by slack")
            return BoltResponse(status=200, body="")
        # Never with the request: it holds people's text.
        if isinstance(error, (RedisError, *CALL_ERRORS)):
            log.warning("not acknowledged", why=type(error).__name__)
        else:
            log.error("not acknowledged", exc_info=error)
        return None

    def _parse_event(self, body: Body) -> Event:
        event = parse_event(body, self.identity)
        if isinstance(event, Ignored) and not event.readable:
            log.warning("event not readable")
        return event


def _read_retry_number(request: BoltRequest) -> int:
    number = str(request.headers.get("x-slack-retry-num", ["0"])[0])
    return int(number) if number.isascii() and number.isdigit() else 0
