"""
Question handler: the way of a new message from Slack into the inbox.

It needs Redis alone, so that no read of Slack delays an acknowledgement. An exception means that
nothing is promised yet: the listener does not acknowledge, and Slack delivers the message again.
"""

from dataclasses import dataclass
from typing import Final

import structlog
from redis.exceptions import OutOfMemoryError

from bot.concurrency import AlarmClock
from bot.handlers.admission_control import Admission, AdmissionControl
from bot.handlers.commands import CommandHandler
from bot.handlers.job_builder import Source
from bot.handlers.placeholders import PlaceholderPoster
from bot.handlers.stops.stop_handler import StopHandler
from bot.messages.admission import Verdict, mentions_bot
from bot.messages.events import MessagePosted
from bot.metrics import Metrics
from bot.store.client import NotCachedError
from bot.store.inbox import Inbox
from bot.store.job_queue import REFUSED_OUTCOMES, EnqueueOutcome, JobQueue
from bot.store.received import ReceivedMessage
from bot.store.thread_cache import ThreadCache
from bot.store.thread_modes import ThreadModes
from contract.job import MAX_JOB_BYTES

log = structlog.get_logger()

ORDER_GRACE_SECONDS: Final = 0.2
"""Delay before a reply's thread is read, so that an earlier question may still be accepted."""
MAX_RECEIVED_BYTES: Final = 2 * MAX_JOB_BYTES
"""Maximum size of a message in the inbox."""


@dataclass(frozen=True, slots=True)
class QuestionHandler:
    """Admits a message, accepts it into the inbox, and tells its author if that is refused."""

    admission: AdmissionControl
    commands: CommandHandler
    thread_cache: ThreadCache
    queue: JobQueue
    inbox: Inbox
    thread_modes: ThreadModes
    placeholders: PlaceholderPoster
    metrics: Metrics
    alarm: AlarmClock
    stops: StopHandler

    def handle_message(
        self, post: MessagePosted, *, attempt: int = 0, check_earlier: bool = False
    ) -> None:
        """
        Handle a new message; `attempt` counts the deliveries before this one.

        With `check_earlier`, an outage may hide earlier questions. Raises `RedisError`.
        """
        check_earlier = check_earlier and post.is_thread_reply
        try:
            self._admit_and_accept(post, attempt, check_earlier=check_earlier)
        except OutOfMemoryError:
            # A full Redis: cached text, which Slack has too, yields to questions.
            dropped = self.commands.purge.drop_texts(post.thread.team)
            log.warning("redis full", dropped=dropped)
            self._admit_and_accept(post, attempt, check_earlier=check_earlier)

    def _admit_and_accept(self, post: MessagePosted, attempt: int, *, check_earlier: bool) -> None:
        if post.message is not None and post.is_thread_reply:
            self.thread_cache.put_message(post.thread, post.message, post.ts)
        if not post.can_ask or (post.asked is None and self.stops.stop_by_word(post)):
            return
        # Slack delivers a mention as two events: the second costs one read and no other.
        is_checked = attempt == 0 and mentions_bot(post, self.admission.identity)
        with self.queue.hold_message(post.thread.channel, post.ts):
            if is_checked and self._is_duplicate(post):
                self.metrics.count_question(EnqueueOutcome.DUPLICATE)
                return
            post, admitted = self._decide(post, check_earlier=check_earlier)
            if admitted is None or admitted.verdict is Verdict.ANSWER:
                received = ReceivedMessage(
                    post=post,
                    is_undecided=admitted is None,
                    check_earlier=check_earlier,
                    rules=None if admitted is None else admitted.rules,
                )
                self._accept_once(received, attempt, is_checked=is_checked)
                return
        if admitted.verdict is not Verdict.IGNORE:
            self.commands.run_command(post, admitted.verdict)

    def _is_duplicate(self, post: MessagePosted) -> bool:
        return self.queue.is_duplicate(post.thread.team, post.thread.channel, post.ts)

    def _decide(
        self, post: MessagePosted, *, check_earlier: bool
    ) -> tuple[MessagePosted, Admission | None]:
        """Decide by what Redis holds; without a decision, Slack has to be asked."""
        try:
            resolved = self.admission.resolve_author(post, Source.CACHE)
            admitted = self.admission.admit_message(resolved, Source.CACHE)
        except NotCachedError:
            return post, None
        # An earlier question that was missed would have made the bot follow the thread.
        is_undecided = admitted.verdict is Verdict.IGNORE and check_earlier
        return (post, None) if is_undecided else (resolved, admitted)

    def _accept_once(self, received: ReceivedMessage, attempt: int, *, is_checked: bool) -> None:
        post = received.post
        if not is_checked and self._is_duplicate(post):
            self.metrics.count_question(EnqueueOutcome.DUPLICATE)
            if attempt and not received.is_undecided:
                self._follow_thread(post, attempt)
            return
        if len(received.model_dump_json().encode()) > MAX_RECEIVED_BYTES:
            # A person who may not have asked is told nothing.
            if not received.is_undecided:
                self.commands.refuse_long_question(post)
            return
        self._accept(received, attempt)

    def _accept(self, received: ReceivedMessage, attempt: int) -> None:
        post = received.post
        delay = ORDER_GRACE_SECONDS if post.is_thread_reply else 0.0
        receipt = self.inbox.accept(received, delay=delay)
        self.metrics.count_question(receipt.outcome)
        log.info(
            "question received",
            job=receipt.job_id,
            outcome=receipt.outcome,
            position=receipt.position,
            decided=not received.is_undecided,
            length=len(post.text),
        )
        if receipt.outcome in REFUSED_OUTCOMES:
            if not received.is_undecided:
                self.commands.refuse_question(post, receipt)
            return
        is_accepted = receipt.outcome is EnqueueOutcome.ACCEPTED
        # A redelivery follows the thread too: the first delivery may have died before it did.
        if not received.is_undecided and (is_accepted or attempt):
            self._follow_thread(post, attempt)
        if is_accepted:
            self.alarm.set_alarm(delay)
            if not received.is_undecided:
                self.placeholders.schedule_placeholder(post.thread, post.ts, post.author)

    def _follow_thread(self, post: MessagePosted, attempt: int) -> None:
        # A redelivered or edited root may have replies whose events the bot has missed.
        is_new_root = not post.is_thread_reply and attempt == 0 and not post.is_edit
        if is_new_root and post.message is not None:
            self.thread_cache.seed_thread(post.thread, post.message)
        self.thread_modes.join_thread(post.thread, post.ts)
