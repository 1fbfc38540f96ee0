"""Job builder: turns a question and the thread before it into a job."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from bot.messages import conversation
from bot.messages.events import MessagePosted
from bot.messages.message import BotIdentity, Message
from bot.slack.client import CALL_ERRORS
from bot.slack.users import UserDirectory
from bot.store.thread_cache import ThreadCache
from contract.conversation import Conversation
from contract.job import MAX_JOB_BYTES, Job, Streaming, Thread
from contract.slack_errors import LAST_DELIVERY_ATTEMPT

log = structlog.get_logger()

MAX_TURNS_BYTES: Final = MAX_JOB_BYTES - 32 * 1024
"""Maximum size of a job's turns; far more than any model's context window."""


@dataclass(frozen=True, slots=True)
class JobBuilder:
    """Builder of jobs. Methods raise `redis.exceptions.RedisError` and `CALL_ERRORS`."""

    identity: BotIdentity
    streaming: Streaming
    thread_cache: ThreadCache
    users: UserDirectory

    def build_from_message(self, post: MessagePosted, attempt: int) -> Job:
        """Build the job of a new message; `attempt` counts the deliveries before this one."""
        earlier = self.read_thread(post.thread, attempt) if post.is_thread_reply else ()
        messages = {m.ts: m for m in earlier or ()}
        # The cache may hold a newer text: an edit can arrive before the message itself.
        latest = self.thread_cache.get_latest(post.thread, post.ts)
        if latest is not None:
            messages[post.ts] = latest
        if post.message is not None:
            messages.setdefault(post.ts, post.message)
        author = (post.author, post.author_team)
        return self.build_job(post.thread, post.ts, author, messages.values())

    def build_job(
        self, thread: Thread, ts: str, author: tuple[str, str], messages: Iterable[Message]
    ) -> Job:
        """Build the job of the message at `ts`; `author` is the user's id and team."""
        turns = self._build_turns(thread, ts, messages)
        user, team = author
        return Job(
            thread=thread, ts=ts, user=user, user_team=team, turns=turns, streaming=self.streaming
        )

    def rebuild_job(self, job: Job, attempt: int) -> Job | None:
        """Rebuild a job from its thread as it is now; `None` if its question is gone."""
        messages = self.read_thread(job.thread, attempt) or ()
        if not any(message.ts == job.ts for message in messages):
            return None
        return job.model_copy(update={"turns": self._build_turns(job.thread, job.ts, messages)})

    def read_thread(self, thread: Thread, attempt: int) -> tuple[Message, ...] | None:
        """
        Read a thread; `None` if it is unreadable.

        On the last delivery, Slack's errors give `None` too: a question without its thread is
        better than no answer. On earlier ones, raises `CALL_ERRORS`.
        """
        try:
            found = self.thread_cache.load_messages(thread)
        except CALL_ERRORS as error:
            if attempt < LAST_DELIVERY_ATTEMPT:
                raise
            log.warning("thread not read", channel=thread.channel, why=type(error).__name__)
            return None
        return None if found is None else self._resolve_authors(thread.team, found)

    def _resolve_authors(self, team: str, messages: Iterable[Message]) -> tuple[Message, ...]:
        """Return messages that apps posted for people as those people's."""
        messages = tuple(messages)
        users = self.users.lookup_users(team, {m.author for m in messages if m.can_be_person})
        return tuple(
            message.as_person()
            if message.can_be_person and users[message.author].is_person
            else message
            for message in messages
        )

    def _build_turns(self, thread: Thread, until: str, messages: Iterable[Message]) -> Conversation:
        messages = self._resolve_authors(thread.team, messages)
        user_ids = conversation.users_to_resolve(messages, until=until, identity=self.identity)
        users = self.users.lookup_users(thread.team, user_ids)
        turns = conversation.build_conversation(
            messages,
            until=until,
            identity=self.identity,
            names={user_id: user.name for user_id, user in users.items()},
        )
        return conversation.truncate_oldest(turns, MAX_TURNS_BYTES)
