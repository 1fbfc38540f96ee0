"""
Question handler: the way of a new message from Slack into the inbox.

It needs Redis alone, so that no read of Slack delays an acknowledgement. An exception means that
nothing is promised yet: the listener does not acknowledge, and Slack delivers the message again.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog
from redis.exceptions import OutOfMemoryError

from bot.concurrency import AlarmClock, RecentKeys
from bot.handlers.admission_control import Admission, AdmissionControl
from bot.handlers.commands import CommandHandler
from bot.handlers.job_builder import Source
from bot.handlers.placeholders import PlaceholderPoster
from bot.handlers.stops.stop_handler import StopHandler
from bot.messages.admission import Verdict, mentions_bot
from bot.messages.events import MessagePosted
from bot.metrics import Metrics
from bot.store.acceptance import REFUSED_OUTCOMES, EnqueueOutcome, FollowCalls
from bot.store.client import NotCachedError
from bot.store.inbox import Inbox
from bot.store.job_queue import JobQueue
from bot.store.received import ReceivedMessage
from bot.store.thread_cache import ThreadCache, build_seed_call
from bot.store.thread_modes import build_join_call
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
    placeholders: PlaceholderPoster
    metrics: Metrics
    alarm: AlarmClock
    stops: StopHandler
    recent_mentions: RecentKeys = field(default_factory=RecentKeys)
    """Mentions whose first event this process has handled."""

    def handle_message(
        self, post: MessagePosted, *, check_earlier: bool = False, is_first_delivery: bool = False
    ) -> None:
        """
        Handle a new message.

        With `check_earlier`, an outage may hide earlier questions. `is_first_delivery` tells that
        no event of the message was delivered before, in vain or in an outage. Raises `RedisError`.
        """
        check_earlier = check_earlier and post.is_thread_reply
        handle = partial(
            self._handle_once,
            post,
            check_earlier=check_earlier,
            is_first_delivery=is_first_delivery,
        )
        with self.alarm.hold_back():
            try:
                handle()
            except OutOfMemoryError:
                # A full Redis: cached text, which Slack has too, yields to questions.
                dropped = self.commands.purge.drop_texts(post.thread.team)
                log.warning("redis full", dropped=dropped)
                handle()

    def _handle_once(
        self, post: MessagePosted, *, check_earlier: bool, is_first_delivery: bool
    ) -> None:
        if post.message is not None and post.is_thread_reply:
            self.thread_cache.put_message(post.thread, post.message, post.ts)
        if not post.can_ask or (post.asked is None and self.stops.stop_by_word(post)):
            return
        # Slack delivers a mention as two events: the second one costs one read.
        has_twin = is_first_delivery and mentions_bot(post, self.admission.identity)
        name = f"{post.thread.channel}:{post.ts}"
        with self.queue.hold_message(post.thread.channel, post.ts):
            if has_twin and name in self.recent_mentions and self._is_duplicate(post):
                self.metrics.count_question(EnqueueOutcome.DUPLICATE)
                return
            post, admitted = self._decide(post, check_earlier=check_earlier)
            is_question = admitted is None or admitted.verdict is Verdict.ANSWER
            if is_question:
                received = ReceivedMessage(
                    post=post,
                    is_undecided=admitted is None,
                    check_earlier=check_earlier,
                    rules=None if admitted is None else admitted.rules,
                )
                self._accept_or_refuse(received, is_first_delivery=is_first_delivery)
            if has_twin and is_question:
                self.recent_mentions.add(name)
        if admitted is not None and admitted.verdict not in {Verdict.ANSWER, Verdict.IGNORE}:
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

    def _accept_or_refuse(self, received: ReceivedMessage, *, is_first_delivery: bool) -> None:
        post = received.post
        if len(received.model_dump_json().encode()) > MAX_RECEIVED_BYTES:
            # A person who may not have asked is told nothing.
            if not received.is_undecided:
                self.commands.refuse_long_question(post)
            return
        delay = ORDER_GRACE_SECONDS if post.is_thread_reply else 0.0
        follow_calls = None
        if not received.is_undecided:  # the reader of an undecided message follows its thread
            is_new_root = is_first_delivery and not post.is_thread_reply
            follow_calls = _plan_follow_calls(post, is_new_root=is_new_root)
        receipt = self.inbox.accept(received, delay=delay, follow_calls=follow_calls)
        self.metrics.count_question(receipt.outcome)
        log.info(
            "question received",
            job=receipt.job_id,
            outcome=receipt.outcome,
            position=receipt.position,
            decided=not received.is_undecided,
            length=len(post.text),
        )
        if receipt.outcome in REFUSED_OUTCOMES and not received.is_undecided:
            self.commands.refuse_question(post, receipt)
        if receipt.outcome is EnqueueOutcome.ACCEPTED:
            self.alarm.set_alarm(delay)
            if not received.is_undecided:
                self.placeholders.schedule_placeholder(post.thread, post.ts, post.author)


def _plan_follow_calls(post: MessagePosted, *, is_new_root: bool) -> FollowCalls:
    """Return the calls that let the bot follow a question's thread."""
    join = build_join_call(post.thread, post.ts)
    # Any other root may have replies whose events the bot has missed.
    if not is_new_root or post.message is None:
        return FollowCalls(join, None)
    return FollowCalls(join, build_seed_call(post.thread, post.message))
