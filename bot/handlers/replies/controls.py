"""Reply controls: leads each press of a finished reply's buttons to its handler."""

from dataclasses import dataclass

import structlog

from bot.handlers.asked_before.withdrawal import QuestionWithdrawal
from bot.handlers.current_code.requests import CodeRequests
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.replies.deletion import ReplyDeletion
from bot.handlers.replies.details import DetailsHandler
from bot.handlers.replies.rework import ReworkHandler
from bot.handlers.votes.vote_handler import VoteHandler
from bot.messages.block_actions import (
    CodeRequested,
    ControlPress,
    DeletionRequested,
    DetailsRequested,
    ReworkRequested,
    UnreadablePress,
    VoteRequested,
    WithdrawalRequested,
)
from bot.notices import Notice, Sentence

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ReplyControls:
    """Handlers of the controls. Methods raise `RedisError`."""

    deletion: ReplyDeletion
    details: DetailsHandler
    reworks: ReworkHandler
    votes: VoteHandler
    code: CodeRequests
    withdrawal: QuestionWithdrawal
    notices: NoticeOutbox

    def handle_press(self, press: ControlPress) -> None:
        """Do what a press asks for."""
        match press:
            case CodeRequested():
                self.code.request_by_button(press)
            case DeletionRequested():
                self.deletion.delete_by_button(press)
            case DetailsRequested():
                self.details.show_details(press)
            case ReworkRequested():
                self.reworks.accept_press(press)
            case VoteRequested():
                self.votes.vote_by_button(press)
            case WithdrawalRequested():
                self.withdrawal.withdraw_question(press)
            case UnreadablePress(thread=thread, user=user):
                log.warning("action not readable", channel=thread.channel)
                self.notices.tell_user(thread, user, Notice(Sentence.CONTROL_UNREADABLE))
