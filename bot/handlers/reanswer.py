"""Re-answers: offers a new answer after an edit, and replaces the old one on request."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from bot import texts
from bot.concurrency import AlarmClock, BackgroundTasks
from bot.handlers.commands import CommandHandler
from bot.handlers.job_builder import JobBuilder, Source
from bot.handlers.placeholders import PlaceholderPoster
from bot.handlers.rules.rule_reader import RuleReader
from bot.messages.block_actions import ReanswerRequested
from bot.messages.events import MessageChanged
from bot.messages.message import AuthorKind, Message
from bot.notices import Notice, Sentence
from bot.slack.client import CALL_ERRORS
from bot.slack.poster import Poster
from bot.store.acceptance import EnqueueOutcome
from bot.store.client import NotCachedError
from bot.store.inbox import FillOutcome, Inbox
from bot.store.job_queue import JobQueue
from bot.store.received import ReceivedReanswer
from contract import keys
from contract.job import Thread, job_id
from contract.language import Translatable

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ReanswerHandler:
    """Handles the *Answer again* button. Methods raise `RedisError`."""

    job_builder: JobBuilder
    rules: RuleReader
    queue: JobQueue
    inbox: Inbox
    commands: CommandHandler
    placeholders: PlaceholderPoster
    poster: Poster
    background: BackgroundTasks
    alarm: AlarmClock

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
        """Accept an edited question again."""
        thread = request.thread
        job = job_id(thread.team, thread.channel, request.ts)
        received = ReceivedReanswer(
            thread=thread,
            ts=request.ts,
            version=request.version,
            user=request.user,
            user_team=request.user_team,
            placeholder=self.queue.find_placeholder(job),
            files=self.queue.find_reply_files(job),
        )
        receipt = self.inbox.accept(received)
        log.info("answer again", job=job, outcome=receipt.outcome)
        if receipt.outcome is not EnqueueOutcome.ACCEPTED:
            self._respond(received, self.commands.describe_refusal(receipt))
            return
        self.alarm.set_alarm()
        self.background.submit("delete offer", self.poster.delete_original, request.response_url)

    def fill_reanswer(self, job_name: str, received: ReceivedReanswer, source: Source) -> None:
        """
        Fill the job of an accepted request in; the new answer replaces the present reply.

        Raises what its `Source` says.
        """
        if source is Source.CACHE:
            raise NotCachedError
        revision = self.inbox.get_revision(job_name)
        messages = self.job_builder.read_thread(received.thread, source) or ()
        question = next((m for m in messages if m.ts == received.ts), None)
        if question is None or question.author != received.user:
            self.refuse_reanswer(received)
            self.queue.cancel_job(job_name)
            return
        rules, refusal = self.rules.admit_user(received.thread.channel, received.user, source)
        if refusal is not None:
            self._respond(received, Notice(Sentence(refusal.value)))
            self.queue.cancel_job(job_name)
            return
        author = (received.user, received.user_team)
        job = self.job_builder.build_job(received.thread, received.ts, author, messages, source)
        job = self.job_builder.apply_rules(job, rules)
        reply, *rest = self._find_reply(received)
        fields = {keys.PLACEHOLDER_OWNER: keys.BOT_AGAIN, keys.PLACEHOLDER: reply} if reply else {}
        outcome = self.inbox.fill_job(job, revision, fields)
        if outcome is FillOutcome.CONFLICT:
            raise NotCachedError
        if outcome is FillOutcome.FILLED:
            self._show_reanswer(received, reply, rest)

    def refuse_reanswer(self, received: ReceivedReanswer) -> None:
        """Tell that the question cannot be found any more."""
        self._respond(received, Notice(Sentence.QUESTION_NOT_FOUND))

    def _show_reanswer(
        self, received: ReceivedReanswer, reply: str | None, rest: Sequence[str | None]
    ) -> None:
        channel = received.thread.channel
        for part in rest:
            self.background.submit("delete", self.poster.delete_message, channel, str(part))
        if reply is None:
            thread, ts = received.thread, received.ts
            self.placeholders.schedule_placeholder(thread, ts, received.user)

    def _find_reply(self, received: ReceivedReanswer) -> tuple[str | None, ...]:
        """Return the `ts` of each message of the present reply, in order; `(None,)` without one."""
        try:
            return self.job_builder.thread_cache.find_own_messages(
                received.thread, received.ts, received.files
            ) or (None,)
        except CALL_ERRORS:
            return (received.placeholder,)

    def _post_offer(
        self, thread: Thread, message: Message, version: str, offer: Translatable
    ) -> None:
        language = self.commands.notices.languages.find_personal(message.author)
        text = offer.translate(language)
        self.poster.post_ephemeral(
            thread.channel,
            message.author,
            text,
            thread_ts=thread.ts,
            blocks=texts.reanswer_blocks(text, language, (thread.ts, message.ts), version),
        )

    def _respond(self, received: ReceivedReanswer, notice: Notice) -> None:
        self.commands.notices.tell_user(received.thread, received.user, notice)
