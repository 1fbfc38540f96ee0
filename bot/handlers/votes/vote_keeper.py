"""
Keeper of votes: moves votes and deletions from the outbox in Redis to the database.

Any bot moves any entry, also of a bot that died. An entry leaves the outbox once the database has
it, or refuses it. Applying it twice changes nothing.
"""

import time
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog
from pydantic import ValidationError
from redis.exceptions import RedisError

from bot.failpoints import Failpoint, Failpoints
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.personal_notices import retry_delay
from bot.handlers.sweeper import Sweeper
from bot.handlers.votes.ran_line import RanLine
from bot.handlers.votes.reply_source import ReplySource
from bot.messages.votes.entries import CastVote, DropRecords, OutboxEntry, decode_entry
from bot.messages.votes.presses import Mark, PressKind
from bot.metrics import Metrics
from bot.notices import Notice, Sentence
from bot.records.database import RecordRefusedError, Records, RecordsUnavailableError
from bot.records.engine import LONG_USE_SECONDS
from bot.records.purge import PurgeScope
from bot.records.votes import ReplyKey, VoteChange, add_press, drop_old_votes, drop_texts
from bot.slack.client import CALL_ERRORS, is_refusal
from bot.store.client import decode_reply, read_clock, retry_redis
from bot.store.job_queue import JobQueue
from bot.store.vote_outbox import ENTRIES_PER_PAGE, VoteOutbox
from contract import keys
from contract.job import Thread
from contract.reply_details import ReplyDetails
from contract.usage import SECONDS_PER_DAY
from contract.worker_status import ServedModel

log = structlog.get_logger()

SWEEP_INTERVAL_SECONDS: Final = 2.0
MIN_VOTE_AGE_SECONDS: Final = 5.0
"""Age of a vote that the bot which accepted it has not stored at once."""
MIN_DROP_AGE_SECONDS: Final = 10.0
"""Age of a deletion when it is applied: by then, a vote with text that precedes it is stored."""
RETENTION_INTERVAL_SECONDS: Final = 3600.0


