"""Vote handler: a vote is in Redis before its acknowledgement, and in the database soon after."""

from dataclasses import dataclass, field

import structlog

from bot.concurrency import BackgroundTasks
from bot.failpoints import Failpoint, Failpoints
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.votes.reason_form import ReasonGiven, build_reason_form
from bot.handlers.votes.vote_keeper import VoteKeeper
from bot.messages.block_actions import VoteRequested
from bot.messages.events import VoteReaction
from bot.messages.message import BotIdentity
from bot.messages.votes.entries import CastVote
from bot.messages.votes.presses import Mark, Press, PressKind
from bot.notices import Notice, Sentence
from bot.slack.client import CALL_ERRORS, error_name
from bot.slack.poster import Poster
from bot.store.vote_outbox import VoteOutbox
from contract.job import Thread

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class VoteHandler:
    """Accepts votes of buttons, reactions and forms. Methods raise `RedisError`."""

    identity: BotIdentity
    outbox: VoteOutbox
    keeper: VoteKeeper
    notices: NoticeOutbox
    poster: Poster
    background: BackgroundTasks
    failpoints: Failpoints = field(default_factory=Failpoints)

    def vote_by_button(self, request: VoteRequested) -> None:
        """Accept a press; a 👎 then asks for its reason."""
        press = Press(ts=request.pressed_at, kind=PressKind.TOGGLE, mark=request.mark)
        vote = CastVote(
            channel=request.thread.channel,
            thread_ts=request.thread.ts,
            message_ts=request.message_ts,
            version=request.version,
            user=request.user,
            press=press,
            queued_at=0,
        )
        self._accept_vote(vote, request)

    def vote_by_reaction(self, reaction: VoteReaction) -> None:
        """Accept 👍 or 👎, added to a message of the bot or removed from it."""
        if reaction.user == self.identity.user_id:
            return
        kind = PressKind.CLEAR if reaction.is_removed else PressKind.SET
        mark = Mark.UP if reaction.is_positive else Mark.DOWN
        vote = CastVote(
            channel=reaction.channel,
            thread_ts="",
            message_ts=reaction.ts,
            version=None,
            user=reaction.user,
            press=Press(ts=reaction.reacted_at, kind=kind, mark=mark),
            queued_at=0,
        )
        self._accept_vote(vote)

    def give_reason(self, given: ReasonGiven) -> None:
        """Accept the reason of a 👎."""
        vote = CastVote(
            channel=given.thread.channel,
            thread_ts=given.thread.ts,
            message_ts=given.message_ts,
            version=given.version,
            user=given.user,
            press=Press(ts=given.pressed_at, kind=PressKind.REASON, reason=given.reason),
            queued_at=0,
        )
        self._accept_vote(vote)

    def _accept_vote(self, vote: CastVote, request: VoteRequested | None = None) -> None:
        stored = self.outbox.push_entry(vote)
        if stored is None:
            log.error("outbox of votes full", channel=vote.channel)
            if vote.thread_ts:
                thread = Thread(team=self.identity.team, channel=vote.channel, ts=vote.thread_ts)
                self.notices.tell_user(thread, vote.user, Notice(Sentence.VOTE_REFUSED))
            return
        self.failpoints.hit(Failpoint.AFTER_VOTE_RECORD)
        self.background.submit("vote", self._store_vote, stored, vote, request)

    def _store_vote(self, stored: str, vote: CastVote, request: VoteRequested | None) -> None:
        can_explain = self.keeper.store_vote(stored, vote)
        if request is not None and request.mark is Mark.DOWN and can_explain:
            self._ask_reason(request)

    def _ask_reason(self, request: VoteRequested) -> None:
        language = self.notices.languages.find_personal(request.user)
        try:
            self.poster.open_view(request.trigger_id, build_reason_form(request, language))
        except CALL_ERRORS as error:
            # The vote is stored, and Slack allows three seconds for the form.
            log.info("reason not asked", channel=request.thread.channel, why=error_name(error))
