"""Rule reader: the rules of a channel, and whether they let an author ask. It fails closed."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

import structlog

from bot.handlers.job_builder import Source
from bot.messages import admission
from bot.messages.admission import Verdict
from bot.messages.events import ChannelType, MessagePosted
from bot.messages.message import BotIdentity
from bot.rules.channel_rules import DEFAULT_RULES, ChannelRules, WhoMayAsk
from bot.rules.channels_file import ChannelsFile
from bot.rules.texts import DIRECT_MESSAGE_RULES, Words, describe_rules
from bot.slack.client import CALL_ERRORS, error_name
from bot.slack.user_groups import GroupUnreadableError, UserGroups
from bot.store.client import NotCachedError

log = structlog.get_logger()

NO_MEMBERS: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class RuleReader:
    """Reads rules. Methods raise `RedisError`, and what their `Source` says."""

    identity: BotIdentity
    file: ChannelsFile
    groups: UserGroups

    def read_rules(self, channel: str, source: Source) -> ChannelRules:
        """Return the rules of a channel: those of Slack, overridden by those of the file."""
        del source
        return DEFAULT_RULES.override_by(self.file.get(channel))

    def read_talk_rules(self, post: MessagePosted) -> ChannelRules:
        """
        Return the rules for a message that may be a question by `without_mention` alone.

        Unknown rules are those of a channel without any: the message is for people then.
        """
        try:
            return self.read_rules(post.thread.channel, Source.CACHE)
        except NotCachedError:
            return DEFAULT_RULES

    def refuse_author(
        self, post: MessagePosted, rules: ChannelRules, source: Source
    ) -> Verdict | None:
        """
        Return the verdict about an author who may not ask by the rules; `None` if allowed.

        A person who did not address the bot, and another bot, are told nothing.
        """
        if post.channel_type is ChannelType.IM:
            return None
        refusal = self._refuse_ids({post.author, *post.bot_ids}, rules, source)
        is_told = admission.is_addressed(post, self.identity) and not post.bot_ids
        return refusal if refusal is None or is_told else Verdict.IGNORE

    def admit_user(
        self, channel: str, user: str, source: Source
    ) -> tuple[ChannelRules, Verdict | None]:
        """Return the rules of a channel, and the verdict about a user who may not ask by them."""
        if channel.startswith("D"):
            return DEFAULT_RULES, None
        rules = self.read_rules(channel, source)
        return rules, self._refuse_ids({user}, rules, source)

    def describe_channel(self, channel: str) -> Words:
        """Describe the rules of a channel for a person."""
        if channel.startswith("D"):
            return Words(DIRECT_MESSAGE_RULES)
        locked = self.file[channel].set_keys if channel in self.file else ()
        return describe_rules(self.read_rules(channel, Source.LAST_TRY), locked)

    def _refuse_ids(
        self, ids: AbstractSet[str], rules: ChannelRules, source: Source
    ) -> Verdict | None:
        try:
            return admission.refuse_asker(ids, rules, self._read_members(rules, source))
        except GroupUnreadableError:
            return Verdict.GROUP_UNREADABLE

    def _read_members(self, rules: ChannelRules, source: Source) -> frozenset[str]:
        if rules.who is not WhoMayAsk.GROUP:
            return NO_MEMBERS
        try:
            return self.groups.read_members(rules.group, cached_only=source is Source.CACHE)
        except CALL_ERRORS as error:
            if source is not Source.LAST_TRY:
                raise
            log.warning("user group not read", group=rules.group, why=error_name(error))
            raise GroupUnreadableError from None
