"""Requests for the current code of a thread, by the button or by the words."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from bot.concurrency import BackgroundTasks
from bot.failpoints import Failpoint
from bot.handlers.current_code.delivery import CodeDelivery
from bot.messages.block_actions import CodeRequested
from bot.messages.events import MessagePosted
from bot.notices import Notice, Sentence
from bot.store.code_runs import RecordOutcome
from contract.job import Thread

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CodeRequests:
    """Records requests of all who can read a thread. Methods raise `RedisError`."""

    delivery: CodeDelivery
    background: BackgroundTasks
    take_command: Callable[[str], bool]
    """Counts a command of a user; returns whether it may run."""

    def request_by_button(self, request: CodeRequested) -> None:
        """Put the code of a thread together after a press."""
        if self.take_command(request.user):
            self._record_request(request.thread, request.pressed_at, request.user)
        else:
            notice = Notice(Sentence.TOO_MANY_COMMANDS)
            self.delivery.notices.tell_user(request.thread, request.user, notice)

    def request_by_word(self, post: MessagePosted) -> None:
        """Put the code of a thread together after the words `current code`."""
        self._record_request(post.thread, post.ts, post.author)

    def _record_request(self, thread: Thread, request_ts: str, user: str) -> None:
        outcome = self.delivery.runs.record(thread, request_ts, user)
        log.info("code requested", channel=thread.channel, outcome=outcome.value)
        self.delivery.notices.failpoints.hit(Failpoint.AFTER_CODE_RECORD)
        if outcome is RecordOutcome.RUNNING:
            self.delivery.notices.tell_user(thread, user, Notice(Sentence.CODE_RUNNING))
        elif outcome is RecordOutcome.RECORDED:
            self.background.submit("current code", self.delivery.deliver_code, thread, first=True)
