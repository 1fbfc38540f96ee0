"""Settles by what Slack shows whether a question still wants a reply, where Redis was emptied."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from redis import Redis

from bot.messages.events import MessagePosted
from bot.messages.identity import BotIdentity
from bot.messages.message import read_metadata
from bot.slack.poster import Poster
from bot.store.job_queue import JobQueue
from contract import keys
from contract.job import job_id

FINISHED_STATES: Final = frozenset({"final", "error", "notice"})
"""States of a message of ours that nobody goes on with."""


class Reconciler:
    """What earlier bots and workers have left in Slack of questions that Redis knew."""

    def __init__(
        self, redis: Redis, identity: BotIdentity, poster: Poster, queue: JobQueue
    ) -> None:
        self._redis = redis
        self._identity = identity
        self._poster = poster
        self._queue = queue

    def has_answer(self, post: MessagePosted, thread: Iterable[Mapping[str, Any]]) -> bool:
        """
        Say whether somebody has answered a question, or does so now; take away what was only begun.

        `thread` is what stands in it with all metadata. Nobody goes on with what was begun: its
        lease is lost, and every edit proves that first.
        """
        own_messages = (raw for raw in thread if self._identity.is_author_of(raw))
        replies = [raw for raw in own_messages if read_metadata(raw).get("question") == post.ts]
        if any(read_metadata(raw).get("state") in FINISHED_STATES for raw in replies):
            self._mark_as_handled(post)
            return True
        # Asked only after the thread was read: what of ours stood there then is of before.
        if self._queue.is_duplicate(post.thread.team, post.thread.channel, post.ts):
            return True
        for raw in replies:
            self._poster.delete_message(post.thread.channel, str(raw["ts"]))
        return False

    def _mark_as_handled(self, post: MessagePosted) -> None:
        team, channel = post.thread.team, post.thread.channel
        job, marker = job_id(team, channel, post.ts), keys.idempotency_key(team, channel, post.ts)
        self._redis.set(marker, job, nx=True, ex=keys.IDEMPOTENCY_TTL_SECONDS)
