"""Parts of *Asked before*, built from the objects that all handlers share."""

from dataclasses import dataclass

from slack_sdk import WebClient

from bot.concurrency import BackgroundTasks
from bot.handlers.asked_before.answer_check import AnswerCheck
from bot.handlers.asked_before.asked_before import AskedBefore
from bot.handlers.asked_before.check_threads import CheckThreads
from bot.handlers.asked_before.retention import QuestionRetention
from bot.handlers.rules.rule_reader import RuleReader
from bot.handlers.votes.reply_source import ReplySource
from bot.handlers.votes.vote_handler import VoteHandler
from bot.records.database import Records
from bot.slack.poster import Poster
from bot.slack.users import UserDirectory


@dataclass(frozen=True, slots=True)
class AskedBeforeParts:
    """Objects from which *Asked before* is built."""

    client: WebClient
    records: Records
    rules: RuleReader
    users: UserDirectory
    poster: Poster
    recorder: BackgroundTasks
    threads: CheckThreads

    def build(self, votes: VoteHandler, source: ReplySource) -> AskedBefore:
        """Build the recorder and finder of questions."""
        check = AnswerCheck(
            self.client,
            self.rules,
            self.users,
            self.poster,
            source,
            votes.outbox,
            self.threads,
        )
        return AskedBefore(self.records, check, self.recorder)

    def build_retention(self, team: str) -> QuestionRetention:
        """Build the retention of a team's questions."""
        return QuestionRetention(team, self.records, self.rules)
