"""
Answer check: whether an earlier answer is still there, and may be linked to from a question.

Slack is asked only if the database has a like question, and for a bounded time. Only the author's
name may come from a cache: a channel may have become private, the asker a guest, the question may
have been edited while no bot ran, and the reply may have been deleted or replaced.
"""

import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, TypeVarTuple

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.asked_before.visibility import ChannelFacts, may_link
from bot.handlers.asked_before.check_threads import CheckThreads
from bot.handlers.job_builder import Source
from bot.handlers.rules.rule_reader import RuleReader
from bot.handlers.votes.reply_source import ReplySource
from bot.messages.votes.entries import DropRecords, decode_entry
from bot.records.asked_questions import LikeAnswer
from bot.rules.versions import RulesUnreadableError
from bot.slack.budget import pace_calls
from bot.slack.client import CALL_ERRORS, error_name
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
"""Earlier answers that are read from Slack, the best ones that may be linked to."""
DELETED_ERRORS: Final = frozenset({"thread_not_found", "message_not_found"})
TOMBSTONE: Final = "tombstone"
"""Subtype of a deleted message that has replies."""

Found = TypeVar("Found")
Values = TypeVarTuple("Values")
LookUp = Callable[[], list[LikeAnswer]]


@dataclass(slots=True)
class Trial:
    """Checks of one question's earlier answers until a deadline (s, monotonic)."""

    deadline: float
    num_unchecked: int = 0

    def run(self, check: Callable[[*Values], Found], *values: *Values) -> Found | None:
        """Return what a check finds; `None` if it is late or fails: one answer hides no other."""
        if time.monotonic() <= self.deadline:
            try:
                return check(*values)
            except (*CALL_ERRORS, RulesUnreadableError) as error:
                log.info("like question not checked", why=type(error).__name__)
        self.num_unchecked += 1
        return None


@dataclass(frozen=True, slots=True)
class AnswerCheck:
    """Check of earlier answers of one team. Methods raise nothing."""

    client: WebClient
    rules: RuleReader
    users: UserDirectory
    poster: Poster
    source: ReplySource
    outbox: VoteOutbox
    threads: CheckThreads
    max_seconds: float = MAX_CHECK_SECONDS

    def find_readable(self, job: Job, look_up: LookUp) -> EarlierAnswer | None:
        """Return the best answer that everyone who can read the question can read, if any."""
        trial = Trial(time.monotonic() + self.max_seconds)
        future = self.threads.start_check(self._find_readable, job, look_up, trial)
        if future is None:
            log.info("earlier answer not checked", job=job.id, why="no free thread")
            return None
        try:
            return future.result(self.max_seconds)
        except Exception as error:  # noqa: BLE001 - no failure may cost the question its answer
            log.warning("earlier answer not checked", job=job.id, why=type(error).__name__)
            return None

    def _find_readable(self, job: Job, look_up: LookUp, trial: Trial) -> EarlierAnswer | None:
        # Withdrawals first: one that leaves the outbox after this has left the database before.
        withdrawals = self._list_withdrawals()
        with pace_calls(Priority.REPLY, MAX_WAIT_SECONDS):
            asking = self._read_channel(job.thread.channel)
            likes = [
                like
                for like in look_up()
                if like.author != job.user and not is_withdrawn(like, withdrawals)
            ]
            likes.sort(key=lambda one: one.thread.channel != asking.id)
            linkable = (like for like in likes if trial.run(self._may_link, job, asking, like))
            answers = (
                trial.run(self._describe_answer, like)
                for like in itertools.islice(linkable, MAX_CHECKED)
            )
            earlier = next((answer for answer in answers if answer is not None), None)
        if earlier is None:
            log.info(
                "no earlier answer linked",
                job=job.id, found=len(likes), unchecked=trial.num_unchecked,
            )  # fmt: skip
        return earlier

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
        is_elsewhere = channel != asking.id
        return may_link(asking, earlier, is_member=is_elsewhere and self._is_member(job))

    def _is_member(self, job: Job) -> bool:
        if job.user_team != job.thread.team:
            return False
        user = self.users.fetch_user(job.user, MAX_WAIT_SECONDS)
        return user.is_person and not user.is_guest

    def _read_channel(self, channel: str) -> ChannelFacts:
        answer: Any = self.client.conversations_info(channel=channel)
        return ChannelFacts.from_slack(channel, answer["channel"])

    def _describe_answer(self, like: LikeAnswer) -> EarlierAnswer | None:
        """Return an answer whose message shows the version that ran; `None` for others."""
        thread = like.thread
        found = self.source.find_reply(
            thread.channel, thread.ts, like.message_ts, Priority.REPLY, MAX_WAIT_SECONDS
        )
        if found is None or found.details.reply_id != like.version:
            return None
        if self._has_changed(like):
            self._drop_question(like)
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

    def _has_changed(self, like: LikeAnswer) -> bool:
        """Return whether a question was edited or deleted, which a bot may have missed."""
        try:
            raw = self.source.thread_cache.read_message(
                like.thread.channel, like.thread.ts, like.question_ts
            )
        except SlackApiError as error:
            if error_name(error) in DELETED_ERRORS:
                return True
            raise
        return not raw or "edited" in raw or raw.get("subtype") == TOMBSTONE

    def _drop_question(self, like: LikeAnswer) -> None:
        channel, ts = like.thread.channel, like.question_ts
        log.info("changed question dropped", channel=channel, ts=ts)
        self.outbox.push_entry(
            DropRecords(channel=channel, message_ts=ts, texts_only=True, queued_at=0)
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
