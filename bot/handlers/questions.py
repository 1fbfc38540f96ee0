"""
Question handler: the way of a new message from Slack into Redis.

Every exception means that nothing is promised yet: the listener does not acknowledge, and Slack
delivers the message again.
"""

from dataclasses import dataclass

import structlog
from redis.exceptions import OutOfMemoryError

from bot.handlers.admission_control import AdmissionControl
from bot.handlers.commands import CommandHandler
from bot.handlers.job_builder import JobBuilder
from bot.handlers.job_refresher import JobRefresher
from bot.handlers.placeholders import PlaceholderPoster
from bot.messages.admission import Verdict
from bot.messages.events import MessagePosted
from bot.metrics import Metrics
from bot.store.job_queue import EnqueueOutcome, JobQueue
from bot.store.thread_modes import ThreadModes
from contract.job import MAX_JOB_BYTES

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class QuestionHandler:
    """Admits a message, builds its job, enqueues it, and tells its author what happens next."""

    admission: AdmissionControl
    commands: CommandHandler
    job_builder: JobBuilder
    queue: JobQueue
    thread_modes: ThreadModes
    refresher: JobRefresher
    placeholders: PlaceholderPoster
    metrics: Metrics

    def handle_message(self, post: MessagePosted, *, attempt: int = 0) -> None:
        """
        Handle a new message; `attempt` counts the deliveries before this one.

        Raises `RedisError` and `CALL_ERRORS`.
        """
        try:
            self._admit_and_enqueue(post, attempt)
        except OutOfMemoryError:
            # A full Redis: cached text, which Slack has too, yields to questions.
            dropped = self.commands.purge.drop_texts(post.thread.team)
            log.warning("redis full", dropped=dropped)
            self._admit_and_enqueue(post, attempt)

    def _admit_and_enqueue(self, post: MessagePosted, attempt: int) -> None:
        if post.message is not None and post.is_thread_reply:
            self.job_builder.thread_cache.put_message(post.thread, post.message, post.ts)
        if not post.can_ask:
            return
        post = self.admission.resolve_author(post, attempt)
        verdict = self.admission.admit_message(post, attempt)
        if verdict is Verdict.ANSWER:
            with self.queue.hold_message(post.thread.channel, post.ts):
                self._enqueue_question(post, attempt)
        elif verdict is not Verdict.IGNORE:
            self.commands.run_command(post, verdict)

    def _enqueue_question(self, post: MessagePosted, attempt: int) -> None:
        if self.queue.is_duplicate(post.thread.team, post.thread.channel, post.ts):
            # The second event of a mention needs no second read of the thread.
            self.metrics.count_question(EnqueueOutcome.DUPLICATE)
            if attempt:
                self._follow_thread(post, attempt)
            return
        job = self.job_builder.build_from_message(post, attempt)
        if len(job.to_json().encode()) > MAX_JOB_BYTES:
            self.commands.refuse_long_question(post)
            return
        receipt = self.queue.enqueue(job, client_msg_id=post.client_msg_id)
        self.metrics.count_question(receipt.outcome)
        log.info(
            "question received",
            job=job.id,
            outcome=receipt.outcome,
            position=receipt.position,
            turns=len(job.turns),
            length=len(job.question.text),
        )
        if receipt.outcome in {EnqueueOutcome.QUEUE_FULL, EnqueueOutcome.USER_QUOTA_EXCEEDED}:
            self.commands.refuse_question(post, receipt)
            return
        # A redelivery follows the thread too: the first delivery may have died before it did.
        if receipt.outcome is EnqueueOutcome.ACCEPTED or attempt:
            self._follow_thread(post, attempt)
        if receipt.outcome is EnqueueOutcome.ACCEPTED:
            self.refresher.apply_early_edit(post, job, attempt)
            self.placeholders.schedule_placeholder(job, receipt)

    def _follow_thread(self, post: MessagePosted, attempt: int) -> None:
        # A redelivered or edited root may have replies whose events the bot has missed.
        is_new_root = not post.is_thread_reply and attempt == 0 and not post.is_edit
        if is_new_root and post.message is not None:
            self.job_builder.thread_cache.seed_thread(post.thread, post.message)
        self.thread_modes.join_thread(post.thread)
