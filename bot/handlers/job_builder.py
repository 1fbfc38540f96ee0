"""Job builder: turns a question and the thread before it into a job."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Self

import structlog

from bot.messages import conversation
from bot.messages.events import MessagePosted
from bot.messages.message import BotIdentity, Message
from bot.messages.public_questions import PublicQuestions
from bot.rules.channel_rules import ChannelRules
from bot.slack.client import CALL_ERRORS
from bot.slack.users import UserDirectory
from bot.store.client import NotCachedError
from bot.store.thread_cache import ThreadCache
from contract.conversation import Conversation, Speaker, Turn
from contract.job import MAX_JOB_BYTES, Job, Streaming, Thread
from contract.slack_errors import LAST_DELIVERY_ATTEMPT

log = structlog.get_logger()

MAX_TURNS_BYTES: Final = MAX_JOB_BYTES - 32 * 1024
"""Maximum size of a job's turns; far more than any model's context window."""


class Source(Enum):
    """Where a read looks, and what it does if Slack fails."""

    CACHE = "cache"
    """In Redis alone. Raises `NotCachedError` if that is not enough."""
    SLACK = "slack"
    """In Redis, then in Slack. Raises `CALL_ERRORS`."""
    LAST_TRY = "last_try"
    """As `SLACK`, but goes without what Slack does not give."""

    @classmethod
    def for_attempt(cls, attempt: int) -> Self:
        """Return the source for a delivery; `attempt` counts the deliveries before it."""
        return cls("slack" if attempt < LAST_DELIVERY_ATTEMPT else "last_try")


@dataclass(frozen=True, slots=True)
class JobBuilder:
    """
    Builder of jobs.

    Methods raise `redis.exceptions.RedisError`, and what their `Source` says.
    """

    identity: BotIdentity
    streaming: Streaming
    thread_cache: ThreadCache
    users: UserDirectory
    public_questions: PublicQuestions = field(default_factory=PublicQuestions)

    def build_from_message(self, post: MessagePosted, source: Source) -> Job:
        """Build the job of a new message."""
        earlier = self.read_thread(post.thread, source) if post.is_thread_reply else ()
        messages = {m.ts: m for m in earlier or ()}
        # The cache may hold a newer text: an edit can arrive before the message itself.
        latest = self.thread_cache.get_latest(post.thread, post.ts)
        if latest is not None:
            messages[post.ts] = latest
        if post.message is not None:
            messages.setdefault(post.ts, post.message)
        author = (post.author, post.author_team)
        job = self.build_job(post.thread, post.ts, author, messages.values(), source)
        return job.model_copy(update={"is_public": self._is_public(post)})

    def build_job(
        self,
        thread: Thread,
        ts: str,
        author: tuple[str, str],
        messages: Iterable[Message],
        source: Source,
    ) -> Job:
        """Build the job of the message at `ts`; `author` is the user's id and team."""
        turns = self._build_turns(thread, ts, messages, source)
        user, team = author
        is_cached = source is Source.CACHE
        language = self.users.lookup_language(thread.team, user, cached_only=is_cached)
        return Job(
            thread=thread,
            ts=ts,
            user=user,
            user_team=team,
            turns=turns,
            streaming=self.streaming,
            language=language,
        )

    def _is_public(self, post: MessagePosted) -> bool:
        """Return whether a full member asks where all full members of the workspace can read."""
        # Another process may have received it.
        self.public_questions.record_message(post)
        team = post.thread.team
        if post.is_guest or post.author_team != team or not self.public_questions.is_public(post):
            return False
        user = self.users.lookup_cached_users(team, [post.author]).get(post.author)
        return user is not None and user.is_person and not user.is_guest

    def apply_rules(self, job: Job, rules: ChannelRules) -> Job:
        """Return a job with the rules of its channel, which do not change afterwards."""
        update = {
            "rules": rules.reply_rules,
            "streaming": rules.streaming or self.streaming,
            "language": rules.language or job.language,
        }
        return job.model_copy(update=update)

    def rebuild_job(self, job: Job, source: Source) -> Job | None:
        """Rebuild a job from its thread as it is now; `None` if its question is gone."""
        messages = self.read_thread(job.thread, source) or ()
        if not any(message.ts == job.ts for message in messages):
            return None
        return _replace_turns(job, self._build_turns(job.thread, job.ts, messages, source))

    def replace_message(self, job: Job, changed: Message) -> Job | None:
        """Rebuild a job after one message of its thread changed, from Redis alone."""
        try:
            return self.rebuild_job(job, Source.CACHE)
        except NotCachedError:
            # An edit that was delivered late must not replace a newer one.
            latest = self.thread_cache.get_latest(job.thread, changed.ts) or changed
            turns = tuple(self._replace_turn(job.thread.team, turn, latest) for turn in job.turns)
            return _replace_turns(job, conversation.limit_files(turns))

    def _replace_turn(self, team: str, turn: Turn, changed: Message) -> Turn:
        if turn.ts != changed.ts or turn.speaker is not Speaker.USER:
            return turn
        mentioned = conversation.users_to_resolve(
            [changed], until=changed.ts, identity=self.identity
        )
        users = self.users.lookup_cached_users(team, mentioned)
        names = {self.identity.user_id: self.identity.name}
        names |= {user_id: user.name for user_id, user in users.items()}
        fresh = conversation.build_turn(changed, self.identity, names, with_name=False)
        update = {"text": fresh.text, "files": fresh.files, "files_left_out": 0}
        return turn.model_copy(update=update)

    def read_thread(self, thread: Thread, source: Source) -> tuple[Message, ...] | None:
        """
        Read a thread; `None` if it is unreadable, empty if it is deleted.

        On the last try, Slack's errors give `None` too: a question without its thread is better
        than no answer.
        """
        if source is Source.CACHE:
            found = self.thread_cache.get_messages(thread)
            if found is None:
                raise NotCachedError
            return self._resolve_authors(thread.team, found, source)
        try:
            found = self.thread_cache.load_messages(thread)
        except CALL_ERRORS as error:
            if source is not Source.LAST_TRY:
                raise
            log.warning("thread not read", channel=thread.channel, why=type(error).__name__)
            return None
        return None if found is None else self._resolve_authors(thread.team, found, source)

    def is_deleted(self, thread: Thread, ts: str, source: Source) -> bool:
        """Return whether a message is missing in its thread; `False` if that is unknown."""
        messages = self.read_thread(thread, source)
        if messages is None or any(message.ts == ts for message in messages):
            return False
        return not self.thread_cache.is_trimmed(thread, ts)

    def _resolve_authors(
        self, team: str, messages: Iterable[Message], source: Source
    ) -> tuple[Message, ...]:
        """Return messages that apps posted for people as those people's."""
        messages = tuple(messages)
        authors = {m.author for m in messages if m.can_be_person}
        users = self.users.lookup_users(team, authors, cached_only=source is Source.CACHE)
        return tuple(
            message.as_person()
            if message.can_be_person and users[message.author].is_person
            else message
            for message in messages
        )

    def _build_turns(
        self, thread: Thread, until: str, messages: Iterable[Message], source: Source
    ) -> Conversation:
        messages = self._resolve_authors(thread.team, messages, source)
        user_ids = conversation.users_to_resolve(messages, until=until, identity=self.identity)
        users = self.users.lookup_users(thread.team, user_ids, cached_only=source is Source.CACHE)
        turns = conversation.build_conversation(
            messages,
            until=until,
            identity=self.identity,
            names={user_id: user.name for user_id, user in users.items()},
        )
        return conversation.truncate_oldest(turns, MAX_TURNS_BYTES)


def _replace_turns(job: Job, turns: Conversation) -> Job:
    """Return a job with other turns; an earlier answer is to the former question alone."""
    is_same = bool(turns) and turns[-1].text == job.question.text
    earlier = job.earlier_answer if is_same else None
    return job.model_copy(update={"turns": turns, "earlier_answer": earlier})
