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
from bot.background import BackgroundTasks
from bot.slack.client import error_name
from bot.slack.errors import CALL_ERRORS, is_refusal
from bot.slack.poster import Poster
from bot.store.client import decode_reply, retry_redis
from bot.store.job_queue import Receipt
from bot.store.line import QueueStatus
from contract import keys, queue_eta
from contract.job import Job

log = structlog.get_logger()

POST_DELAY_SECONDS: Final = 0.5
"""Seconds until a sign is posted: in a burst the other acknowledgements come first."""

SET_ONCE_SCRIPT: Final = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
return redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] and 1 or 0
"""
"""Set a field of a job that still exists, if nobody else has set it. Saying so twice is fine."""


class PlaceholderPoster:
    """Posts signs off the thread that acknowledges."""

    def __init__(
        self, redis: Redis, queue_status: QueueStatus, poster: Poster, background: BackgroundTasks
    ) -> None:
        self._redis = redis
        self._queue_status = queue_status
        self._poster = poster
        self._background = background
        self._set_once_script = redis.register_script(SET_ONCE_SCRIPT)

    def schedule_placeholder(self, job: Job, receipt: Receipt) -> None:
        """Post a sign soon if the answer to `job` will not start soon."""
        due = time.monotonic() + POST_DELAY_SECONDS
        self._background.submit("sign", self._post_if_waiting, job, receipt.position, due)

    def _post_if_waiting(self, job: Job, position: int, due: float) -> None:
        time.sleep(max(0.0, due - time.monotonic()))
        key = RqJob.key_for(job.id)
        if not retry_redis(partial(self._is_next_in_thread, job)):
            # The reply before it has no message yet: a sign now would stand above that reply.
            return
        text = retry_redis(partial(self._describe_wait, key, position))
        if text is not None and self._set_field_once(
            key, keys.PLACEHOLDER_OWNER, f"bot:{uuid4().hex}"
        ):
            self._post_placeholder(job, key, text)

    def _is_next_in_thread(self, job: Job) -> bool:
        thread = job.thread
        head = self._redis.lindex(keys.thread_queue(thread.team, thread.channel, thread.ts), 0)
        return head is not None and decode_reply(head) == job.id

    def _describe_wait(self, key: str, position: int) -> str | None:
        workers = self._queue_status.live_workers()
        status = self._redis.hget(key, "status")
        is_behind_own = status is not None and decode_reply(status) == "deferred"
        return texts.placeholder_text(
            position,
            workers,
            queue_eta.estimate_wait(position, workers),
            is_behind_own=is_behind_own,
        )

    def _post_placeholder(self, job: Job, key: str, text: str) -> None:
        payload = {"job": job.id, "part": 1, "question": job.ts, "state": "placeholder"}
        try:
            ts = self._poster.post_in_thread(
                job.thread,
                text,
                metadata={"event_type": keys.METADATA_EVENT_TYPE, "event_payload": payload},
            )
        except CALL_ERRORS as error:
            if is_refusal(error):
                # Nothing was posted, and the worker may try for itself. Where nobody knows, it
                # looks for ours before it posts one of its own.
                retry_redis(partial(self._redis.hdel, key, keys.PLACEHOLDER_OWNER))
            log.warning("placeholder not posted", job=job.id, why=error_name(error))
            return
        if self._set_field_once(key, keys.PLACEHOLDER, ts):
            log.info("placeholder posted", job=job.id)
        else:
            # The question was deleted meanwhile, or a worker did not wait for us.
            self._poster.delete_message(job.thread.channel, ts)

    def _set_field_once(self, key: str, field: str, value: str) -> bool:
        return bool(retry_redis(partial(self._set_once_script, keys=[key], args=[field, value])))
