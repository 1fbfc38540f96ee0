"""Thread commands and refusals: the bot's own answers to messages that become no job."""

from dataclasses import dataclass
from typing import Final

import structlog

from bot.handlers.current_code.requests import CodeRequests
from bot.handlers.notice_outbox import NoticeOutbox
from bot.messages.admission import VERDICT_BY_COMMAND, ThreadMode, Verdict
from bot.messages.events import MessagePosted
from bot.metrics import Metrics
from bot.notices import Notice, Sentence, round_seconds
from bot.store.acceptance import BUDGET_OUTCOMES, EnqueueOutcome, Receipt
from bot.store.command_quota import CommandQuota
from bot.store.job_queue import JobQueue
from bot.store.purge import Purge
from bot.store.thread_modes import ThreadModes
from contract import queue_eta

COUNTED_VERDICTS: Final = frozenset(VERDICT_BY_COMMAND.values())
"""Verdicts that count against the quota of their author."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CommandHandler:
    """Runs commands, and tells people why a question was refused. Methods raise `RedisError`."""

    thread_modes: ThreadModes
    purge: Purge
    queue: JobQueue
    notices: NoticeOutbox
    metrics: Metrics
    quota: CommandQuota
    code: CodeRequests

    def run_command(self, post: MessagePosted, verdict: Verdict) -> None:
        """Run the command in a message and confirm it once."""
        thread = post.thread
        if self.queue.is_duplicate(thread.team, thread.channel, post.ts):
            # The confirmation is recorded after the command has run.
            return
        if verdict in COUNTED_VERDICTS and not self._take_command(post):
            return
        if verdict is Verdict.CODE:
            self.code.request_by_word(post)
            return
        match verdict:
            case Verdict.FOLLOW:
                self.thread_modes.join_thread(thread, post.ts, ThreadMode.FOLLOW)
            case Verdict.MUTE:
                self.thread_modes.join_thread(thread, post.ts, ThreadMode.MUTE)
            case Verdict.FORGET:
                self.purge.drop_thread(thread)
        self.metrics.count_notice(verdict)
        log.info("notice", verdict=verdict, channel=thread.channel, ts=post.ts)
        self.notices.post_notice(post, Notice(Sentence(verdict.value)))

    def _take_command(self, post: MessagePosted) -> bool:
        """Count a command against its author's quota; return whether it may run."""
        may_run = self.quota.take_command(post.author)
        if not may_run:
            self.notices.post_notice(post, Notice(Sentence.TOO_MANY_COMMANDS))
        return may_run

    def refuse_long_question(self, post: MessagePosted) -> None:
        """Tell that a question is too long for a job."""
        self.notices.post_notice(post, Notice(Sentence.TOO_LONG))

    def refuse_question(self, post: MessagePosted, receipt: Receipt) -> None:
        """Tell that the queue or the user's quota is full."""
        self.notices.post_notice(post, self.describe_refusal(receipt))

    def describe_refusal(self, receipt: Receipt) -> Notice:
        """Return the reason of a refusal, with the time after which to ask again."""
        if receipt.outcome is EnqueueOutcome.DUPLICATE:
            return Notice(Sentence.STILL_ANSWERING)
        if receipt.outcome in BUDGET_OUTCOMES:
            return Notice(Sentence(receipt.outcome.value), day=receipt.position)
        seconds = round_seconds(queue_eta.estimate_wait(receipt.pending, self.queue.live_workers()))
        if receipt.outcome is EnqueueOutcome.QUEUE_FULL:
            return Notice(Sentence.QUEUE_FULL, seconds=seconds)
        return Notice(Sentence.USER_QUOTA, waiting=receipt.position, seconds=seconds)
