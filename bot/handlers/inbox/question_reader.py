"""
Question reader: reads the thread of an accepted question and fills its job in.

This runs after the acknowledgement. What fails is tried again later, so each step is idempotent.
"""

from dataclasses import dataclass
from typing import Final

import structlog

from bot.concurrency import BackgroundTasks
from bot.failpoints import Failpoint, Failpoints
from bot.handlers.admission_control import AdmissionControl
from bot.handlers.asked_before.asked_before import AskedBefore
from bot.handlers.backfill import Backfill
from bot.handlers.commands import CommandHandler
from bot.handlers.job_builder import JobBuilder, Source
from bot.handlers.job_refresher import JobRefresher
from bot.handlers.placeholders import PlaceholderPoster
from bot.handlers.reanswer import ReanswerHandler
from bot.handlers.replies.rework import ReworkHandler
from bot.handlers.research_notice import ResearchNotice
from bot.messages.admission import Verdict
from bot.messages.events import MessagePosted
from bot.notices import Notice, Sentence
from bot.rules.channel_rules import DEFAULT_RULES
from bot.slack.poster import Poster
from bot.store.acceptance import REFUSED_OUTCOMES
from bot.store.inbox import FillOutcome, Inbox, InboxEntry
from bot.store.job_queue import JobQueue
from bot.store.received import Received, ReceivedMessage, ReceivedReanswer, ReceivedRework
from bot.store.stored_answers import StoredAnswers
from bot.store.thread_modes import ThreadModes
from contract.job import MAX_JOB_BYTES

log = structlog.get_logger()

MAX_CONFLICTS: Final = 8
"""Times that a thread may change while it is read, before the read is postponed."""


class ThreadChangingError(Exception):
    """The thread changed during each of `MAX_CONFLICTS` reads."""