@dataclass(slots=True)
class VoteKeeper:
    """Keeper of one team's votes, with a sweeper for those of dead bots."""

    outbox: VoteOutbox
    records: Records
    source: ReplySource
    ran_line: RanLine
    notices: NoticeOutbox
    metrics: Metrics
    queue: JobQueue
    retention_days: int
    failpoints: Failpoints = field(default_factory=Failpoints)
    _cleaned_at: float = field(init=False, default=-RETENTION_INTERVAL_SECONDS)

    def build_sweeper(self) -> Sweeper:
        """Build the thread that stores the votes of dead bots, and drops old ones."""
        return Sweeper(
            "votes",
            (self.drain_outbox, self.ran_line.edit_due, self._drop_old_votes),
            (RedisError, RecordsUnavailableError),
            SWEEP_INTERVAL_SECONDS,
        )

    def store_vote(self, stored: str, vote: CastVote) -> bool:
        """
        Store a vote that was accepted a moment ago; return whether a 👎 may be explained.

        It tells the person if it stores the vote later, or refuses it. Raises `RedisError`.
        """
        try:
            change = self._apply_vote(vote)
        except (RecordsUnavailableError, *CALL_ERRORS) as error:
            if not self._is_final(error):
                log.warning("vote delayed", channel=vote.channel, why=type(error).__name__)
                self._tell_voter(vote, Sentence.VOTE_DELAYED)
                return True
            self._refuse_vote(vote)
            change = None
        retry_redis(partial(self.outbox.remove_entry, stored))
        # Not if it was withdrawn, or clicked twice.
        is_new = change is not None and change.before != change.after
        return is_new and change is not None and change.after.opinion is Mark.DOWN

    def drain_outbox(self) -> None:
        """
        Apply the entries that other bots, or an earlier attempt, have left.

        Raises `RecordsUnavailableError` at the first entry that the database does not take.
        """
        now, start = read_clock(self.outbox.redis), 0
        while page := self.outbox.read_page(start):
            for raw in page:
                if self._settle_entry(raw, now):
                    self.outbox.remove_entry(raw)
                else:
                    start += 1
            if len(page) < ENTRIES_PER_PAGE:
                return

    def _settle_entry(self, raw: bytes | str, now: float) -> bool:
        """Apply an entry if it is due; return whether the outbox may forget it."""
        try:
            entry = decode_entry(decode_reply(raw))
        except ValueError:
            log.error("vote not readable")  # noqa: TRY400 - it may hold anything
            return True
        is_vote = isinstance(entry, CastVote)
        age = now - entry.queued_at
        if 0 <= age < (MIN_VOTE_AGE_SECONDS if is_vote else MIN_DROP_AGE_SECONDS):
            return False
        return self._apply_entry(entry, is_expired=age > keys.QUEUE_TTL_SECONDS)

    def _apply_entry(self, entry: OutboxEntry, *, is_expired: bool) -> bool:
        if isinstance(entry, DropRecords):
            self._drop_records(entry)
            return True
        try:
            self._apply_vote(entry)
        except (RecordRefusedError, *CALL_ERRORS) as error:
            if not is_expired and not self._is_final(error):
                log.warning("vote delayed", channel=entry.channel, why=type(error).__name__)
                return False
            self._refuse_vote(entry)
        return True

    def _is_final(self, error: Exception) -> bool:
        """Return whether a later attempt would fail in the same way."""
        if isinstance(error, RecordsUnavailableError):
            return isinstance(error, RecordRefusedError)
        return retry_delay(error) is None and is_refusal(error)

    def _apply_vote(self, vote: CastVote) -> VoteChange | None:
        """Store a vote; return what it changed, `None` if its reply is deleted."""
        change, version = None, vote.version
        if version is not None:
            key = ReplyKey(self.outbox.team, vote.channel, vote.message_ts, version)
            change = self.records.write(
                partial(add_press, key=key, user=vote.user, press=vote.press)
            )
        if change is None:
            found = self.source.find_reply(vote.channel, vote.thread_ts, vote.message_ts)
            if found is None or found.is_pointer:
                self._tell_voter(vote, Sentence.VOTE_GONE)
                return None
            key, reply = self.source.describe_reply(found, vote)
            change = self.records.write(
                partial(add_press, key=key, user=vote.user, press=vote.press, reply=reply)
            )
        if change is None:
            return None
        self.failpoints.hit(Failpoint.AFTER_VOTE_STORED)
        if vote.press.mark is Mark.RAN:
            self.outbox.schedule_line(key.channel, key.message_ts, key.version)
        self._report_change(vote, change)
        return change

    def _report_change(self, vote: CastVote, change: VoteChange) -> None:
        kind = _name_change(change)
        if kind is None:
            return
        self.metrics.count_vote(kind, _name_model(change), self._list_served_models())
        log.info("vote stored", channel=vote.channel, ts=vote.message_ts, kind=kind)
        if kind == "withdrawn" and vote.press.kind is PressKind.TOGGLE:
            self._tell_voter(vote, Sentence.VOTE_WITHDRAWN)

    def _list_served_models(self) -> list[ServedModel]:
        """Return what the live workers serve; nothing while Redis is away."""
        try:
            return [model for worker in self.queue.live_workers() for model in worker.models]
        except RedisError:
            return []

    def _refuse_vote(self, vote: CastVote) -> None:
        log.error("vote not stored", channel=vote.channel)
        self._tell_voter(vote, Sentence.VOTE_REFUSED)

    def _tell_voter(self, vote: CastVote, sentence: Sentence) -> None:
        if vote.thread_ts:
            thread = Thread(team=self.outbox.team, channel=vote.channel, ts=vote.thread_ts)
            self.notices.tell_user(thread, vote.user, Notice(sentence))

    def _drop_records(self, drop: DropRecords) -> None:
        team, channel, thread_ts = self.outbox.team, drop.channel, drop.thread_ts
        if drop.texts_only and channel and thread_ts:
            use = partial(drop_texts, team=team, channel=channel, thread_ts=thread_ts)
            self.records.write(use)
        if drop.message_ts or not drop.texts_only:
            root = None if drop.message_ts else thread_ts
            self.records.purge(PurgeScope(team, channel, root, drop.message_ts))

    def _drop_old_votes(self) -> None:
        if time.monotonic() - self._cleaned_at < RETENTION_INTERVAL_SECONDS:
            return
        oldest = time.time() - self.retention_days * SECONDS_PER_DAY
        use = partial(drop_old_votes, before_ts=f"{oldest:.6f}")
        dropped = self.records.write(use, LONG_USE_SECONDS)
        self._cleaned_at = time.monotonic()
        log.info("old votes dropped", votes=dropped)


def _name_model(change: VoteChange) -> ServedModel:
    """Return the model of the reply; one without a name if its facts are not known."""
    try:
        details = ReplyDetails.model_validate_json(change.facts)
    except ValidationError:
        details = ReplyDetails()
    return ServedModel(model=details.model, revision=details.revision)


def _name_change(change: VoteChange) -> str | None:
    """Return the kind of a change for the metrics; `None` if nothing changed."""
    before, after = change.before, change.after
    if before == after:
        return None
    if before.opinion is not after.opinion:
        return _name_mark(after.opinion)
    return "reason" if before.ran == after.ran else _name_mark(Mark.RAN if after.ran else None)


def _name_mark(mark: Mark | None) -> str:
    return "withdrawn" if mark is None else mark.value
