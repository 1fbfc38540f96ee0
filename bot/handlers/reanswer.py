"""Re-answers: offers a new answer after an edit, and replaces the old one on request."""

from dataclasses import dataclass

import structlog

from bot import texts
from bot.concurrency import BackgroundTasks
from bot.handlers.commands import CommandHandler
from bot.handlers.job_builder import JobBuilder
from bot.handlers.placeholders import PlaceholderPoster
from bot.messages.block_actions import ReanswerRequested
from bot.messages.events import MessageChanged
from bot.messages.message import AuthorKind, Message
from bot.notices import Notice, Sentence
from bot.slack.client import CALL_ERRORS
from bot.slack.poster import Poster
from bot.store.job_queue import EnqueueOutcome, JobQueue
from contract.job import Thread
from contract.slack_errors import LAST_DELIVERY_ATTEMPT

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ReanswerHandler:
    """Handles the *Answer again* button. Methods raise `RedisError`."""

    job_builder: JobBuilder
    queue: JobQueue
    commands: CommandHandler
    placeholders: PlaceholderPoster
    poster: Poster
    background: BackgroundTasks

    def offer_reanswer(self, changed: MessageChanged, *, is_running: bool) -> None:
        """Offer a new answer to the author of an edited question, once for each edit."""
        thread, message = changed.thread, changed.message
        if message is None or message.kind is not AuthorKind.PERSON:
            return
        address = (thread.team, thread.channel)
        if self.queue.claim_edit_offer(
            *address, changed.ts, changed.version
        ) and self.queue.count_offer(*address, message.author):
            text = texts.EDITED_WHILE_RUNNING if is_running else texts.EDITED_AFTER_ANSWER
            self.background.submit(
                "offer", self._post_offer, thread, message, changed.version, text
            )

    def answer_again(self, request: ReanswerRequested) -> None:
        """Enqueue an edited question again; the new answer replaces the present reply."""
        messages = self.job_builder.read_thread(request.thread, LAST_DELIVERY_ATTEMPT) or ()
        question = next((m for m in messages if m.ts == request.ts), None)
        if question is None or question.author != request.user:
            self._respond(request, Notice(Sentence.QUESTION_NOT_FOUND))
            return
        job = self.job_builder.build_job(
            request.thread, request.ts, (request.user, request.user_team), messages
        )
        reply, *rest = self._find_reply(request, job.id)
        receipt = self.queue.enqueue_reanswer(job, request.version, reply)
        log.info("answer again", job=job.id, outcome=receipt.outcome)
        if receipt.outcome is not EnqueueOutcome.ACCEPTED:
            self._respond(request, self.commands.describe_refusal(receipt))
            return
        self.background.submit("delete offer", self.poster.delete_original, request.response_url)
        for part in rest:
            self.background.submit(
                "delete", self.poster.delete_message, request.thread.channel, str(part)
            )
        if reply is None:
            self.placeholders.schedule_placeholder(job, receipt)

    def _find_reply(self, request: ReanswerRequested, job: str) -> tuple[str | None, ...]:
        """Return the `ts` of each message of the present reply, in order; `(None,)` without one."""
        try:
            files = self.queue.find_reply_files(job)
            return self.job_builder.thread_cache.find_own_messages(
                request.thread, request.ts, files
            ) or (None,)
        except CALL_ERRORS:
            return (self.queue.find_placeholder(job),)

    def _post_offer(self, thread: Thread, message: Message, version: str, text: str) -> None:
        self.poster.post_ephemeral(
            thread.channel,
            message.author,
            text,
            thread_ts=thread.ts,
            blocks=texts.reanswer_blocks(text, thread.ts, message.ts, version),
        )

    def _respond(self, request: ReanswerRequested, notice: Notice) -> None:
        self.commands.notices.tell_user(request.thread, request.user, notice)
