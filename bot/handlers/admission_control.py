"""Admission control: collects what the decision about a message needs, and decides."""

from dataclasses import dataclass

from bot.handlers.job_builder import JobBuilder
from bot.messages import admission
from bot.messages.admission import Policy, ThreadMode, Verdict
from bot.messages.events import ChannelType, MessagePosted
from bot.messages.message import BotIdentity
from bot.slack.client import CALL_ERRORS
from bot.slack.users import UserDirectory
from bot.store.job_queue import JobQueue
from bot.store.thread_modes import ThreadModes
from contract.slack_errors import LAST_DELIVERY_ATTEMPT


class UserLookupError(ConnectionError):
    """The author of a question is not known yet; Slack delivers the question again."""


@dataclass(frozen=True, slots=True)
class AdmissionControl:
    """Decides who may ask, and which messages in a thread are for the bot."""

    identity: BotIdentity
    policy: Policy
    thread_modes: ThreadModes
    job_builder: JobBuilder
    users: UserDirectory
    queue: JobQueue

    def resolve_author(self, post: MessagePosted, attempt: int) -> MessagePosted:
        """
        Return a message as a person's if an app posted it for a person of the workspace.

        Raises `RedisError`. Raises `UserLookupError` if Slack does not say whether the author of a
        question is a bot; on the last delivery, the author counts as one.
        """
        message = post.message
        if message is None or not message.can_be_person or post.bot_ids & self.policy.allowed_bots:
            return post
        is_direct = post.channel_type is ChannelType.IM
        is_addressed = is_direct or admission.is_for_bot(post, self.identity)
        if not post.can_ask or not (is_addressed or post.is_thread_reply):
            return post
        user = self.users.lookup_author(post.thread.team, post.author)
        is_known = user.is_resolved or user.is_guest
        if is_addressed and not is_known and attempt < LAST_DELIVERY_ATTEMPT:
            raise UserLookupError("users.info did not say whether an author is a bot")
        if not user.is_person:
            return post
        return post.model_copy(update={"bot_ids": frozenset(), "message": message.as_person()})

    def admit_message(self, post: MessagePosted, attempt: int) -> Verdict:
        """Decide about a new message. Raises `RedisError` and `CALL_ERRORS`."""
        mode = None
        if post.is_thread_reply and not admission.is_for_bot(post, self.identity):
            mode = self._read_mode(post)
        verdict = admission.admit(
            post,
            self.identity,
            policy=self.policy,
            mode=mode,
            num_people=self._count_people(post, mode, attempt),
        )
        if verdict in {Verdict.IGNORE, Verdict.OUTSIDER} or self.policy.allow_guests:
            return verdict
        return self._check_guest(post, attempt) or verdict

    def _read_mode(self, post: MessagePosted) -> ThreadMode | None:
        mode = self.thread_modes.get_mode(post.thread)
        # Another thread may be enqueueing the question that starts this Slack thread.
        if mode is None and self.queue.wait_for_message(post.thread.channel, post.thread.ts):
            mode = self.thread_modes.get_mode(post.thread)
        return mode

    def _count_people(
        self, post: MessagePosted, mode: ThreadMode | None, attempt: int
    ) -> int | None:
        """Count the people in a thread if the decision depends on it; else `None`."""
        if mode is not ThreadMode.AUTO or post.channel_type is ChannelType.IM:
            return None
        if post.bot_ids or post.mentions:
            return None
        try:
            return self.job_builder.thread_cache.count_people(post.thread)
        except CALL_ERRORS:
            if attempt < LAST_DELIVERY_ATTEMPT:
                raise
            return None

    def _check_guest(self, post: MessagePosted, attempt: int) -> Verdict | None:
        """
        Return the verdict about a guest, and `None` for a member.

        Raises `UserLookupError` if Slack does not say what an author is. On the last delivery, the
        author is asked to try again: nothing says that the author is no member.
        """
        if post.bot_ids:
            return None
        user = self.users.lookup_author(post.thread.team, post.author)
        verdict = admission.refuse_guest(is_guest=user.is_guest, is_resolved=user.is_resolved)
        if verdict is Verdict.UNVERIFIED and attempt < LAST_DELIVERY_ATTEMPT:
            raise UserLookupError("users.info did not say whether an author is a guest")
        return verdict
