"""What follows when people think better of what they wrote: edited, deleted, asked again."""

from dataclasses import dataclass

import structlog

from bot import texts
from bot.background import Background
from bot.handlers.job_builder import LAST_ATTEMPT, Jobs
from bot.handlers.placeholders import Signs
from bot.messages import conversation, mrkdwn
from bot.messages.block_actions import AskedAgain
from bot.messages.events import Changed, Deleted
from bot.messages.identity import Me
from bot.messages.message import Kind, Message
from bot.slack.errors import SLACK_AWAY
from bot.slack.poster import Posting
from bot.store.job_queue import Outbox, Outcome, Receipt
from bot.store.job_updates import Revised, Revisions
from bot.store.line import Line
from bot.store.thread_cache import Threads
from contract import queue_eta
from contract.job import Job, Thread, job_id

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Edits:
    """What the bot does about edits. `restart` is whether a reply under way begins anew."""

    me: Me
    restart: bool
    jobs: Jobs
    threads: Threads
    outbox: Outbox
    revisions: Revisions
    line: Line
    signs: Signs
    posting: Posting
    background: Background

    def change(self, changed: Changed, *, attempt: int = 0) -> None:
        """Keep the copy of a thread true to an edit, and the jobs that read it."""
        # A reply of ours that still grows changes every second and is no turn yet.
        if changed.message is None:
            return
        # Slack may deliver a question later than its edit.
        early = changed.edited and self._may_ask(changed, changed.message)
        self.threads.keep(changed.thread, changed.message, changed.version, early=early)
        if not changed.edited:
            return
        job = job_id(changed.thread.team, changed.thread.channel, changed.ts)
        if conversation.told(changed.message, self.me):
            self._withdraw(changed.thread, changed.ts)
        else:
            self._revise(changed, job, attempt)
        self._refresh(changed.thread, attempt, but=job)

    def delete(self, deleted: Deleted, *, attempt: int = 0) -> None:
        """Forget a deleted message; if it was a question, nobody wants its answer any more."""
        thread = deleted.thread
        self.threads.drop(thread, deleted.ts, deleted.version)
        # Slack may deliver the question itself later than its deletion.
        self.outbox.claim(thread.team, thread.channel, deleted.ts)
        self._withdraw(thread, deleted.ts)
        self._refresh(thread, attempt)

    def recheck(self, job: str, *, attempt: int = 0) -> None:
        """Compare a job that is not answered with Slack: nobody may have told us of an edit."""
        gone: list[Job] = []

        def rebuild(old: Job) -> Job | None:
            messages = self.jobs.read(old.thread, attempt)
            gone[:] = [old] if messages and all(m.ts != old.ts for m in messages) else []
            return self.jobs.anew(old, attempt)

        self.revisions.revise(job, rebuild, restart=self.restart)
        for old in gone:
            log.info("question gone", job=job)
            self._withdraw(old.thread, old.ts)

    def again(self, asked: AskedAgain) -> None:
        """Answer an edited question again, in the place of the reply that it has."""
        messages = self.jobs.read(asked.thread, LAST_ATTEMPT) or ()
        question = next((m for m in messages if m.ts == asked.ts), None)
        if question is None or question.author != asked.user:
            return self._respond(asked, texts.NOT_FOUND)
        job = self.jobs.made(asked.thread, asked.ts, (asked.user, asked.user_team), messages)
        reply, *rest = self._reply(asked, job.id)
        receipt = self.outbox.again(job, asked.version, reply)
        log.info("asked again", job=job.id, outcome=receipt.outcome)
        if receipt.outcome is not Outcome.ACCEPTED:
            return self._respond(asked, self._why_not(receipt))
        self.background.do("take back", self.posting.take_back, asked.answer_to)
        for part in rest:
            self.background.do("delete", self.posting.delete, asked.thread.channel, str(part))
        if reply is None:
            self.signs.show(job, receipt)
        return None

    def _reply(self, asked: AskedAgain, job: str) -> tuple[str | None, ...]:
        """Return the messages of the reply that there is, the first one first; or `None`."""
        try:
            files = self.outbox.files(job)
            return self.threads.posted(asked.thread, asked.ts, files) or (None,)
        except SLACK_AWAY:
            return (self.outbox.placeholder(job),)

    def _may_ask(self, changed: Changed, message: Message) -> bool:
        channel = changed.thread.channel
        return channel.startswith("D") or self.me.user in mrkdwn.mentioned(message.text)

    def _revise(self, changed: Changed, job: str, attempt: int) -> None:
        outcome = self.revisions.revise(
            job, lambda old: self.jobs.anew(old, attempt), restart=self.restart
        )
        late = outcome in {Revised.RUNNING, Revised.ANSWERED}
        place = (changed.thread.team, changed.thread.channel, changed.ts)
        # Redis keeps a finished job for an hour only, and that there was one for a day.
        if late or (outcome is Revised.GONE and self.outbox.asked(*place)):
            self._offer(changed, running=outcome is Revised.RUNNING)

    def _refresh(self, thread: Thread, attempt: int, but: str = "") -> None:
        """Let the jobs that wait in a thread read it as it is now."""
        for job in self.revisions.unfinished(thread):
            if job != but:
                self.revisions.revise(job, lambda old: self.jobs.anew(old, attempt), restart=False)

    def _withdraw(self, thread: Thread, ts: str) -> None:
        orphan = self.outbox.cancel(job_id(thread.team, thread.channel, ts))
        if orphan is not None:
            self.background.do("delete", self.posting.delete, thread.channel, orphan)

    def _offer(self, changed: Changed, *, running: bool) -> None:
        """Offer a new answer to whoever edited an answered question, once for each edit."""
        thread, message = changed.thread, changed.message
        if message is None or message.kind is not Kind.PERSON:
            return
        if self.outbox.claim_edit(thread.team, thread.channel, changed.ts, changed.version):
            self.background.do("offer", self._whisper, thread, message, changed.version, running)

    def _whisper(self, thread: Thread, message: Message, version: str, running: bool) -> None:  # noqa: FBT001
        said = texts.EDITED_RUNNING if running else texts.EDITED
        self.posting.whisper(
            thread.channel,
            message.author,
            said,
            thread_ts=thread.ts,
            blocks=texts.again(said, thread.ts, message.ts, version),
        )

    def _respond(self, asked: AskedAgain, text: str) -> None:
        self.background.do(
            "respond",
            self.posting.whisper,
            asked.thread.channel,
            asked.user,
            text,
            thread_ts=asked.thread.ts,
        )

    def _why_not(self, receipt: Receipt) -> str:
        if receipt.outcome is Outcome.DUPLICATE:
            return texts.AT_IT
        seconds = queue_eta.estimate_wait(receipt.pending, self.line.workers())
        if receipt.outcome is Outcome.FULL:
            return texts.full(seconds)
        return texts.person_full(receipt.place, seconds)
