"""
Message shortcut: opens the form of a question about a message, and accepts what is submitted.

A submitted question is in Redis before its acknowledgement. Submitting it again changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from bot.concurrency import BackgroundTasks
from bot.handlers.asks.ask_outbox import AskOutbox
from bot.handlers.asks.asker_check import AskerCheck, AskerUnknownError
from bot.handlers.asks.form import (
    BLOCK_ID,
    BadFormError,
    ShortcutUsed,
    build_form,
    build_message_form,
    find_fault,
    parse_shortcut,
    parse_submission,
)
from bot.messages.asks import texts
from bot.messages.asks.ask_request import AskRequest
from bot.messages.content.json_fields import read_sender
from bot.notices import Notice, Sentence
from bot.slack.client import CALL_ERRORS, error_name
from bot.slack.poster import Poster
from contract.language import Language, Phrase, Translatable

log = structlog.get_logger()

Json = dict[str, Any]
CLOSE: Final[Json] = {}
"""Acknowledgement that closes the form."""


@dataclass(frozen=True, slots=True)
class ShortcutHandler:
    """Handles the shortcut and its form. Methods raise `RedisError`."""

    asker_check: AskerCheck
    outbox: AskOutbox
    poster: Poster
    background: BackgroundTasks

    def open_form(self, body: Mapping[str, Any]) -> None:
        """Open the form in the background: Slack gives it 3 s."""
        try:
            used = parse_shortcut(body, self.asker_check.identity)
        except BadFormError:
            log.warning("shortcut not readable")
            return
        self.background.submit("ask form", self._open_form, used)

    def submit_form(self, body: Mapping[str, Any]) -> Json:
        """Accept a question, once; return the acknowledgement, which may keep the form open."""
        identity = self.asker_check.identity
        try:
            submission = parse_submission(body, identity)
            fault = find_fault(submission.question, identity)
            request = None if fault is not None else submission.to_request()
        except BadFormError:
            log.warning("form not readable")
            language = self.asker_check.lookup_language(read_sender(body))
            return _show(texts.FORM_UNREADABLE, language)
        language = self.asker_check.lookup_language(submission.user)
        if request is None or fault is not None:
            return _keep_open(fault or texts.NO_QUESTION, language)
        return self._accept_request(request, language)

    def _accept_request(self, request: AskRequest, language: Language) -> Json:
        if self.outbox.is_recorded(request.id):
            return CLOSE
        try:
            refusal = self.asker_check.refuse_question(
                request.find_thread(""), request.about, request.user, request.user_team
            ) or self.outbox.refuse_limits(request)
        except AskerUnknownError:
            return _keep_open(texts.CHECK_FAILED, language)
        if refusal is not None:
            log.info("ask refused", channel=request.channel, user=request.user)
            return _show(refusal, language)
        self.outbox.record_ask(request)
        return CLOSE

    def _open_form(self, used: ShortcutUsed) -> None:
        language = self.asker_check.lookup_language(used.user)
        try:
            view_id = self.poster.open_view(used.trigger_id, build_form(used, language))
        except CALL_ERRORS as error:
            log.warning("form not opened", channel=used.thread.channel, why=error_name(error))
            # Without a trigger, no view can say so.
            notice = Notice(Sentence.FORM_EXPIRED)
            self.outbox.notices.tell_user(used.thread, used.user, notice)
            return
        try:
            refusal = self.asker_check.refuse_question(
                used.thread, used.about, used.user, used.user_team
            )
        except AskerUnknownError:
            # The submission is checked again.
            return
        if refusal is not None:
            self.poster.update_view(view_id, build_message_form(refusal, language))


def _keep_open(fault: Phrase, language: Language) -> Json:
    return {"response_action": "errors", "errors": {BLOCK_ID: fault.translate(language)}}


def _show(sentence: Translatable, language: Language) -> Json:
    return {"response_action": "update", "view": build_message_form(sentence, language)}
