"""
Takes a message from Slack to Redis: decide, read the thread, build the job, accept it.

Whatever is raised here, by Redis or by Slack, means that nothing was promised: the caller does
not acknowledge, and Slack delivers the message again.
"""

from dataclasses import dataclass, field

import structlog
from redis import Redis

from bot import texts
from bot.background import Background
from bot.concurrency import Alone
from bot.handlers.job_builder import Jobs
from bot.handlers.notice_outbox import Notices
from bot.handlers.placeholders import Signs
from bot.health import Metrics
from bot.messages import admission, conversation, mrkdwn
from bot.messages.admission import Mode, Policy, Verdict
from bot.messages.events import Place, Posted
from bot.messages.identity import Me
from bot.slack.poster import Posting
from bot.slack.users import Names
from bot.store.job_queue import Outbox, Outcome, Receipt
from bot.store.job_updates import Revisions
from bot.store.line import Line
from bot.store.purge import Forgetting
from bot.store.thread_cache import Threads
from bot.store.thread_modes import Sessions
from contract import queue_eta
from contract.job import MAX_JOB_BYTES, Job

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Turns:
    """What the bot does about messages."""

    me: Me
    policy: Policy
    redis: Redis
    jobs: Jobs
    threads: Threads
    sessions: Sessions
    names: Names
    outbox: Outbox
    revisions: Revisions
    line: Line
    signs: Signs
    notices: Notices
    posting: Posting
    forgetting: Forgetting
    background: Background
    metrics: Metrics
    restart: bool = True
    """Whether a reply under way begins anew where its question was edited."""
    alone: Alone = field(default_factory=Alone)
    """Of the twins of a message one comes after the other, and finds it taken in."""

    def take(self, post: Posted, *, attempt: int = 0) -> None:
        """Deal with a new message; `attempt` is how often Slack has delivered it before."""
        if post.message is not None and post.in_thread:
            self.threads.keep(post.thread, post.message, post.ts)
        if not post.asks:
            return
        verdict = self._decide(post, attempt)
        if verdict is Verdict.ANSWER:
            self._answer(post, attempt)
        elif verdict is not Verdict.IGNORE:
            self._reply(post, verdict)

    def _decide(self, post: Posted, attempt: int) -> Verdict:
        asked = post.in_thread and not admission.named(post, self.me)
        mode = self._mode(post) if asked else None
        counts = mode is Mode.AUTO and post.place is not Place.DIRECT
        people = None
        if counts and not post.bots and not mrkdwn.mentioned(post.text):
            people = self._people(post, attempt)
        verdict = admission.decide(post, self.me, policy=self.policy, mode=mode, people=people)
        closed = verdict not in {Verdict.IGNORE, Verdict.OUTSIDER} and not self.policy.guests
        if closed and not post.bots:
            person = self.names.of(post.thread.team, [post.author])[post.author]
            # A door that is closed to guests stays closed where nobody can say who is one.
            return Verdict.OUTSIDER if person.guest or not person.known else verdict
        return verdict

    def _mode(self, post: Posted) -> Mode | None:
        mode = self.sessions.mode(post.thread)
        # The question that began the thread may be on its way into Redis just now.
        if mode is None and self.alone.wait(f"{post.thread.channel}:{post.thread.ts}"):
            mode = self.sessions.mode(post.thread)
        return mode

    def _people(self, post: Posted, attempt: int) -> int | None:
        messages = self.jobs.read(post.thread, attempt)
        return None if messages is None else conversation.people(messages)

    def _answer(self, post: Posted, attempt: int) -> None:
        with self.alone.holding(f"{post.thread.channel}:{post.ts}"):
            self._answer_once(post, attempt)

    def _answer_once(self, post: Posted, attempt: int) -> None:
        if self.outbox.seen(post.thread.team, post.thread.channel, post.ts):
            # The thread need not be read again for the twin of a message that was taken in.
            self.metrics.outcome(Outcome.DUPLICATE)
            return self._join(post, attempt) if attempt else None
        job = self.jobs.of(post, attempt)
        if len(job.to_json().encode()) > MAX_JOB_BYTES:
            return self.notices.say(post, texts.TOO_LONG)
        receipt = self.outbox.accept(job, gesture=post.gesture)
        self.metrics.outcome(receipt.outcome)
        log.info(
            "turn",
            job=job.id,
            outcome=receipt.outcome,
            place=receipt.place,
            turns=len(job.turns),
            length=len(job.question.text),
        )
        if receipt.outcome in {Outcome.FULL, Outcome.PERSON_FULL}:
            return self._decline(post, receipt)
        # Whoever took in the twin of a first delivery joins too, or Slack delivers that again.
        if receipt.outcome is Outcome.ACCEPTED or attempt:
            self._join(post, attempt)
        if receipt.outcome is Outcome.ACCEPTED:
            self._recheck(post, job, attempt)
            self.signs.show(job, receipt)
        return None

    def _recheck(self, post: Posted, job: Job, attempt: int) -> None:
        """Put an edit into a job that came after its thread was read and found no job yet."""
        newest = self.threads.newest(post.thread, post.ts)
        if newest is not None and newest != post.message:
            self.revisions.revise(
                job.id, lambda old: self.jobs.anew(old, attempt), restart=self.restart
            )

    def _join(self, post: Posted, attempt: int) -> None:
        with self.redis.pipeline(transaction=False) as pipe:
            self.sessions.join(post.thread, pipe)
            # A root that comes late may have replies already that nobody has told us about.
            if post.message is not None and not post.in_thread and attempt == 0:
                self.threads.begin(post.thread, post.message, pipe)
            self.threads.touch(post.thread, pipe)
            pipe.execute()

    def _reply(self, post: Posted, verdict: Verdict) -> None:
        thread = post.thread
        match verdict:
            case Verdict.FOLLOW:
                self.sessions.choose(thread, Mode.FOLLOW)
            case Verdict.MUTE:
                self.sessions.choose(thread, Mode.MUTE)
            case Verdict.FORGET:
                self.forgetting.thread(thread)
        self.metrics.verdict(verdict)
        log.info("told", verdict=verdict, channel=thread.channel, ts=post.ts)
        if verdict is not Verdict.OUTSIDER:
            self.notices.say(post, texts.COMMANDS[verdict])
        elif self.outbox.claim(thread.team, thread.channel, post.ts):
            where = thread.ts if post.in_thread else None
            self.background.do(
                "whisper",
                self.posting.whisper,
                thread.channel,
                post.author,
                texts.OUTSIDER,
                thread_ts=where,
            )

    def _decline(self, post: Posted, receipt: Receipt) -> None:
        seconds = queue_eta.estimate_wait(receipt.pending, self.line.workers())
        if receipt.outcome is Outcome.FULL:
            self.notices.say(post, texts.full(seconds))
        else:
            self.notices.say(post, texts.person_full(receipt.place, seconds))
