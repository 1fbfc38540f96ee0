"""Builds jobs: reads a thread, asks for the names in it, and makes a conversation of both."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from bot.messages import conversation
from bot.messages.events import Posted
from bot.messages.identity import Me
from bot.messages.message import Message
from bot.slack.errors import SLACK_AWAY
from bot.slack.users import Names
from bot.store.thread_cache import Threads
from contract.conversation import Conversation
from contract.job import MAX_JOB_BYTES, Job, Streaming, Thread

log = structlog.get_logger()

MOST_TEXT: Final = MAX_JOB_BYTES - 32 * 1024
"""Bytes that the turns of a job may have; far more than any model reads at once."""
LAST_ATTEMPT: Final = 3
"""The number of Slack's last redelivery of an event."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """What is asked, with everything that was said before. Raises what `bot.store.thread_cache` raises."""

    me: Me
    display: Streaming
    threads: Threads
    names: Names

    def of(self, post: Posted, attempt: int) -> Job:
        """Return the job of a message, which `attempt` deliveries have brought before."""
        earlier = self.read(post.thread, attempt) if post.in_thread else ()
        messages = {m.ts: m for m in earlier or ()}
        # The copy may hold a newer text: an edit can overtake the message itself.
        newest = self.threads.newest(post.thread, post.ts)
        if newest is not None:
            messages[post.ts] = newest
        if post.message is not None:
            messages.setdefault(post.ts, post.message)
        author = (post.author, post.author_team)
        return self.made(post.thread, post.ts, author, messages.values())

    def made(
        self, thread: Thread, ts: str, author: tuple[str, str], messages: Iterable[Message]
    ) -> Job:
        """Return the job of one of these messages, whose author has an id and a team."""
        turns = self._turns(thread, ts, messages)
        user, team = author
        return Job(
            thread=thread, ts=ts, user=user, user_team=team, turns=turns, streaming=self.display
        )

    def anew(self, job: Job, attempt: int) -> Job | None:
        """Return a job with its thread as it is now; `None` where its question is not there."""
        messages = self.read(job.thread, attempt) or ()
        if not any(message.ts == job.ts for message in messages):
            return None
        return job.model_copy(update={"turns": self._turns(job.thread, job.ts, messages)})

    def read(self, thread: Thread, attempt: int) -> tuple[Message, ...] | None:
        """Read a thread; at the last delivery a message alone is better than none."""
        try:
            return self.threads.read(thread)
        except SLACK_AWAY as error:
            if attempt < LAST_ATTEMPT:
                raise
            log.warning("thread not read", channel=thread.channel, why=type(error).__name__)
            return None

    def _turns(self, thread: Thread, until: str, messages: Iterable[Message]) -> Conversation:
        messages = tuple(messages)
        wanted = conversation.strangers(messages, until=until, me=self.me)
        people = self.names.of(thread.team, wanted)
        turns = conversation.build(
            messages,
            until=until,
            me=self.me,
            names={user: person.name for user, person in people.items()},
        )
        return conversation.fitting(turns, MOST_TEXT)