@dataclass(frozen=True, slots=True)
class QuestionReader:
    """
    Reader of accepted questions.

    Methods raise `RedisError`, and `NotCachedError` or `CALL_ERRORS` as the `Source` says.
    """

    inbox: Inbox
    queue: JobQueue
    admission: AdmissionControl
    commands: CommandHandler
    job_builder: JobBuilder
    thread_modes: ThreadModes
    refresher: JobRefresher
    placeholders: PlaceholderPoster
    reanswers: ReanswerHandler
    reworks: ReworkHandler
    answers: StoredAnswers
    backfill: Backfill
    poster: Poster
    background: BackgroundTasks
    failpoints: Failpoints
    research_notice: ResearchNotice
    asked_before: AskedBefore

    def read_question(self, entry: InboxEntry, source: Source) -> None:
        """Read a question's thread and fill its job in, or find that it is no question."""
        received = entry.received
        if isinstance(received, ReceivedMessage):
            self._read_message(entry.job_id, received, source)
        elif isinstance(received, ReceivedRework):
            self.reworks.fill_rework(entry.job_id, received, source)
        elif received is not None:
            self.reanswers.fill_reanswer(entry.job_id, received, source)

    def free_memory(self, team: str) -> None:
        """Drop the cached text of a team, which Slack has too: Redis is full."""
        log.warning("redis full", dropped=self.commands.purge.drop_texts(team))

    def give_up(self, entry: InboxEntry) -> None:
        """End a question that cannot be read, with an error."""
        log.error("question given up", job=entry.job_id, readable=entry.received is not None)
        received = entry.received
        if isinstance(received, ReceivedMessage) and not received.is_undecided:
            self.inbox.release_markers(received)
            self.commands.notices.post_notice(received.post, Notice(Sentence.QUESTION_NOT_READ))
        elif isinstance(received, ReceivedRework):
            self.reworks.refuse_rework(received, Sentence.QUESTION_NOT_FOUND)
        elif isinstance(received, ReceivedReanswer):
            self.reanswers.refuse_reanswer(received)
        self._drop_job(entry.job_id, received)

    def _read_message(self, job: str, received: ReceivedMessage, source: Source) -> None:
        post = received.post
        if self.backfill.hides_deletion(post.ts) and self.job_builder.is_deleted(
            post.thread, post.ts, source
        ):
            log.info("question deleted", job=job)
            self._drop_job(job, received)
            return
        if received.check_earlier:
            self.backfill.handle_earlier_first(post, source)
        if received.is_undecided:
            decided = self._decide_message(job, source)
        else:
            decided = self._check_rules(job, received, source)
        if decided is None:
            return
        received, post = decided, decided.post
        fields = self._find_shared_answer(job, received)
        if fields is None:
            return
        if received.is_undecided:
            self.thread_modes.join_thread(post.thread, post.ts)
        is_filled = self._fill_message(job, received, source, fields)
        if is_filled and received.is_undecided:
            self.placeholders.schedule_placeholder(post.thread, post.ts, post.author)

    def _find_shared_answer(self, job: str, received: ReceivedMessage) -> dict[str, str] | None:
        """
        Return the fields of a job that give it the answer that a person shares; empty for others.

        If Redis no longer has the answer, drop the job and return `None`.
        """
        thread, shared = received.thread, received.post.shared_thread
        if shared is None:
            return {}
        answer, _ = self.answers.read_versions(shared, shared.ts)
        if answer is not None:
            return answer.to_job_fields()
        self.inbox.release_markers(received)
        self.commands.notices.tell_user(shared, received.user, Notice(Sentence.ANSWER_NOT_KEPT))
        self._drop_job(job, received)
        self.background.submit("delete", self.poster.delete_message, thread.channel, received.ts)
        return None

    def _decide_message(self, job: str, source: Source) -> ReceivedMessage | None:
        """Decide about an undecided message; return it with its rules, `None` without a job."""
        for _ in range(MAX_CONFLICTS):
            # Read before the message: an edit after this is decided once more, never missed.
            revision = self.inbox.get_revision(job)
            entry = self.inbox.get_entry(job)
            received = None if entry is None else entry.received
            if not isinstance(received, ReceivedMessage):
                return None
            post = self.admission.resolve_author(received.post, source)
            verdict, rules = self.admission.admit_message(post, source)
            received = received.model_copy(update={"post": post, "rules": rules})
            if verdict is Verdict.ANSWER:
                return self._keep_within_limits(job, received)
            if verdict is not Verdict.IGNORE:
                self._end_without_job(job, received, verdict)
                return None
            if self.inbox.drop_unread(received, revision) or not self.inbox.get_entry(job):
                return None
        raise ThreadChangingError

    def _keep_within_limits(self, job: str, received: ReceivedMessage) -> ReceivedMessage | None:
        """Return the question, or refuse it and return `None` if its author's quota is full."""
        receipt = self.inbox.check_limits(received)
        if receipt.outcome in REFUSED_OUTCOMES:
            self.inbox.release_markers(received)
            self.commands.refuse_question(received.post, receipt)
            self._drop_job(job, received)
            return None
        return received

    def _check_rules(
        self, job: str, received: ReceivedMessage, source: Source
    ) -> ReceivedMessage | None:
        """Return a question with its rules, which it may not have yet; `None` if refused."""
        if received.rules is not None:
            return received
        verdict, rules = self.admission.check_rules(received.post, source)
        if verdict is not Verdict.ANSWER:
            self._end_without_job(job, received, verdict)
            return None
        return received.model_copy(update={"rules": rules})

    def _fill_message(
        self, job_id: str, received: ReceivedMessage, source: Source, fields: dict[str, str]
    ) -> bool:
        """Fill the job of a message in; return whether it was filled in here."""
        post = received.post
        self._announce_masking(post)
        rules = received.rules or DEFAULT_RULES
        for _ in range(MAX_CONFLICTS):
            # Read before the thread: a change between the two is read once more, never missed.
            revision = self.inbox.get_revision(job_id)
            job = self.job_builder.build_from_message(post, source)
            job = self.job_builder.apply_rules(job, rules)
            job = self.asked_before.suggest_answer(job, post, rules, source)
            if len(job.to_json().encode()) > MAX_JOB_BYTES:
                self._refuse_long_question(job_id, received)
                return False
            # A job behind this one may have been read before this question was there.
            self.refresher.refresh_later_jobs(post.thread, job_id, source)
            self.failpoints.hit(Failpoint.DURING_READ)
            outcome = self.inbox.fill_job(job, revision, fields)
            if outcome is FillOutcome.CONFLICT:
                continue
            if outcome is FillOutcome.FILLED:
                self.failpoints.hit(Failpoint.AFTER_FILL)
                self.asked_before.record_question(job, post, rules)
                log.info("question read", job=job_id, turns=len(job.turns), source=source.value)
                if post.message is not None and post.shared_thread is None:
                    self.research_notice.tell_once(post.thread, post.message)
            return outcome is FillOutcome.FILLED
        raise ThreadChangingError

    def _announce_masking(self, post: MessagePosted) -> None:
        # A shared question was told about where it was asked.
        if post.message is not None and post.shared_thread is None:
            is_asked = post.asked is not None
            self.commands.notices.announce_masking(post.thread, post.message, is_asked=is_asked)

    def _end_without_job(self, job: str, received: ReceivedMessage, verdict: Verdict) -> None:
        self.inbox.release_markers(received)
        if verdict is not Verdict.IGNORE:
            self.commands.run_command(received.post, verdict)
        self._drop_job(job, received)

    def _refuse_long_question(self, job: str, received: ReceivedMessage) -> None:
        self.inbox.release_markers(received)
        self.commands.refuse_long_question(received.post)
        self._drop_job(job, received)

    def _drop_job(self, job: str, received: Received | None) -> None:
        canceled = self.queue.cancel_job(job)
        self.inbox.discard_entry(job)
        if canceled.orphan_ts is not None and received is not None:
            self.background.submit(
                "delete", self.poster.delete_message, received.thread.channel, canceled.orphan_ts
            )
