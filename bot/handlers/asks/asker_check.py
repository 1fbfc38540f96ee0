"""Asker check: whether a person may ask in a channel, before anything is posted for them."""

from dataclasses import dataclass
from typing import Final

import structlog

from bot import texts
from bot.handlers.job_builder import Source
from bot.handlers.rules.rule_reader import RuleReader
from bot.messages.admission import Policy, refuse_guest
from bot.messages.asks import texts as ask_texts
from bot.messages.message import BotIdentity
from bot.slack.budget import pace_calls
from bot.slack.client import CALL_ERRORS, error_name
from bot.slack.members import ChannelMembers
from bot.slack.users import UserDirectory
from bot.store.thread_cache import ThreadCache
from contract.job import Thread
from contract.language import Language, Translatable
from contract.slack_budget import Priority

log = structlog.get_logger()

ABSENT_ERRORS: Final = frozenset({"not_in_channel", "channel_not_found"})
"""Slack's errors for a channel that the bot is not in."""
GONE_ERRORS: Final = frozenset({"thread_not_found", "message_not_found"})


class AskerUnknownError(Exception):
    """Slack did not say whether a person may ask."""


@dataclass(frozen=True, slots=True)
class AskerCheck:
    """Refuses people. Methods return a sentence, or `None`, and raise `RedisError`."""

    identity: BotIdentity
    policy: Policy
    users: UserDirectory
    rules: RuleReader
    members: ChannelMembers
    thread_cache: ThreadCache

    def lookup_language(self, user: str) -> Language:
        """Return the language of a person."""
        return self.users.lookup_language(self.identity.team, user)

    def refuse_outsider(self, user: str, user_team: str) -> Translatable | None:
        """Refuse a guest or a member of another workspace if the settings say so."""
        if user_team != self.identity.team and not self.policy.allow_external:
            return texts.MEMBERS_ONLY
        if self.policy.allow_guests:
            return None
        found = self.users.lookup_author(self.identity.team, user)
        verdict = refuse_guest(is_guest=found.is_guest, is_resolved=found.is_resolved)
        return None if verdict is None else texts.COMMAND_REPLIES[verdict]

    def refuse_question(
        self, thread: Thread, about: str, user: str, user_team: str
    ) -> Translatable | None:
        """Refuse a question about a message. Raises `AskerUnknownError`."""
        try:
            return (
                self._refuse_person(thread.channel, user, user_team)
                or self._refuse_message(thread, about)
                or self._refuse_absent(thread.channel, user)
            )
        except CALL_ERRORS as error:
            return _explain_error(thread.channel, error)

    def refuse_share(self, channel: str, user: str, user_team: str) -> Translatable | None:
        """Refuse to post a person's question into a channel. Raises `AskerUnknownError`."""
        try:
            return self._refuse_person(channel, user, user_team) or self._refuse_absent(
                channel, user
            )
        except CALL_ERRORS as error:
            return _explain_error(channel, error)

    def _refuse_person(self, channel: str, user: str, user_team: str) -> Translatable | None:
        refusal = self.refuse_outsider(user, user_team)
        if refusal is not None:
            return refusal
        _, verdict = self.rules.admit_user(channel, user, Source.LAST_TRY)
        return None if verdict is None else texts.COMMAND_REPLIES[verdict]

    def _refuse_message(self, thread: Thread, about: str) -> Translatable | None:
        with pace_calls(Priority.REPLY, max_wait=0):
            raw = self.thread_cache.read_message(thread.channel, thread.ts, about)
        is_there = raw and raw.get("subtype") != "tombstone"
        return None if is_there else ask_texts.MESSAGE_GONE

    def _refuse_absent(self, channel: str, user: str) -> Translatable | None:
        present = self.members.find_members(channel, frozenset({user, self.identity.user_id}))
        if self.identity.user_id not in present:
            return ask_texts.NOT_IN_CHANNEL
        return None if user in present else ask_texts.ASKER_NOT_IN_CHANNEL


def _explain_error(channel: str, error: Exception) -> Translatable:
    """Return the refusal that an error of Slack means. Raises `AskerUnknownError`."""
    if error_name(error) in ABSENT_ERRORS:
        return ask_texts.NOT_IN_CHANNEL
    if error_name(error) in GONE_ERRORS:
        return ask_texts.MESSAGE_GONE
    log.warning("asker not checked", channel=channel, why=error_name(error))
    raise AskerUnknownError from None
