"""Stop handler: one path for every request to stop a reply, whichever way it came in."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import structlog

from bot.failpoints import Failpoint, Failpoints
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.stops.follow_up import StopFollowUp
from bot.handlers.stops.sessions import SessionSweeper
from bot.messages import admission
from bot.messages.block_actions import StopRequested
from bot.messages.events import ChannelType, MessagePosted, SessionStopped, StopReaction
from bot.messages.message import BotIdentity
from bot.notices import Notice, Sentence
from bot.slack.users import UserDirectory
from bot.store.stops import StopOutcome, StoppableJob, Stops
from contract.job import Thread, job_id
from contract.stop import StopRecord

log = structlog.get_logger()

EXPLANATIONS: Final = {
    StopOutcome.GONE: Sentence.STOP_GONE,
    StopOutcome.ENDED: Sentence.STOP_ENDED,
}
"""Sentence for a person whose stop changes nothing."""


@dataclass(frozen=True, slots=True)
class StopHandler:
    """
    Stops replies for the person who asked or whose quota counts them, and for `administrators`.

    The record of a stop is in Redis before anything else happens. Methods raise `RedisError`.
    """

    identity: BotIdentity
    administrators: frozenset[str]
    stops: Stops
    users: UserDirectory
    notices: NoticeOutbox
    follow_up: StopFollowUp
    sessions: SessionSweeper
    failpoints: Failpoints = field(default_factory=Failpoints)

    def stop_by_button(self, request: StopRequested) -> None:
        """Stop the reply whose button a person pressed."""
        thread = request.thread
        job = self.stops.find_job(job_id(thread.team, thread.channel, request.ts))
        if job is None or job.thread != thread:
            self.notices.tell_user(thread, request.user, Notice(Sentence.STOP_GONE))
        else:
            self._stop_or_explain(job, request.user)

    def stop_by_reaction(self, reaction: StopReaction) -> None:
        """Stop the reply to a question, if the reaction is to the question or to the reply."""
        if reaction.user == self.identity.user_id:
            return
        channel, ts = reaction.channel, reaction.ts
        job = self.stops.find_job(job_id(reaction.team, channel, ts))
        job = job or self.stops.find_by_reply(channel, ts)
        # Anyone may react so to a reply that has ended, without a wish to stop it.
        if job is not None and (job.is_open or self._may_stop(job, reaction.user)):
            self._stop_or_explain(job, reaction.user)

    def stop_by_session(self, stopped: SessionStopped) -> None:
        """Stop what a person may stop in a thread, after a press of Slack's own Stop."""
        thread, user = stopped.thread, stopped.user
        jobs = self.stops.list_open_jobs(thread)
        chosen = self._choose_jobs(jobs, user, is_addressed=True)
        for job in chosen:
            self._stop_job(job, user)
        if jobs and not chosen:
            self._tell_user(thread, user, Sentence.STOP_REFUSED)
        # The app has to end the session, also if a worker has died.
        self.sessions.check_soon(thread)

    def stop_by_word(self, post: MessagePosted) -> bool:
        """
        Stop what the author of the word `stop` has asked before it; return whether this was it.

        In a direct message that covers all of its threads. An administrator who mentions the bot
        stops everybody's questions of the thread. Without anything to stop, the message is an
        ordinary one.
        """
        if not post.can_ask or post.bot_ids or post.has_attachments or _has_files(post):
            return False
        if not admission.is_stop_word(post.text, self.identity):
            return False
        is_direct = post.channel_type is ChannelType.IM
        found = self.stops.list_open_jobs(post.thread, in_channel=is_direct)
        jobs = [job for job in found if job.asked_at < post.ts]
        is_addressed = admission.mentions_bot(post, self.identity)
        chosen = self._choose_jobs(jobs, post.author, is_addressed=is_addressed)
        if chosen:
            record = self._build_record(post.author)
            self.stops.mark_stops(chosen, record, post.thread.channel, post.ts)
            for job in chosen:
                self._stop_job(job, post.author)
        elif jobs and is_addressed:
            self.notices.post_notice(post, Notice(Sentence.STOP_REFUSED))
        return bool(chosen or (jobs and is_addressed))

    def _choose_jobs(
        self, jobs: Iterable[StoppableJob], user: str, *, is_addressed: bool
    ) -> list[StoppableJob]:
        own = [job for job in jobs if job.is_from(user)]
        return own or [job for job in jobs if is_addressed and user in self.administrators]

    def _stop_or_explain(self, job: StoppableJob, user: str) -> None:
        if not self._may_stop(job, user):
            log.info("stop refused", job=job.id)
            self._tell_user(job.thread, user, Sentence.STOP_REFUSED)
            return
        sentence = EXPLANATIONS.get(self._stop_job(job, user))
        if sentence is not None:
            self._tell_user(job.thread, user, sentence)

    def _may_stop(self, job: StoppableJob, user: str) -> bool:
        return job.is_from(user) or user in self.administrators

    def _stop_job(self, job: StoppableJob, user: str) -> StopOutcome:
        outcome = self.stops.stop_job(job, self._build_record(user))
        self.failpoints.hit(Failpoint.AFTER_STOP_RECORD)
        if outcome is StopOutcome.RUNNING:
            self.stops.send_command(job.id)
        self.follow_up.schedule(job.id, outcome)
        log.info("stop requested", job=job.id, outcome=outcome.value, by_asker=user == job.user)
        return outcome

    def _build_record(self, user: str) -> StopRecord:
        found = self.users.lookup_cached_users(self.identity.team, [user]).get(user)
        name = found.name if found is not None and found.is_resolved else ""
        return StopRecord(user=user, name=name)

    def _tell_user(self, thread: Thread, user: str, sentence: Sentence) -> None:
        self.notices.tell_user(thread, user, Notice(sentence))


def _has_files(post: MessagePosted) -> bool:
    message = post.message
    return message is not None and bool(message.files or message.references)
