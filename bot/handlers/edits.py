"""What follows when people think better of what they wrote: edited, deleted, asked again."""

from dataclasses import dataclass

import structlog

from bot import texts
from bot.background import BackgroundTasks
from bot.handlers.job_builder import LAST_ATTEMPT, JobBuilder
from bot.handlers.placeholders import PlaceholderPoster
from bot.messages import conversation, mrkdwn
from bot.messages.block_actions import ReanswerRequested
from bot.messages.events import MessageChanged, MessageDeleted
from bot.messages.identity import BotIdentity
from bot.messages.message import AuthorKind, Message
from bot.slack.errors import CALL_ERRORS
from bot.slack.poster import Poster
from bot.store.job_queue import EnqueueOutcome, JobQueue, Receipt
from bot.store.job_updates import JobUpdates, UpdateOutcome
from bot.store.line import QueueStatus
from bot.store.thread_cache import ThreadCache
from contract import queue_eta
from contract.job import Job, Thread, job_id

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class EditHandler:
    """What the bot does about edits. `restart` is whether a reply under way begins anew."""

    identity: BotIdentity
    restart_on_edit: bool
    job_builder: JobBuilder
    thread_cache: ThreadCache
    queue: JobQueue
    job_updates: JobUpdates
    queue_status: QueueStatus
    placeholders: PlaceholderPoster
    poster: Poster
    background: BackgroundTasks

    def handle_change(self, changed: MessageChanged, *, attempt: int = 0) -> None:
        """Keep the copy of a thread true to an edit, and the jobs that read it."""
        # A reply of ours that still grows changes every second and is no turn yet.
        if changed.message is None:
            return
        # Slack may deliver a question later than its edit.
        may_precede_message = changed.is_edit and self._can_be_question(changed, changed.message)
        self.thread_cache.put_message(
            changed.thread,
            changed.message,
            changed.version,
            may_precede_message=may_precede_message,
        )
        if not changed.is_edit:
            return
        job = job_id(changed.thread.team, changed.thread.channel, changed.ts)
        if conversation.is_command(changed.message, self.identity):
            self._cancel_job(changed.thread, changed.ts)
        else:
            self._update_job(changed, job, attempt)
        self._refresh_waiting_jobs(changed.thread, attempt, but=job)

    def handle_deletion(self, deleted: MessageDeleted, *, attempt: int = 0) -> None:
        """Forget a deleted message; if it was a question, nobody wants its answer any more."""
        thread = deleted.thread
        self.thread_cache.tombstone_message(thread, deleted.ts, deleted.version)
        # Slack may deliver the question itself later than its deletion.
        self.queue.mark_as_handled(thread.team, thread.channel, deleted.ts)
        self._cancel_job(thread, deleted.ts)
        self._refresh_waiting_jobs(thread, attempt)

    def recheck_job(self, job: str, *, attempt: int = 0) -> None:
        """Compare a job that is not answered with Slack: nobody may have told us of an edit."""
        deleted: list[Job] = []

        def rebuild_or_mark_deleted(old: Job) -> Job | None:
            messages = self.job_builder.read_thread(old.thread, attempt)
            deleted[:] = [old] if messages and all(m.ts != old.ts for m in messages) else []
            return self.job_builder.rebuild_job(old, attempt)

        self.job_updates.replace_payload(job, rebuild_or_mark_deleted, restart=self.restart_on_edit)
        for old in deleted:
            log.info("question deleted", job=job)
            self._cancel_job(old.thread, old.ts)

    def answer_again(self, request: ReanswerRequested) -> None:
        """Answer an edited question again, in the place of the reply that it has."""
        messages = self.job_builder.read_thread(request.thread, LAST_ATTEMPT) or ()
        question = next((m for m in messages if m.ts == request.ts), None)
        if question is None or question.author != request.user:
            return self._post_response(request, texts.QUESTION_NOT_FOUND)
        job = self.job_builder.build_job(
            request.thread, request.ts, (request.user, request.user_team), messages
        )
        reply, *rest = self._find_reply(request, job.id)
        receipt = self.queue.enqueue_reanswer(job, request.version, reply)
        log.info("answer again", job=job.id, outcome=receipt.outcome)
        if receipt.outcome is not EnqueueOutcome.ACCEPTED:
            return self._post_response(request, self._rejection_text(receipt))
        self.background.submit("take back", self.poster.delete_original, request.response_url)
        for part in rest:
            self.background.submit(
                "delete", self.poster.delete_message, request.thread.channel, str(part)
            )
        if reply is None:
            self.placeholders.schedule_placeholder(job, receipt)
        return None

    def _find_reply(self, request: ReanswerRequested, job: str) -> tuple[str | None, ...]:
        """Return the messages of the reply that there is, the first one first; or `None`."""
        try:
            files = self.queue.find_reply_files(job)
            return self.thread_cache.find_own_messages(request.thread, request.ts, files) or (None,)
        except CALL_ERRORS:
            return (self.queue.find_placeholder(job),)

    def _can_be_question(self, changed: MessageChanged, message: Message) -> bool:
        channel = changed.thread.channel
        return channel.startswith("D") or self.identity.user_id in mrkdwn.find_mentions(
            message.text
        )

    def _update_job(self, changed: MessageChanged, job: str, attempt: int) -> None:
        outcome = self.job_updates.replace_payload(
            job,
            lambda old: self.job_builder.rebuild_job(old, attempt),
            restart=self.restart_on_edit,
        )
        is_late = outcome in {UpdateOutcome.RUNNING, UpdateOutcome.ANSWERED}
        address = (changed.thread.team, changed.thread.channel, changed.ts)
        # Redis keeps a finished job for an hour only, and that there was one for a day.
        if is_late or (outcome is UpdateOutcome.GONE and self.queue.has_job(*address)):
            self._offer_reanswer(changed, is_running=outcome is UpdateOutcome.RUNNING)

    def _refresh_waiting_jobs(self, thread: Thread, attempt: int, but: str = "") -> None:
        """Let the jobs that wait in a thread read it as it is now."""
        for job in self.job_updates.list_unfinished_jobs(thread):
            if job != but:
                self.job_updates.replace_payload(
                    job, lambda old: self.job_builder.rebuild_job(old, attempt), restart=False
                )

    def _cancel_job(self, thread: Thread, ts: str) -> None:
        orphan = self.queue.cancel_job(job_id(thread.team, thread.channel, ts))
        if orphan is not None:
            self.background.submit("delete", self.poster.delete_message, thread.channel, orphan)

    def _offer_reanswer(self, changed: MessageChanged, *, is_running: bool) -> None:
        """Offer a new answer to whoever edited an answered question, once for each edit."""
        thread, message = changed.thread, changed.message
        if message is None or message.kind is not AuthorKind.PERSON:
            return
        if self.queue.claim_edit_offer(thread.team, thread.channel, changed.ts, changed.version):
            self.background.submit(
                "offer", self._post_offer, thread, message, changed.version, is_running
            )

    def _post_offer(self, thread: Thread, message: Message, version: str, is_running: bool) -> None:  # noqa: FBT001
        text = texts.EDITED_WHILE_RUNNING if is_running else texts.EDITED_AFTER_ANSWER
        self.poster.post_ephemeral(
            thread.channel,
            message.author,
            text,
            thread_ts=thread.ts,
            blocks=texts.reanswer_blocks(text, thread.ts, message.ts, version),
        )

    def _post_response(self, request: ReanswerRequested, text: str) -> None:
        self.background.submit(
            "respond",
            self.poster.post_ephemeral,
            request.thread.channel,
            request.user,
            text,
            thread_ts=request.thread.ts,
        )

    def _rejection_text(self, receipt: Receipt) -> str:
        if receipt.outcome is EnqueueOutcome.DUPLICATE:
            return texts.STILL_ANSWERING
        seconds = queue_eta.estimate_wait(receipt.pending, self.queue_status.live_workers())
        if receipt.outcome is EnqueueOutcome.QUEUE_FULL:
            return texts.queue_full(seconds)
        return texts.user_quota_exceeded(receipt.position, seconds)
