"""Admission control: collects what the decision about a message needs, and decides."""

from dataclasses import dataclass
from typing import NamedTuple

from bot.handlers.job_builder import JobBuilder, Source
from bot.handlers.rules.rule_reader import RuleReader
from bot.messages import admission
from bot.messages.admission import Policy, ThreadMode, Verdict
from bot.messages.events import ChannelType, MessagePosted
from bot.messages.message import BotIdentity
from bot.rules.channel_rules import DEFAULT_RULES, ChannelRules
from bot.rules.versions import RulesUnreadableError
from bot.slack.client import CALL_ERRORS
from bot.slack.users import User, UserDirectory
from bot.store.client import NotCachedError
from bot.store.job_queue import JobQueue
from bot.store.job_updates import JobUpdates
from bot.store.thread_modes import ThreadModes


class UserLookupError(ConnectionError):
    """The author of a question is not known yet; the question is read again."""


class Admission(NamedTuple):
    """
    Decision about a message, and the rules of its channel if it is a question.

    `rules` is `None` if they are not cached. Then `check_rules` decides after the acknowledgement.
    """

    verdict: Verdict
    rules: ChannelRules | None = DEFAULT_RULES


@dataclass(frozen=True, slots=True)
class AdmissionControl:
    """Decides who may ask, and which messages in a thread are for the bot."""

    identity: BotIdentity
    policy: Policy
    thread_modes: ThreadModes
    job_builder: JobBuilder
    users: UserDirectory
    queue: JobQueue
    job_updates: JobUpdates
    rules: RuleReader

    def resolve_author(self, post: MessagePosted, source: Source) -> MessagePosted:
        """
        Return a message as a person's if an app posted it for a person of the workspace.

        Raises `RedisError`. Raises `UserLookupError` if Slack does not say whether the author of a
        question is a bot; on the last try, the author counts as one.
        """
        message = post.message
        if message is None or not message.can_be_person or post.bot_ids & self.policy.allowed_bots:
            return post
        is_addressed = admission.is_addressed(post, self.identity)
        if not post.can_ask or not (is_addressed or post.is_thread_reply):
            return post
        user = self._lookup_user(post.thread.team, post.author, source)
        is_known = user.is_resolved or user.is_guest
        if is_addressed and not is_known and source is not Source.LAST_TRY:
            raise UserLookupError("users.info did not say whether an author is a bot")
        if not user.is_person:
            return post
        return post.model_copy(update={"bot_ids": frozenset(), "message": message.as_person()})

    def admit_message(self, post: MessagePosted, source: Source) -> Admission:
        """Decide about a new message. Raises `RedisError`, and what its `Source` says."""
        is_talk = admission.is_channel_talk(post)
        rules = self.rules.read_talk_rules(post, source) if is_talk else DEFAULT_RULES
        verdict = self._decide(post, rules, source)
        if verdict is not Verdict.ANSWER:
            return Admission(verdict)
        if is_talk:
            return Admission(self.rules.refuse_author(post, rules, source) or verdict, rules)
        try:
            return self.check_rules(post, source)
        except NotCachedError:
            # Nothing else is open about this question: its reader checks the rules.
            return Admission(verdict, None)

    def check_rules(self, post: MessagePosted, source: Source) -> Admission:
        """Decide about a question by the rules of its channel. Raises what its `Source` says."""
        try:
            rules = self._read_rules(post, source)
        except RulesUnreadableError:
            return Admission(self.rules.hide_refusal(post, Verdict.RULES_UNREADABLE))
        refusal = self.rules.refuse_author(post, rules, source)
        return Admission(refusal or Verdict.ANSWER, rules)

    def admit_presser(
        self, channel: str, user: str, user_team: str, source: Source
    ) -> tuple[ChannelRules, Verdict | None]:
        """
        Return the rules of a channel, and the verdict about a user who may not ask there.

        The user pressed a button that has a question answered. Raises what its `Source` says, and
        `UserLookupError` if Slack does not say whether the user is a guest.
        """
        if user_team != self.identity.team and not self.policy.allow_external:
            return DEFAULT_RULES, Verdict.OUTSIDER
        if not self.policy.allow_guests:
            refusal = self._check_guest(self.identity.team, user, source)
            if refusal is not None:
                return DEFAULT_RULES, refusal
        return self.rules.admit_user(channel, user, source)

    def _read_rules(self, post: MessagePosted, source: Source) -> ChannelRules:
        is_direct = post.channel_type is ChannelType.IM
        return DEFAULT_RULES if is_direct else self.rules.read_rules(post.thread.channel, source)

    def _decide(self, post: MessagePosted, rules: ChannelRules, source: Source) -> Verdict:
        mode = None
        if post.is_thread_reply and not admission.mentions_bot(post, self.identity):
            mode = self._read_mode(post)
        verdict = admission.admit(
            post,
            self.identity,
            policy=self.policy,
            mode=mode,
            num_people=self._count_people(post, mode, source),
            rules=rules,
        )
        if verdict in {Verdict.IGNORE, Verdict.OUTSIDER} or self.policy.allow_guests:
            return verdict
        if post.bot_ids:
            return verdict
        return self._check_guest(post.thread.team, post.author, source) or verdict

    def _read_mode(self, post: MessagePosted) -> ThreadMode | None:
        mode = self.thread_modes.get_mode(post.thread, post.ts)
        # Another thread may be enqueueing the question that starts this Slack thread.
        if mode is None and self.queue.wait_for_message(post.thread.channel, post.thread.ts):
            mode = self.thread_modes.get_mode(post.thread, post.ts)
        if mode is None and self.job_updates.has_unread_before(post.thread, post.ts):
            # An earlier message of the thread may be a question, which would give it a mode.
            raise NotCachedError
        return mode

    def _count_people(
        self, post: MessagePosted, mode: ThreadMode | None, source: Source
    ) -> int | None:
        """Count the people in a thread if the decision depends on it; else `None`."""
        if mode is not ThreadMode.AUTO or post.channel_type is ChannelType.IM:
            return None
        if post.bot_ids or post.mentions:
            return None
        if source is Source.CACHE:
            found = self.job_builder.thread_cache.count_known_people(post.thread)
            if found is None:
                raise NotCachedError
            return found
        try:
            return self.job_builder.thread_cache.count_people(post.thread)
        except CALL_ERRORS:
            if source is not Source.LAST_TRY:
                raise
            return None

    def _check_guest(self, team: str, author: str, source: Source) -> Verdict | None:
        """
        Return the verdict about a guest, and `None` for a member.

        Raises `UserLookupError` if Slack does not say what an author is. On the last try, the
        author is asked to try again: nothing says that the author is no member.
        """
        user = self._lookup_user(team, author, source)
        verdict = admission.refuse_guest(is_guest=user.is_guest, is_resolved=user.is_resolved)
        if verdict is Verdict.UNVERIFIED and source is not Source.LAST_TRY:
            raise UserLookupError("users.info did not say whether an author is a guest")
        return verdict

    def _lookup_user(self, team: str, user: str, source: Source) -> User:
        return self.users.lookup_author(team, user, cached_only=source is Source.CACHE)
