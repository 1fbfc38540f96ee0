"""Withdrawal: the person who asked takes a question out of what others are linked to."""

from dataclasses import dataclass

import structlog

from bot.handlers.notice_outbox import NoticeOutbox
from bot.messages.block_actions import WithdrawalRequested
from bot.messages.votes.entries import DropRecords
from bot.notices import Notice, Sentence
from bot.store.vote_outbox import VoteOutbox

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class QuestionWithdrawal:
    """Withdraws questions for the people who asked them. Methods raise `RedisError`."""

    outbox: VoteOutbox
    notices: NoticeOutbox

    def withdraw_question(self, request: WithdrawalRequested) -> None:
        """Withdraw a question at once, and tell the person."""
        thread, address = request.thread, request.address
        if request.user != address.asker:
            self.notices.tell_user(thread, request.user, Notice(Sentence.CONTROL_REFUSED))
            return
        self.outbox.push_entry(
            DropRecords(channel=thread.channel, message_ts=address.ts, texts_only=True, queued_at=0)
        )
        log.info("question withdrawn", channel=thread.channel, ts=address.ts)
        self.notices.tell_user(thread, request.user, Notice(Sentence.QUESTION_WITHDRAWN))
