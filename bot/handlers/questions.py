"""
Takes a message from Slack to Redis: decide, read the thread, build the job, accept it.

Whatever is raised here, by Redis or by Slack, means that nothing was promised: the caller does
not acknowledge, and Slack delivers the message again.
"""

from dataclasses import dataclass, field

import structlog
from redis import Redis

from bot import texts
from bot.background import BackgroundTasks
from bot.concurrency import KeyedLock
from bot.handlers.job_builder import JobBuilder
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.placeholders import PlaceholderPoster
from bot.health import Metrics
from bot.messages import admission, conversation, mrkdwn
from bot.messages.admission import Policy, ThreadMode, Verdict
from bot.messages.events import ChannelType, MessagePosted
from bot.messages.identity import BotIdentity
from bot.slack.poster import Poster
from bot.slack.users import UserDirectory
from bot.store.job_queue import EnqueueOutcome, JobQueue, Receipt
from bot.store.job_updates import JobUpdates
from bot.store.line import QueueStatus
from bot.store.purge import Purge
from bot.store.thread_cache import ThreadCache
from bot.store.thread_modes import ThreadModes
from contract import queue_eta
from contract.job import MAX_JOB_BYTES, Job

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class QuestionHandler:
    """What the bot does about messages."""

    identity: BotIdentity
    policy: Policy
    redis: Redis
    job_builder: JobBuilder
    thread_cache: ThreadCache
    thread_modes: ThreadModes
    users: UserDirectory
    queue: JobQueue
    job_updates: JobUpdates
    queue_status: QueueStatus
    placeholders: PlaceholderPoster
    notices: NoticeOutbox
    poster: Poster
    purge: Purge
    background: BackgroundTasks
    metrics: Metrics
    restart_on_edit: bool = True
    """Whether a reply under way begins anew where its question was edited."""
    locks: KeyedLock = field(default_factory=KeyedLock)
    """Of the twins of a message one comes after the other, and finds it taken in."""

    def handle_message(self, post: MessagePosted, *, attempt: int = 0) -> None:
        """Deal with a new message; `attempt` is how often Slack has delivered it before."""
        if post.message is not None and post.is_thread_reply:
            self.thread_cache.put_message(post.thread, post.message, post.ts)
        if not post.can_ask:
            return
        verdict = self._decide_verdict(post, attempt)
        if verdict is Verdict.ANSWER:
            self._enqueue_under_lock(post, attempt)
        elif verdict is not Verdict.IGNORE:
            self._run_command(post, verdict)

    def _decide_verdict(self, post: MessagePosted, attempt: int) -> Verdict:
        is_unmentioned_reply = post.is_thread_reply and not admission.is_for_bot(
            post, self.identity
        )
        mode = self._read_mode(post) if is_unmentioned_reply else None
        needs_count = mode is ThreadMode.AUTO and post.channel_type is not ChannelType.IM
        num_people = None
        if needs_count and not post.bot_ids and not mrkdwn.find_mentions(post.text):
            num_people = self._count_people(post, attempt)
        verdict = admission.admit(
            post, self.identity, policy=self.policy, mode=mode, num_people=num_people
        )
        is_members_only = (
            verdict not in {Verdict.IGNORE, Verdict.OUTSIDER} and not self.policy.allow_guests
        )
        if is_members_only and not post.bot_ids:
            person = self.users.lookup_users(post.thread.team, [post.author])[post.author]
            # A door that is closed to guests stays closed where nobody can say who is one.
            return Verdict.OUTSIDER if person.is_guest or not person.is_resolved else verdict
        return verdict

    def _read_mode(self, post: MessagePosted) -> ThreadMode | None:
        mode = self.thread_modes.get_mode(post.thread)
        # The question that began the thread may be on its way into Redis just now.
        if mode is None and self.locks.wait_until_free(f"{post.thread.channel}:{post.thread.ts}"):
            mode = self.thread_modes.get_mode(post.thread)
        return mode

    def _count_people(self, post: MessagePosted, attempt: int) -> int | None:
        messages = self.job_builder.read_thread(post.thread, attempt)
        return None if messages is None else conversation.count_people(messages)

    def _enqueue_under_lock(self, post: MessagePosted, attempt: int) -> None:
        with self.locks.hold(f"{post.thread.channel}:{post.ts}"):
            self._enqueue_question(post, attempt)

    def _enqueue_question(self, post: MessagePosted, attempt: int) -> None:
        if self.queue.is_duplicate(post.thread.team, post.thread.channel, post.ts):
            # The thread need not be read again for the twin of a message that was taken in.
            self.metrics.count_question(EnqueueOutcome.DUPLICATE)
            return self._follow_thread(post, attempt) if attempt else None
        job = self.job_builder.build_from_message(post, attempt)
        if len(job.to_json().encode()) > MAX_JOB_BYTES:
            return self.notices.post_notice(post, texts.QUESTION_TOO_LONG)
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
            return self._post_rejection(post, receipt)
        # Whoever took in the twin of a first delivery joins too, or Slack delivers that again.
        if receipt.outcome is EnqueueOutcome.ACCEPTED or attempt:
            self._follow_thread(post, attempt)
        if receipt.outcome is EnqueueOutcome.ACCEPTED:
            self._apply_early_edit(post, job, attempt)
            self.placeholders.schedule_placeholder(job, receipt)
        return None

    def _apply_early_edit(self, post: MessagePosted, job: Job, attempt: int) -> None:
        """Put an edit into a job that came after its thread was read and found no job yet."""
        latest = self.thread_cache.get_latest(post.thread, post.ts)
        if latest is not None and latest != post.message:
            self.job_updates.replace_payload(
                job.id,
                lambda old: self.job_builder.rebuild_job(old, attempt),
                restart=self.restart_on_edit,
            )

    def _follow_thread(self, post: MessagePosted, attempt: int) -> None:
        with self.redis.pipeline(transaction=False) as pipe:
            self.thread_modes.join_thread(post.thread, pipe)
            # A root that comes late may have replies already that nobody has told us about.
            if post.message is not None and not post.is_thread_reply and attempt == 0:
                self.thread_cache.seed_thread(post.thread, post.message, pipe)
            self.thread_cache.extend_ttl(post.thread, pipe)
            pipe.execute()

    def _run_command(self, post: MessagePosted, verdict: Verdict) -> None:
        thread = post.thread
        match verdict:
            case Verdict.FOLLOW:
                self.thread_modes.set_mode(thread, ThreadMode.FOLLOW)
            case Verdict.MUTE:
                self.thread_modes.set_mode(thread, ThreadMode.MUTE)
            case Verdict.FORGET:
                self.purge.drop_thread(thread)
        self.metrics.count_notice(verdict)
        log.info("notice", verdict=verdict, channel=thread.channel, ts=post.ts)
        if verdict is not Verdict.OUTSIDER:
            self.notices.post_notice(post, texts.COMMAND_REPLIES[verdict])
        elif self.queue.mark_as_handled(thread.team, thread.channel, post.ts):
            where = thread.ts if post.is_thread_reply else None
            self.background.submit(
                "whisper",
                self.poster.post_ephemeral,
                thread.channel,
                post.author,
                texts.MEMBERS_ONLY,
                thread_ts=where,
            )

    def _post_rejection(self, post: MessagePosted, receipt: Receipt) -> None:
        seconds = queue_eta.estimate_wait(receipt.pending, self.queue_status.live_workers())
        if receipt.outcome is EnqueueOutcome.QUEUE_FULL:
            self.notices.post_notice(post, texts.queue_full(seconds))
        else:
            self.notices.post_notice(post, texts.user_quota_exceeded(receipt.position, seconds))
