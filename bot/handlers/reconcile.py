"""Settles by what Slack shows whether a question still wants a reply, where Redis was emptied."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from redis import Redis

from bot.messages.events import Posted
from bot.messages.identity import Me
from bot.messages.message import payload
from bot.slack.poster import Posting
from bot.store.job_queue import Outbox
from contract import keys
from contract.job import job_id

ENDS: Final = frozenset({"final", "error", "notice"})
"""States of a message of ours that nobody goes on with."""


class Remains:
    """What earlier bots and workers have left in Slack of questions that Redis knew."""

    def __init__(self, redis: Redis, me: Me, posting: Posting, outbox: Outbox) -> None:
        self._redis = redis
        self._me = me
        self._posting = posting
        self._outbox = outbox

    def settled(self, post: Posted, thread: Iterable[Mapping[str, Any]]) -> bool:
        """
        Say whether somebody has answered a question, or does so now; take away what was only begun.

        `thread` is what stands in it with all metadata. Nobody goes on with what was begun: its
        lease is lost, and every edit proves that first.
        """
        ours = (raw for raw in thread if self._me.wrote(raw))
        begun = [raw for raw in ours if payload(raw).get("question") == post.ts]
        if any(payload(raw).get("state") in ENDS for raw in begun):
            self._mark(post)
            return True
        # Asked only after the thread was read: what of ours stood there then is of before.
        if self._outbox.seen(post.thread.team, post.thread.channel, post.ts):
            return True
        for raw in begun:
            self._posting.delete(post.thread.channel, str(raw["ts"]))
        return False

    def _mark(self, post: Posted) -> None:
        team, channel = post.thread.team, post.thread.channel
        job, seen = job_id(team, channel, post.ts), keys.idempotency_key(team, channel, post.ts)
        self._redis.set(seen, job, nx=True, ex=keys.IDEMPOTENCY_TTL_SECONDS)
