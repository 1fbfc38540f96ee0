"""Thread commands and refusals: the bot's own answers to messages that become no job."""

from dataclasses import dataclass

import structlog

from bot import texts
from bot.concurrency import BackgroundTasks
from bot.handlers.notice_outbox import NoticeOutbox
from bot.messages.admission import ThreadMode, Verdict
from bot.messages.events import MessagePosted
from bot.metrics import Metrics
from bot.slack.poster import Poster
from bot.store.job_queue import EnqueueOutcome, JobQueue, Receipt
from bot.store.purge import Purge
from bot.store.thread_modes import ThreadModes
from contract import queue_eta
from contract.texts import QUESTION_TOO_LONG

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CommandHandler:
    """Runs commands, and tells people why a question was refused. Methods raise `RedisError`."""

    thread_modes: ThreadModes
    purge: Purge
    queue: JobQueue
    notices: NoticeOutbox
    poster: Poster
    background: BackgroundTasks
    metrics: Metrics

    def run_command(self, post: MessagePosted, verdict: Verdict) -> None:
        """Run the command in a message and confirm it once."""
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
        if verdict is Verdict.OUTSIDER:
            self._refuse_outsider(post)
        else:
            self.notices.post_notice(post, texts.COMMAND_REPLIES[verdict])

    def refuse_long_question(self, post: MessagePosted) -> None:
        """Tell that a question is too long for a job."""
        self.notices.post_notice(post, QUESTION_TOO_LONG)

    def refuse_question(self, post: MessagePosted, receipt: Receipt) -> None:
        """Tell that the queue or the user's quota is full."""
        self.notices.post_notice(post, self.describe_refusal(receipt))

    def describe_refusal(self, receipt: Receipt) -> str:
        """Return the reason of a refusal, with the time after which to ask again."""
        if receipt.outcome is EnqueueOutcome.DUPLICATE:
            return texts.STILL_ANSWERING
        seconds = queue_eta.estimate_wait(receipt.pending, self.queue.live_workers())
        if receipt.outcome is EnqueueOutcome.QUEUE_FULL:
            return texts.queue_full(seconds)
        return texts.user_quota_exceeded(receipt.position, seconds)

    def _refuse_outsider(self, post: MessagePosted) -> None:
        thread = post.thread
        if self.queue.mark_as_handled(thread.team, thread.channel, post.ts):
            # Ephemeral, so delivered at most once: Slack cannot tell whether one was delivered.
            self.background.submit(
                "refuse outsider",
                self.poster.post_ephemeral,
                thread.channel,
                post.author,
                texts.MEMBERS_ONLY,
                thread_ts=thread.ts if post.is_thread_reply else None,
            )
