"""Rule reader: the rules of a channel, and whether they let an author ask. It fails closed."""

import contextlib
import time
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

import structlog

from bot.handlers.job_builder import Source
from bot.messages import admission
from bot.messages.admission import Verdict
from bot.messages.events import ChannelType, MessagePosted
from bot.messages.message import BotIdentity
from bot.records.database import RecordsUnavailableError
from bot.records.rules import RuleStore
from bot.rules.channel_rules import DEFAULT_RULES, ChannelRules, WhoMayAsk
from bot.rules.channels_file import ChannelsFile
from bot.rules.texts import DIRECT_MESSAGE_RULES, RULES_UNREADABLE, Words, describe_rules
from bot.rules.versions import RulesUnreadableError
from bot.slack.client import CALL_ERRORS, error_name
from bot.slack.user_groups import GroupUnreadableError, UserGroups
from bot.store.client import NotCachedError
from bot.store.rules_cache import RulesCache

log = structlog.get_logger()

REFRESH_SECONDS: Final = 30.0
"""Seconds after which a change is in the cache whose bot died before it put it there."""
NO_MEMBERS: Final[frozenset[str]] = frozenset()


class RulesUnknownError(ConnectionError):
    """Neither Redis nor the database has the rules now; the question is read again."""


@dataclass(slots=True)
class RefreshSchedule:
    """Time of the next comparison of the cache with the database (s, monotonic)."""

    due_at: float = 0.0


@dataclass(frozen=True, slots=True)
class RuleReader:
    """Reads rules. Methods raise `RedisError`, and what their `Source` says."""

    identity: BotIdentity
    file: ChannelsFile
    groups: UserGroups
    cache: RulesCache
    store: RuleStore
    refresh: RefreshSchedule = field(default_factory=RefreshSchedule)

    def read_rules(self, channel: str, source: Source) -> ChannelRules:
        """
        Return the rules of a channel: those of Slack, overridden by those of the file.

        Raises `RulesUnreadableError` if the stored ones are malformed, or unknown at the last try.
        """
        try:
            stored = self.cache.get_rules(channel)
        except NotCachedError:
            if source is Source.CACHE:
                raise
            self._fill_cache(source)
            stored = self.cache.get_rules(channel)
        return stored.rules.override_by(self.file.get(channel))

    def refresh_cache(self) -> None:
        """Compare the cache with the database. Raises `RecordsUnavailableError`."""
        read_at = self.cache.read_clock()
        moves = self.cache.list_moves()
        # Before the comparison: the database decides about rules that are older.
        for old, new in moves:
            self.store.move_rules(self.identity.team, old, new)
        self.cache.replace_rules(self.store.load_team(self.identity.team), read_at)
        self.cache.drop_moves(moves)

    def read_talk_rules(self, post: MessagePosted, source: Source) -> ChannelRules:
        """
        Return the rules for a message that may be a question by `without_mention` alone.

        Without known rules, such a message is for people: no copy of their talk is kept.
        """
        channel = post.thread.channel
        try:
            return self.read_rules(channel, source)
        except RulesUnreadableError:
            return DEFAULT_RULES
        except NotCachedError:
            if self.file.get(channel, DEFAULT_RULES).without_mention:
                raise
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
        return None if refusal is None else self.hide_refusal(post, refusal)

    def hide_refusal(self, post: MessagePosted, refusal: Verdict) -> Verdict:
        """Return the refusal of a person who addressed the bot, and `IGNORE` for others."""
        is_told = admission.is_addressed(post, self.identity) and not post.bot_ids
        return refusal if is_told else Verdict.IGNORE

    def admit_user(
        self, channel: str, user: str, source: Source
    ) -> tuple[ChannelRules, Verdict | None]:
        """Return the rules of a channel, and the verdict about a user who may not ask by them."""
        if channel.startswith("D"):
            return DEFAULT_RULES, None
        try:
            rules = self.read_rules(channel, source)
        except RulesUnreadableError:
            return DEFAULT_RULES, Verdict.RULES_UNREADABLE
        return rules, self._refuse_ids({user}, rules, source)

    def describe_channel(self, channel: str) -> Words:
        """Describe the rules of a channel for a person."""
        if channel.startswith("D"):
            return Words(DIRECT_MESSAGE_RULES)
        try:
            rules = self.read_rules(channel, Source.LAST_TRY)
            return describe_rules(rules, self.list_locked_rules(channel))
        except RulesUnreadableError:
            return Words(RULES_UNREADABLE)

    def list_locked_rules(self, channel: str) -> frozenset[str]:
        """Return the names of the rules that the channels file sets."""
        return self.file[channel].set_keys if channel in self.file else frozenset()

    def refresh_due(self) -> None:
        """
        Compare the cache with the database once in `REFRESH_SECONDS`, for a sweeper.

        After the first time, a question fills an empty cache: after an uninstall, there is none.
        """
        now = time.monotonic()
        is_first = self.refresh.due_at == 0
        if now < self.refresh.due_at or not (is_first or self.cache.is_complete()):
            return
        self.refresh.due_at = now + REFRESH_SECONDS
        self.warm_cache()

    def warm_cache(self) -> None:
        """Compare the cache with the database if that can be reached."""
        with contextlib.suppress(RecordsUnavailableError):
            self.refresh_cache()

    def _fill_cache(self, source: Source) -> None:
        try:
            self.refresh_cache()
        except RecordsUnavailableError:
            if source is Source.LAST_TRY:
                raise RulesUnreadableError from None
            raise RulesUnknownError("neither redis nor the database has the rules") from None

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
