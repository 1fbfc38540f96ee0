"""
Answer check: whether an earlier answer is still there, and may be linked to from a question.

Slack is asked only if the database has a like question, and for a bounded time. Nothing is cached,
because a channel may have become private, and a reply may have been deleted or replaced.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Final

import structlog
from slack_sdk import WebClient

from bot.asked_before.visibility import ChannelFacts, may_link
from bot.handlers.job_builder import Source
from bot.handlers.rules.rule_reader import RuleReader
from bot.handlers.votes.reply_source import ReplySource
from bot.messages.votes.entries import DropRecords, decode_entry
from bot.records.asked_questions import LikeAnswer
from bot.slack.budget import pace_calls
from bot.slack.poster import Poster
from bot.slack.users import UserDirectory
from bot.store.client import decode_reply
from bot.store.vote_outbox import ENTRIES_PER_PAGE, VoteOutbox
from contract.earlier_answer import MAX_NAME_CHARACTERS, EarlierAnswer
from contract.job import Job
from contract.slack_budget import Priority

log = structlog.get_logger()

MAX_CHECK_SECONDS: Final = 5.0
"""Time limit of a check; then the question is answered as always."""
MAX_WAIT_SECONDS: Final = 2.0
"""Longest wait of a call for the budget."""
MAX_CHECKED: Final = 3
"""Earlier answers that are tried, the best ones."""

LookUp = Callable[[], list[LikeAnswer]]


@dataclass(frozen=True, slots=True)
class AnswerCheck:
    """Check of earlier answers of one team. Methods raise nothing."""

    client: WebClient
    rules: RuleReader
    users: UserDirectory
    poster: Poster
    source: ReplySource
    outbox: VoteOutbox
    executor: Executor

    def find_readable(self, job: Job, look_up: LookUp) -> EarlierAnswer | None:
        """Return the best answer that everyone who can read the question can read, if any."""
        try:
            future = self.executor.submit(self._find_readable, job, look_up)
            return future.result(MAX_CHECK_SECONDS)
        except Exception as error:  # noqa: BLE001 - no failure may cost the question its answer
            log.warning("earlier answer not checked", job=job.id, why=type(error).__name__)
            return None

    def _find_readable(self, job: Job, look_up: LookUp) -> EarlierAnswer | None:
        # Withdrawals first: one that leaves the outbox after this has left the database before.
        withdrawals = self._list_withdrawals()
        with pace_calls(Priority.REPLY, MAX_WAIT_SECONDS):
            asking = self._read_channel(job.thread.channel)
            answers = (
                self._describe_answer(like)
                for like in look_up()[:MAX_CHECKED]
                if not is_withdrawn(like, withdrawals) and self._may_link(job, asking, like)
            )
            return next((answer for answer in answers if answer is not None), None)

    def _list_withdrawals(self) -> list[DropRecords]:
        """Return the deletions that the database may not have yet. Raises `ValueError`."""
        page = self.outbox.read_page(0)
        if len(page) == ENTRIES_PER_PAGE:
            raise ValueError("too many entries wait for the database")
        entries = (decode_entry(decode_reply(raw)) for raw in page)
        return [entry for entry in entries if isinstance(entry, DropRecords)]

    def _may_link(self, job: Job, asking: ChannelFacts, like: LikeAnswer) -> bool:
        channel = like.thread.channel
        if not self.rules.read_rules(channel, Source.SLACK).asked_before:
            return False
        earlier = asking if channel == asking.id else self._read_channel(channel)
        return may_link(asking, earlier, is_member=self._is_member(job))

    def _is_member(self, job: Job) -> bool:
        if job.user_team != job.thread.team:
            return False
        user = self.users.lookup_author(job.thread.team, job.user)
        return user.is_person and not user.is_guest

    def _read_channel(self, channel: str) -> ChannelFacts:
        answer: Any = self.client.conversations_info(channel=channel)
        return ChannelFacts.from_slack(channel, answer["channel"])

    def _describe_answer(self, like: LikeAnswer) -> EarlierAnswer | None:
        """Return an answer whose message shows the version that ran; `None` for others."""
        thread = like.thread
        found = self.source.find_reply(thread.channel, thread.ts, like.message_ts)
        if found is None or found.details.reply_id != like.version:
            return None
        author = self.users.lookup_users(thread.team, [like.author])[like.author]
        if not author.is_resolved:
            return None
        return EarlierAnswer(
            author_name=author.name[:MAX_NAME_CHARACTERS],
            asked_at=int(float(like.question_ts)),
            num_ran=like.num_ran,
            permalink=self.poster.find_permalink(thread.channel, like.message_ts),
        )


def is_withdrawn(like: LikeAnswer, withdrawals: Iterable[DropRecords]) -> bool:
    """Return whether one of these deletions takes an answer with it."""
    return any(_takes(like, drop) for drop in withdrawals)


def _takes(like: LikeAnswer, drop: DropRecords) -> bool:
    if drop.channel not in {None, like.thread.channel}:
        return False
    if drop.message_ts is not None:
        return drop.message_ts in {like.question_ts, like.message_ts}
    return not drop.texts_only and drop.thread_ts in {None, like.thread.ts}
