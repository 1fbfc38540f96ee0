"""Builds jobs: reads a thread, asks for the names in it, and makes a conversation of both."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from bot.messages import conversation
from bot.messages.events import MessagePosted
from bot.messages.identity import BotIdentity
from bot.messages.message import Message
from bot.slack.errors import CALL_ERRORS
from bot.slack.users import UserDirectory
from bot.store.thread_cache import ThreadCache
from contract.conversation import Conversation
from contract.job import MAX_JOB_BYTES, Job, Streaming, Thread

log = structlog.get_logger()

MAX_TURNS_BYTES: Final = MAX_JOB_BYTES - 32 * 1024
"""Bytes that the turns of a job may have; far more than any model reads at once."""
LAST_ATTEMPT: Final = 3
"""The number of Slack's last redelivery of an event."""


@dataclass(frozen=True, slots=True)
class JobBuilder:
    """Job builder: a question with the conversation before it. Raises as `ThreadCache`."""

    identity: BotIdentity
    display: Streaming
    thread_cache: ThreadCache
    users: UserDirectory

    def build_from_message(self, post: MessagePosted, attempt: int) -> Job:
        """Return the job of a message, which `attempt` deliveries have brought before."""
        earlier = self.read_thread(post.thread, attempt) if post.is_thread_reply else ()
        messages = {m.ts: m for m in earlier or ()}
        # The copy may hold a newer text: an edit can overtake the message itself.
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
        """Return the job of one of these messages, whose author has an id and a team."""
        turns = self._build_turns(thread, ts, messages)
        user, team = author
        return Job(
            thread=thread, ts=ts, user=user, user_team=team, turns=turns, streaming=self.display
        )

    def rebuild_job(self, job: Job, attempt: int) -> Job | None:
        """Return a job with its thread as it is now; `None` where its question is not there."""
        messages = self.read_thread(job.thread, attempt) or ()
        if not any(message.ts == job.ts for message in messages):
            return None
        return job.model_copy(update={"turns": self._build_turns(job.thread, job.ts, messages)})

    def read_thread(self, thread: Thread, attempt: int) -> tuple[Message, ...] | None:
        """Read a thread; at the last delivery a message alone is better than none."""
        try:
            return self.thread_cache.load_messages(thread)
        except CALL_ERRORS as error:
            if attempt < LAST_ATTEMPT:
                raise
            log.warning("thread not read", channel=thread.channel, why=type(error).__name__)
            return None

    def _build_turns(self, thread: Thread, until: str, messages: Iterable[Message]) -> Conversation:
        messages = tuple(messages)
        user_ids = conversation.users_to_resolve(messages, until=until, identity=self.identity)
        users = self.users.lookup_users(thread.team, user_ids)
        turns = conversation.build_conversation(
            messages,
            until=until,
            identity=self.identity,
            names={user: person.name for user, person in users.items()},
        )
        return conversation.truncate_oldest(turns, MAX_TURNS_BYTES)
