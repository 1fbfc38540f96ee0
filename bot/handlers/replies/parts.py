"""Parts of the controls of replies and of the stops, built from the objects that all share."""

from dataclasses import dataclass

from bot.handlers.asked_before.withdrawal import QuestionWithdrawal
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.replies.controls import ReplyControls
from bot.handlers.replies.deletion import ReplyDeletion
from bot.handlers.replies.details import DetailsHandler
from bot.handlers.replies.rework import ReworkHandler
from bot.handlers.stops.follow_up import StopFollowUp
from bot.handlers.stops.sessions import SessionSweeper
from bot.handlers.stops.stop_handler import StopHandler
from bot.handlers.votes.parts import VoteParts
from bot.handlers.votes.reply_source import ReplySource
from bot.messages.message import BotIdentity
from bot.metrics import Metrics
from bot.records.database import Records
from bot.settings import Settings
from bot.store.job_queue import JobQueue
from bot.store.stops import Stops


@dataclass(frozen=True, slots=True)
class ControlParts:
    """Objects from which stops and controls are built."""

    settings: Settings
    identity: BotIdentity
    records: Records
    metrics: Metrics
    queue: JobQueue
    notices: NoticeOutbox
    reworks: ReworkHandler

    def build_controls(self) -> tuple[StopHandler, ReplyControls]:
        """Build the handlers; the sweeper of stops also does what is due of other parts."""
        identity, notices, reworks = self.identity, self.notices, self.reworks
        poster, background, failpoints = notices.poster, notices.background, notices.failpoints
        users, rules = notices.languages.users, reworks.admission.rules
        stops = Stops(notices.redis, identity.team, self.queue)
        sessions = SessionSweeper(notices.redis, identity.team, poster)
        deletion = self._build_deletion(stops)
        follow_up = StopFollowUp(
            stops,
            poster,
            notices.thread_cache,
            background,
            [sessions.end_due, deletion.delete_due, rules.refresh_due],
            notices.languages,
            failpoints,
        )
        votes = VoteParts(
            self.settings,
            identity,
            self.records,
            users,
            notices,
            self.metrics,
            self.queue,
            failpoints,
        ).build_handler()
        admins = self.settings.starchat_admins
        return (
            StopHandler(identity, admins, stops, users, notices, follow_up, sessions, failpoints),
            ReplyControls(
                deletion,
                DetailsHandler(poster, notices, background, rules),
                reworks,
                votes,
                reworks.commands.code,
                QuestionWithdrawal(votes.outbox, notices),
                notices,
            ),
        )

    def _build_deletion(self, stops: Stops) -> ReplyDeletion:
        notices = self.notices
        return ReplyDeletion(
            notices.redis,
            self.identity.team,
            self.settings.starchat_admins,
            self.queue,
            notices.thread_cache,
            notices.poster,
            notices,
            notices.background,
            stops,
            ReplySource(self.identity, notices.thread_cache),
        )
