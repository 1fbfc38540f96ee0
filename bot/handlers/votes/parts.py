"""Parts of the votes, built from the objects that all handlers share."""

from dataclasses import dataclass

from bot.failpoints import Failpoints
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.votes.ran_line import RanLine
from bot.handlers.votes.reply_source import ReplySource
from bot.handlers.votes.vote_handler import VoteHandler
from bot.handlers.votes.vote_keeper import VoteKeeper
from bot.handlers.votes.vote_texts import VoteTexts
from bot.messages.message import BotIdentity
from bot.metrics import Metrics
from bot.records.database import Records
from bot.settings import Settings
from bot.slack.users import UserDirectory
from bot.store.job_queue import JobQueue
from bot.store.stored_answers import StoredAnswers
from bot.store.vote_outbox import VoteOutbox


@dataclass(frozen=True, slots=True)
class VoteParts:
    """Objects from which the votes are built."""

    settings: Settings
    identity: BotIdentity
    records: Records
    users: UserDirectory
    notices: NoticeOutbox
    metrics: Metrics
    queue: JobQueue
    failpoints: Failpoints

    def build_handler(self) -> VoteHandler:
        """Build the handler with its keeper, whose thread is not started."""
        notices, identity = self.notices, self.identity
        outbox = VoteOutbox(notices.redis, identity.team)
        texts = VoteTexts(identity, notices.thread_cache, StoredAnswers(notices.redis))
        has_consent = self.settings.starchat_votes_with_text == "on"
        source = ReplySource(identity, notices.thread_cache, texts if has_consent else None)
        ran_line = RanLine(
            outbox,
            self.records,
            source,
            self.users,
            notices.poster,
            notices.languages,
            self.failpoints,
        )
        keeper = VoteKeeper(
            outbox,
            self.records,
            source,
            ran_line,
            notices,
            self.metrics,
            self.queue,
            self.settings.starchat_votes_retention_days,
            self.failpoints,
        )
        return VoteHandler(
            identity, outbox, keeper, notices, notices.poster, notices.background, self.failpoints
        )
