"""
Shows that a question was received, where no worker will do so within a second.

The sign is the placeholder that a worker later turns into the reply. Whoever sets `POSTING` first
posts it, the other leaves it alone; `PLACEHOLDER` then says where it is.
"""

import time
from functools import partial
from typing import Final
from uuid import uuid4

import structlog
from redis import Redis
from rq.job import Job as RqJob

from bot import texts
from bot.background import Background
from bot.slack.client import reason
from bot.slack.errors import SLACK_AWAY, refused
from bot.slack.poster import Posting
from bot.store.client import patiently, text
from bot.store.job_queue import Receipt
from bot.store.line import Line
from contract import keys, queue_eta
from contract.job import Job

log = structlog.get_logger()

PATIENCE: Final = 0.5
"""Seconds until a sign is posted: in a burst the other acknowledgements come first."""

SET_ONCE: Final = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
return redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] and 1 or 0
"""
"""Set a field of a job that still exists, if nobody else has set it. Saying so twice is fine."""


class Signs:
    """Posts signs off the thread that acknowledges."""

    def __init__(self, redis: Redis, line: Line, posting: Posting, background: Background) -> None:
        self._redis = redis
        self._line = line
        self._posting = posting
        self._background = background
        self._set_once = redis.register_script(SET_ONCE)

    def show(self, job: Job, receipt: Receipt) -> None:
        """Post a sign soon if the answer to `job` will not start soon."""
        due = time.monotonic() + PATIENCE
        self._background.do("sign", self._show, job, receipt.place, due)

    def _show(self, job: Job, place: int, due: float) -> None:
        time.sleep(max(0.0, due - time.monotonic()))
        key = RqJob.key_for(job.id)
        if not patiently(partial(self._first, job)):
            # The reply before it has no message yet: a sign now would stand above that reply.
            return
        said = patiently(partial(self._said, key, place))
        if said is not None and self._claim(key, keys.PLACEHOLDER_OWNER, f"bot:{uuid4().hex}"):
            self._post(job, key, said)

    def _first(self, job: Job) -> bool:
        thread = job.thread
        head = self._redis.lindex(keys.thread_queue(thread.team, thread.channel, thread.ts), 0)
        return head is not None and text(head) == job.id

    def _said(self, key: str, place: int) -> str | None:
        workers = self._line.workers()
        status = self._redis.hget(key, "status")
        held = status is not None and text(status) == "deferred"
        return texts.sign(place, workers, queue_eta.estimate_wait(place, workers), held=held)

    def _post(self, job: Job, key: str, said: str) -> None:
        payload = {"job": job.id, "part": 1, "question": job.ts, "state": "placeholder"}
        try:
            ts = self._posting.say(
                job.thread,
                said,
                metadata={"event_type": keys.METADATA_EVENT_TYPE, "event_payload": payload},
            )
        except SLACK_AWAY as error:
            if refused(error):
                # Nothing was posted, and the worker may try for itself. Where nobody knows, it
                # looks for ours before it posts one of its own.
                patiently(partial(self._redis.hdel, key, keys.PLACEHOLDER_OWNER))
            log.warning("sign not posted", job=job.id, why=reason(error))
            return
        if self._claim(key, keys.PLACEHOLDER, ts):
            log.info("sign posted", job=job.id)
        else:
            # The question was deleted meanwhile, or a worker did not wait for us.
            self._posting.delete(job.thread.channel, ts)

    def _claim(self, key: str, field: str, value: str) -> bool:
        return bool(patiently(partial(self._set_once, keys=[key], args=[field, value])))
