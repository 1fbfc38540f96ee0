"""Handler of edited and deleted messages: keeps cached threads and jobs up to date."""

from dataclasses import dataclass

import structlog

from bot.concurrency import BackgroundTasks
from bot.handlers.job_builder import Source
from bot.handlers.job_refresher import JobRefresher
from bot.handlers.questions import QuestionHandler
from bot.handlers.reanswer import ReanswerHandler
from bot.messages import conversation, mrkdwn
from bot.messages.events import MessageChanged, MessageDeleted
from bot.messages.message import AuthorKind, BotIdentity, Message
from bot.messages.votes.entries import DropRecords
from bot.slack.client import CALL_ERRORS, AppRefusedError, error_name
from bot.slack.poster import Poster
from bot.store.job_queue import CanceledJob, JobQueue
from bot.store.job_updates import UpdateOutcome
from bot.store.thread_cache import ThreadCache
from bot.store.vote_outbox import VoteOutbox
from contract.job import Thread, job_id

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class EditHandler:
    """
    Handles edits and deletions, before their acknowledgement by what Redis holds.

    Methods raise `RedisError`.
    """

    identity: BotIdentity
    thread_cache: ThreadCache
    queue: JobQueue
    refresher: JobRefresher
    reanswers: ReanswerHandler
    questions: QuestionHandler
    poster: Poster
    background: BackgroundTasks
    votes: VoteOutbox

    def handle_change(self, changed: MessageChanged, *, attempt: int = 0) -> None:
        """Update the cached thread and its jobs after a message changed."""
        # The bot's own reply has no message before it is complete.
        if changed.message is None:
            return
        # Slack may deliver a question after its edit, and two edits in either order.
        may_precede_message = changed.is_edit and (
            self._can_be_question(changed, changed.message)
            or bool(self.refresher.job_updates.list_unfinished_jobs(changed.thread))
        )
        self.thread_cache.put_message(
            changed.thread,
            changed.message,
            changed.version,
            may_precede_message=may_precede_message,
        )
        self.thread_cache.drop_removed_files(changed.thread, changed.message)
        if changed.is_unfurl:
            self.refresher.refresh_thread(changed.thread, changed.message)
        if not changed.is_edit:
            return
        # The former text may be in the database, with the votes of its thread. What it asked is.
        is_question = changed.message.kind is AuthorKind.PERSON
        self._drop_recorded_texts(changed.thread, changed.ts if is_question else None)
        job = job_id(changed.thread.team, changed.thread.channel, changed.ts)
        if self._ask_new_question(changed, attempt):
            log.info("question asked by an edit", job=job)
        elif conversation.is_command(changed.message, self.identity):
            self._cancel_job(changed.thread, changed.ts)
        else:
            self._update_job(changed, changed.message, job)
            self._announce_masking(changed.thread, changed.message)
        self.refresher.refresh_thread(changed.thread, changed.message, except_job=job)

    def handle_deletion(self, deleted: MessageDeleted) -> None:
        """Delete a message from the cache; if it was a question, cancel its job."""
        thread = deleted.thread
        self.thread_cache.tombstone_message(thread, deleted.ts, deleted.version)
        # Slack may deliver the question itself after its deletion.
        self.queue.mark_as_handled(thread.team, thread.channel, deleted.ts)
        canceled = self._cancel_job(thread, deleted.ts)
        if canceled.has_reply:
            self.background.submit("delete reply", self._delete_late_reply, deleted, canceled)
        self.refresher.job_updates.scrub_message(thread, deleted.ts)
        self._drop_recorded_texts(thread, deleted.ts)

    def recheck_job(self, job: str, *, attempt: int = 0) -> None:
        """
        Compare an open job with Slack after an outage, whose edits and deletions are unknown.

        Raises `CALL_ERRORS` too.
        """
        deleted = self.refresher.find_deleted_question(job, Source.for_attempt(attempt))
        if deleted is not None:
            log.info("question deleted", job=job)
            self._cancel_job(*deleted)

    def _drop_recorded_texts(self, thread: Thread, ts: str | None = None) -> None:
        """
        Have a thread's texts deleted from the database.

        With the `ts` of a message that has changed, what it asked goes too, and the votes on it.
        """
        self.votes.push_entry(
            DropRecords(
                channel=thread.channel,
                thread_ts=thread.ts,
                message_ts=ts,
                texts_only=True,
                queued_at=0,
            )
        )

    def _can_be_question(self, changed: MessageChanged, message: Message) -> bool:
        is_im = changed.thread.channel.startswith("D")
        is_mention = self.identity.user_id in mrkdwn.find_mentions(message.text)
        return is_im or is_mention or changed.question is not None

    def _ask_new_question(self, changed: MessageChanged, attempt: int) -> bool:
        """Handle an edit that mentions the bot for the first time; return whether it is one."""
        if changed.question is None:
            return False
        thread = changed.thread
        if self.refresher.job_updates.replace_undecided_message(changed.question):
            return False
        is_new = not self.queue.is_duplicate(thread.team, thread.channel, changed.ts)
        # A redelivery completes what the first delivery may have left undone.
        if is_new or attempt:
            self.questions.handle_message(changed.question)
        return is_new

    def _announce_masking(self, thread: Thread, question: Message) -> None:
        """Tell the author of an edited question that a secret was masked."""
        if question.masked and self.queue.has_job(thread.team, thread.channel, question.ts):
            self.questions.commands.notices.announce_masking(thread, question)

    def _update_job(self, changed: MessageChanged, message: Message, job: str) -> None:
        outcome = self.refresher.refresh_job(job, message)
        is_late = outcome in {UpdateOutcome.RUNNING, UpdateOutcome.ANSWERED}
        address = (changed.thread.team, changed.thread.channel, changed.ts)
        # Redis keeps a finished job for an hour, and its idempotency key for a day.
        if is_late or (outcome is UpdateOutcome.GONE and self.queue.has_job(*address)):
            self.reanswers.offer_reanswer(changed, is_running=outcome is UpdateOutcome.RUNNING)

    def _cancel_job(self, thread: Thread, ts: str) -> CanceledJob:
        canceled = self.queue.cancel_job(job_id(thread.team, thread.channel, ts))
        # Not before: a worker lists the question of a job that is not withdrawn.
        self.questions.commands.purge.drop_question(thread, ts)
        if canceled.orphan_ts is not None:
            self.background.submit(
                "delete", self.poster.delete_message, thread.channel, canceled.orphan_ts
            )
        return canceled

    def _delete_late_reply(self, deleted: MessageDeleted, canceled: CanceledJob) -> None:
        """Delete a reply that was posted or completed after its question was deleted."""
        try:
            reply = self.thread_cache.find_reply_since(
                deleted.thread, deleted.ts, deleted.version, canceled.file_ids
            )
        except AppRefusedError:
            raise
        except CALL_ERRORS as error:
            # Slack drops a thread with its last message.
            log.warning(
                "late reply not found", channel=deleted.thread.channel, why=error_name(error)
            )
            return
        for ts in reply:
            self.poster.delete_message(deleted.thread.channel, ts)
