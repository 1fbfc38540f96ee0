"""Reconciliation after Redis data loss: the thread shows which questions have answers."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from redis import Redis

from bot.messages.events import MessagePosted
from bot.messages.message import POINTER_STATE, BotIdentity, read_metadata
from bot.slack.poster import Poster
from bot.store.job_queue import JobQueue
from contract import keys
from contract.job import job_id

FINISHED_STATES: Final = frozenset({"final", "error", "notice", POINTER_STATE})
"""Metadata states of messages that are complete."""


class Reconciler:
    """Compares questions with the bot's messages in Slack. Methods raise `RedisError`."""

    def __init__(
        self, redis: Redis, identity: BotIdentity, poster: Poster, queue: JobQueue
    ) -> None:
        self._redis = redis
        self._identity = identity
        self._poster = poster
        self._queue = queue

    def has_answer(self, post: MessagePosted, thread: Iterable[Mapping[str, Any]]) -> bool:
        """
        Return whether a question has an answer, or a job that writes one; delete partial replies.

        `thread` holds Slack's messages with metadata. No worker continues a partial reply: it
        checks its lease before each edit, and the lease is lost. Raises `CALL_ERRORS` too.
        """
        own_messages = (raw for raw in thread if self._identity.is_author_of(raw))
        replies = [raw for raw in own_messages if read_metadata(raw).get("question") == post.ts]
        if any(read_metadata(raw).get("state") in FINISHED_STATES for raw in replies):
            self._mark_as_handled(post)
            return True
        # Checked after the thread was read: a job enqueued since wrote none of these messages.
        if self._queue.is_duplicate(post.thread.team, post.thread.channel, post.ts):
            return True
        for raw in replies:
            self._poster.delete_message(post.thread.channel, str(raw["ts"]))
        return False

    def _mark_as_handled(self, post: MessagePosted) -> None:
        team, channel = post.thread.team, post.thread.channel
        job, marker = job_id(team, channel, post.ts), keys.idempotency_key(team, channel, post.ts)
        self._redis.set(marker, job, nx=True, ex=keys.IDEMPOTENCY_TTL_SECONDS)
