"""
Settings handler: the form of `/starchat settings`, its submission, and undo.

A change is in the database before its acknowledgement. Its request has an identity, so that a
second press, or a second delivery, finds that it was done.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from bot.concurrency import BackgroundTasks
from bot.failpoints import Failpoint, Failpoints
from bot.handlers.rules.reader_languages import ReaderLanguages
from bot.handlers.rules.rule_reader import RuleReader
from bot.messages.content.json_fields import read_sender
from bot.messages.message import BotIdentity
from bot.records.database import RecordsUnavailableError
from bot.records.rules import ChangeOutcome, ChangeRequest, ChangeResult
from bot.rules import texts
from bot.rules.channel_rules import ChannelRules
from bot.rules.modal import View, build_message_modal, build_modal
from bot.rules.submission import (
    BadSubmissionError,
    FormAddress,
    Submission,
    apply_typed_values,
    parse_submission,
)
from bot.rules.texts import Words
from bot.rules.versions import RulesUnreadableError
from bot.slack.channel_managers import ChannelManagers
from bot.slack.client import CALL_ERRORS, error_name
from bot.slack.poster import Poster
from bot.slack.user_groups import GroupUnreadableError
from contract.language import Language, Translatable

log = structlog.get_logger()

Json = dict[str, Any]
CLOSE: Final[Json] = {}
"""Acknowledgement that closes the form."""


@dataclass(frozen=True, slots=True)
class SettingsCommand:
    """`/starchat settings` of a user in a channel; `trigger_id` opens one modal within 3 s."""

    channel: str
    user: str
    trigger_id: str


@dataclass(frozen=True, slots=True)
class SettingsHandler:
    """Opens and saves the form. Methods raise `RedisError`: then Slack gets no acknowledgement."""

    identity: BotIdentity
    rules: RuleReader
    languages: ReaderLanguages
    managers: ChannelManagers
    poster: Poster
    background: BackgroundTasks
    read_clock: Callable[[], float]
    failpoints: Failpoints

    def open_form(self, command: SettingsCommand) -> Words | None:
        """Open the form in the background; return words instead where there are no rules."""
        if command.channel.startswith("D"):
            return Words(texts.DIRECT_MESSAGE_RULES)
        self.background.submit("settings", self._open_form, command)
        return None

    def undo_change(self, command: SettingsCommand) -> Words:
        """Take the last change of a channel's rules back, and tell which it was."""
        refusal = self._refuse_command(command)
        if refusal is not None:
            return Words(refusal)
        request = self._build_request(command.channel, command.user, f"undo:{command.trigger_id}")
        try:
            result = self.rules.store.undo_change(request)
        except RecordsUnavailableError:
            return Words(texts.RULES_UNAVAILABLE)
        except RulesUnreadableError:
            return Words(texts.STORED_UNREADABLE)
        self.failpoints.hit(Failpoint.AFTER_RULES_SAVED)
        self._keep_result(command.channel, result)
        return Words(_describe_undo(result))

    def submit_form(self, body: Mapping[str, Any]) -> Json:
        """Save a submitted form; return the acknowledgement, which may keep the form open."""
        try:
            submission = parse_submission(body)
        except BadSubmissionError:
            log.warning("form not readable")
            return self._show_sentence(read_sender(body), texts.FORM_UNREADABLE)
        channel = submission.address.channel
        refusal = self._refuse_user(channel, submission.user)
        if refusal is not None:
            log.info("rules not changed", channel=channel, user=submission.user, why="no manager")
            return self._show_sentence(submission.user, refusal)
        try:
            return self._save_form(submission)
        except RecordsUnavailableError:
            view = self._rebuild_form(submission, ChannelRules(), texts.SAVE_FAILED)
            return _show(view)
        except RulesUnreadableError:
            return self._show_sentence(submission.user, texts.STORED_UNREADABLE)

    def _save_form(self, submission: Submission) -> Json:
        address = submission.address
        stored = self.rules.store.load_rules(self.identity.team, address.channel)
        rules, errors = apply_typed_values(
            stored.rules, submission.typed, self.rules.file.get(address.channel)
        )
        errors |= self._check_group(submission, stored.rules)
        if rules is None or errors:
            language = self.languages.find_personal(submission.user)
            shown = {key: sentence.translate(language) for key, sentence in errors.items()}
            return {"response_action": "errors", "errors": shown}
        request = self._build_request(address.channel, submission.user, submission.request_id)
        result = self.rules.store.save_rules(request, rules, address.version)
        self.failpoints.hit(Failpoint.AFTER_RULES_SAVED)
        self._keep_result(address.channel, result)
        if result.outcome is ChangeOutcome.CONFLICT:
            return _show(self._show_conflict(submission, result))
        if result.outcome is ChangeOutcome.SAVED:
            words = texts.describe_save(result.changed)
            self.background.submit(
                "rules saved", self._tell_user, address.channel, submission.user, words
            )
        return CLOSE

    def _open_form(self, command: SettingsCommand) -> None:
        language = self.languages.find_personal(command.user)
        loading = build_message_modal(texts.SETTINGS_LOADING, language)
        try:
            view_id = self.poster.open_view(command.trigger_id, loading)
        except CALL_ERRORS as error:
            log.warning("form not opened", channel=command.channel, why=error_name(error))
            self._tell_user(command.channel, command.user, texts.SETTINGS_EXPIRED)
            return
        self.poster.update_view(view_id, self._build_form(command, language))

    def _tell_user(self, channel: str, user: str, words: Translatable) -> None:
        text = words.translate(self.languages.find_personal(user))
        try:
            self.poster.post_ephemeral(channel, user, text)
        except CALL_ERRORS as error:
            # The bot may not be in that channel; the form itself shows what matters.
            log.warning("word not posted", channel=channel, why=error_name(error))

    def _show_sentence(self, user: str, sentence: Translatable) -> Json:
        return _show(build_message_modal(sentence, self.languages.find_personal(user)))

    def _build_form(self, command: SettingsCommand, language: Language) -> View:
        refusal = self._refuse_user(command.channel, command.user)
        if refusal is not None:
            return build_message_modal(refusal, language)
        try:
            stored = self.rules.store.load_rules(self.identity.team, command.channel)
        except RecordsUnavailableError:
            return build_message_modal(texts.RULES_UNAVAILABLE, language)
        except RulesUnreadableError:
            return build_message_modal(texts.STORED_UNREADABLE, language)
        address = FormAddress(command.channel, stored.version)
        locked = self.rules.list_locked_rules(command.channel)
        return build_modal(address, stored.rules, language=language, locked=locked)

    def _rebuild_form(
        self,
        submission: Submission,
        current: ChannelRules,
        note: Translatable,
        version: int | None = None,
    ) -> View:
        """Return the form with what was typed, and a note above it."""
        address = submission.address
        if version is not None:
            address = FormAddress(address.channel, version)
        locked = self.rules.list_locked_rules(address.channel)
        typed = {key: value for key, value in submission.typed.items() if key not in locked}
        language = self.languages.find_personal(submission.user)
        return build_modal(
            address, current, language=language, locked=locked, notes=[note], typed=typed
        )

    def _show_conflict(self, submission: Submission, result: ChangeResult) -> View:
        channel, current = submission.address.channel, result.current
        last = self.rules.store.find_last_change(self.identity.team, channel)
        user, changed = (last.user, last.rules) if last else (self.identity.user_id, ())
        note = texts.describe_conflict(user, changed, current.rules)
        return self._rebuild_form(submission, current.rules, note, current.version)

    def _refuse_command(self, command: SettingsCommand) -> Translatable | None:
        if command.channel.startswith("D"):
            return texts.DIRECT_MESSAGE_RULES
        return self._refuse_user(command.channel, command.user)

    def _refuse_user(self, channel: str, user: str) -> Translatable | None:
        try:
            is_manager = self.managers.is_manager(self.identity.team, channel, user)
        except CALL_ERRORS as error:
            log.warning("manager not checked", channel=channel, why=error_name(error))
            return texts.MANAGER_UNKNOWN
        return None if is_manager else texts.NOT_A_MANAGER

    def _check_group(self, submission: Submission, stored: ChannelRules) -> dict[str, Translatable]:
        """Return a sentence if a new user group cannot be read: it would stop everyone."""
        group = submission.typed.get("group")
        if not group or group == stored.group:
            return {}
        try:
            self.rules.groups.read_members(group)
        except GroupUnreadableError:
            return {"group": texts.GROUP_NOT_FOUND}
        except CALL_ERRORS:
            return {"group": texts.GROUP_NOT_CHECKED}
        return {}

    def _build_request(self, channel: str, user: str, request_id: str) -> ChangeRequest:
        at = f"{self.read_clock():.6f}"
        return ChangeRequest(self.identity.team, channel, user, request_id[:128], at)

    def _keep_result(self, channel: str, result: ChangeResult) -> None:
        """Let the cache have the rules of a change, also if an earlier delivery saved them."""
        if result.current.version:
            self.rules.cache.put_rules(channel, result.current)


def _describe_undo(result: ChangeResult) -> Translatable:
    if result.outcome is ChangeOutcome.SAVED:
        return texts.describe_undone(result.changed)
    is_over = result.outcome is ChangeOutcome.NOTHING_TO_UNDO
    return texts.NOTHING_TO_UNDO if is_over else texts.ALREADY_DONE


def _show(view: View) -> Json:
    return {"response_action": "update", "view": view}
