"""
Private questions: `/starchat ask` answers in a direct message, and *Share in channel* posts it.

Slack's ephemeral messages cannot hold the answer: they vanish with a reload, and no call edits
them. A direct message lasts, and has every control of a reply.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from redis import Redis

from bot.concurrency import BackgroundTasks
from bot.handlers.asks.ask_outbox import AskOutbox
from bot.handlers.asks.asker_check import AskerCheck, AskerUnknownError
from bot.handlers.asks.command import SlashCommand
from bot.handlers.asks.form import build_message_form, find_fault
from bot.messages.asks import texts
from bot.messages.asks.ask_request import AskKind, AskRequest
from bot.messages.asks.asked_message import AskedMessage, name_shared_request
from bot.messages.block_actions import ShareRequested
from bot.messages.mrkdwn import replace_surrogates, unescape_text
from bot.slack.client import CALL_ERRORS, error_name
from bot.slack.poster import Poster
from bot.store.client import decode_reply
from bot.store.stored_answers import StoredAnswers
from contract import keys
from contract.job import Thread
from contract.language import Phrase, Translatable
from contract.masking import mask_secrets

log = structlog.get_logger()

DIRECT_MESSAGE_TTL_SECONDS: Final = keys.TEXT_TTL_SECONDS
SINCE_MARGIN_SECONDS: Final = 60.0
"""Seconds before a request from which on its message is searched for."""
DIRECT_MESSAGE_PATTERN: Final = r"D[A-Za-z0-9]{1,63}"
SCOPE_ERROR: Final = "missing_scope"


@dataclass(frozen=True, slots=True)
class PrivateAsks:
    """Handles the command and the button. Methods raise `RedisError`."""

    redis: Redis
    asker_check: AskerCheck
    outbox: AskOutbox
    answers: StoredAnswers
    poster: Poster
    background: BackgroundTasks
    read_clock: Callable[[], float]
    """Slack's time (s)."""

    def ask_privately(self, command: SlashCommand, typed: str) -> Translatable:
        """Accept a question, once; return the words that only the person sees."""
        if not command.trigger_id:
            return texts.DIRECT_MESSAGE_FAILED
        team = self.asker_check.identity.team
        # Slack escapes the text of a command as it does that of a message.
        question = mask_secrets(replace_surrogates(unescape_text(typed)).strip())
        fault = find_fault(question, self.asker_check.identity)
        if fault is not None:
            return texts.NO_PRIVATE_QUESTION if fault is texts.NO_QUESTION else fault
        direct = self._find_direct_message(command.user)
        if isinstance(direct, Phrase):
            return direct
        request = AskRequest(
            id=f"command-{hashlib.sha256(command.trigger_id.encode()).hexdigest()[:32]}",
            kind=AskKind.PRIVATE,
            team=team,
            channel=direct,
            user=command.user,
            user_team=command.team,
            question=question,
            origin="" if command.channel.startswith("D") else command.channel,
            since=self._search_from(),
        )
        refusal = self.outbox.refuse_limits(request)
        if refusal is not None and not self.outbox.is_recorded(request.id):
            return refusal
        self.outbox.record_ask(request)
        return texts.ASKED_PRIVATELY

    def share_answer(self, pressed: ShareRequested) -> None:
        """Share an answer in the channel where it was asked, once; show why if that is refused."""
        request_id = name_shared_request(pressed.channel, pressed.ts)
        if self.outbox.is_recorded(request_id):
            return
        try:
            shared = self._build_share(pressed, request_id)
        except AskerUnknownError:
            shared = texts.SHARE_FAILED
        if isinstance(shared, AskRequest):
            self.outbox.record_ask(shared)
        else:
            log.info("share refused", channel=pressed.origin, user=pressed.user)
            self.background.submit("share refused", self._show_refusal, pressed, shared)

    def _build_share(self, pressed: ShareRequested, request_id: str) -> AskRequest | Translatable:
        """Return the request, or why there is none. Raises `AskerUnknownError`."""
        team = self.asker_check.identity.team
        source = Thread(team=team, channel=pressed.channel, ts=pressed.ts)
        # Read before the answer: a worker stores that before the job leaves the queue.
        is_open = bool(self.redis.llen(keys.thread_queue(team, source.channel, source.ts)))
        if self.answers.read_versions(source, pressed.ts)[0] is None:
            return texts.ANSWER_NOT_READY if is_open else texts.ANSWER_NOT_KEPT
        asked = self._read_question(source)
        if asked is None or asked.user != pressed.user:
            return texts.SHARE_UNREADABLE
        refusal = self.asker_check.refuse_share(pressed.origin, pressed.user, asked.user_team)
        if refusal is not None:
            return refusal
        request = AskRequest(
            id=request_id,
            kind=AskKind.SHARED,
            team=team,
            channel=pressed.origin,
            user=pressed.user,
            user_team=asked.user_team,
            question=asked.question,
            since=self._search_from(),
        )
        return self.outbox.refuse_limits(request) or request

    def _read_question(self, source: Thread) -> AskedMessage | None:
        """Return the question of a direct message, from Slack. Raises `AskerUnknownError`."""
        cache = self.outbox.notices.thread_cache
        try:
            raw = cache.read_message(source.channel, source.ts, source.ts)
        except CALL_ERRORS as error:
            log.warning("question not read", channel=source.channel, why=error_name(error))
            raise AskerUnknownError from None
        return AskedMessage.from_slack(raw) if cache.is_asked(raw) else None

    def _find_direct_message(self, user: str) -> str | Phrase:
        """Return the channel of the direct message with a user, or why there is none."""
        key = keys.direct_message(self.asker_check.identity.team, user)
        found = self.redis.get(key)
        if found is not None and re.fullmatch(DIRECT_MESSAGE_PATTERN, decode_reply(found)):
            return decode_reply(found)
        try:
            channel = self.poster.open_direct_message(user)
        except CALL_ERRORS as error:
            log.warning("direct message not opened", user=user, why=error_name(error))
            is_forbidden = error_name(error) == SCOPE_ERROR
            return texts.DIRECT_MESSAGE_FORBIDDEN if is_forbidden else texts.DIRECT_MESSAGE_FAILED
        self.redis.set(key, channel, ex=DIRECT_MESSAGE_TTL_SECONDS)
        return channel

    def _search_from(self) -> str:
        return f"{self.read_clock() - SINCE_MARGIN_SECONDS:.6f}"

    def _show_refusal(self, pressed: ShareRequested, refusal: Translatable) -> None:
        language = self.asker_check.lookup_language(pressed.user)
        self.poster.open_view(pressed.trigger_id, build_message_form(refusal, language))
