"""
Placeholders: tell that a question is queued if no worker takes its job within two seconds.

After half a second, the workers' statuses show whether one will take it. A second later, each
question that still waits gets a sign: a status may be that of a worker that has just died.

The worker later turns the placeholder into the reply. The process that sets `PLACEHOLDER_OWNER`
first posts it, the other one does not; `PLACEHOLDER` then holds its `ts`.
"""

from functools import partial
from typing import Final, NamedTuple
from uuid import uuid4

import structlog
from redis import Redis
from rq.job import Job as RqJob

from bot import texts
from bot.concurrency import BackgroundTasks
from bot.handlers.presence.waiting_line import WaitingLine
from bot.handlers.rules.reader_languages import ReaderLanguages
from bot.slack.budget import NoBudgetError
from bot.slack.client import CALL_ERRORS, AppRefusedError, error_name, is_refusal
from bot.slack.poster import Poster
from bot.store.client import decode_reply, retry_redis
from bot.store.job_queue import JobQueue
from contract import keys, queue_eta
from contract.job import Thread, job_id
from contract.language import Language, Translatable
from contract.stop import build_stop_block

log = structlog.get_logger()

FIRST_LOOK_SECONDS: Final = 0.5
"""Seconds before a placeholder is posted, so that acknowledgements come first in a burst."""
SECOND_LOOK_SECONDS: Final = 1.0
"""Seconds from then on, after which a question that no worker has taken gets a sign in any case."""
WAITING_STATUSES: Final = frozenset({"queued", "deferred"})
MAX_WAIT_SECONDS: Final = 5.0
"""Longest wait for the budget of a placeholder. Without it, the worker posts its own."""


class _Question(NamedTuple):
    """Question at `ts`, which `user` asked."""

    thread: Thread
    ts: str
    user: str


class PlaceholderPoster:
    """Poster of placeholders, in background tasks."""

    def __init__(
        self,
        redis: Redis,
        queue: JobQueue,
        poster: Poster,
        background: BackgroundTasks,
        languages: ReaderLanguages,
        *,
        line: WaitingLine | None = None,
    ) -> None:
        """`line` shows the changes of a place after its placeholder."""
        self._line = line
        self._redis = redis
        self._queue = queue
        self._poster = poster
        self._background = background
        self._languages = languages

    def schedule_placeholder(self, thread: Thread, ts: str, user: str) -> None:
        """Post a placeholder if no worker takes the question at `ts`, which `user` asked."""
        question = _Question(thread, ts, user)
        self._background.submit_after(
            FIRST_LOOK_SECONDS, "placeholder", self._post_if_waiting, question, is_first=True
        )

    def _post_if_waiting(self, question: _Question, *, is_first: bool) -> None:
        thread, ts, _ = question
        job = job_id(thread.team, thread.channel, ts)
        if not retry_redis(partial(self._is_waiting, job)):
            return
        is_next = retry_redis(partial(self._is_next_in_thread, thread, job))
        text = retry_redis(partial(self._describe_wait, job)) if is_next else None
        if text is None and is_first:
            self._background.submit_after(
                SECOND_LOOK_SECONDS,
                "placeholder",
                self._post_if_waiting,
                question,
                is_first=False,
            )
        elif is_next:
            self._announce_and_post(question, text or texts.QUESTION_KEPT)
        else:
            # The reply before it has no message yet: a placeholder would come above that reply.
            status = texts.WAITS_IN_THREAD.translate(self._find_language(question))
            show = self._poster.set_status if self._line is None else self._line.show_status
            show(thread, status)

    def _is_waiting(self, job: str) -> bool:
        """Return whether no worker runs a job, and no process posts its placeholder."""
        fields = ["status", keys.PLACEHOLDER_OWNER]
        status, owner = self._redis.hmget(RqJob.key_for(job), fields)
        return owner is None and status is not None and decode_reply(status) in WAITING_STATUSES

    def _find_language(self, question: _Question) -> Language:
        channel, user = question.thread.channel, question.user
        return retry_redis(partial(self._languages.find_for_thread, channel, user))

    def _announce_and_post(self, question: _Question, text: Translatable) -> None:
        thread = question.thread
        job = job_id(thread.team, thread.channel, question.ts)
        try:
            # Before the intent is recorded: a worker looks for a post that is announced.
            self._poster.reserve_post(thread.channel, MAX_WAIT_SECONDS)
        except NoBudgetError:
            log.info("placeholder skipped", job=job)
            return
        if self._set_field_once(job, keys.PLACEHOLDER_OWNER, f"bot:{uuid4().hex}"):
            self._post_placeholder(question, text)

    def _is_next_in_thread(self, thread: Thread, job: str) -> bool:
        head = self._redis.lindex(keys.thread_queue(thread.team, thread.channel, thread.ts), 0)
        return head is not None and decode_reply(head) == job

    def _describe_wait(self, job: str) -> Translatable | None:
        workers = self._queue.live_workers()
        position = self._queue.count_jobs_ahead(job)
        status, received = self._redis.hmget(RqJob.key_for(job), ["status", keys.RECEIVED])
        is_deferred = status is not None and decode_reply(status) == "deferred"
        return texts.placeholder_text(
            position,
            workers,
            queue_eta.estimate_wait(position, workers),
            is_behind_own=is_deferred and received is None,
        )

    def _post_placeholder(self, question: _Question, text: Translatable) -> None:
        thread, ts, language = question.thread, question.ts, self._find_language(question)
        job = job_id(thread.team, thread.channel, ts)
        key = RqJob.key_for(job)
        place = retry_redis(partial(self._queue.count_jobs_ahead, job))
        payload = {"job": job, "part": 1, "question": ts, "state": "placeholder"}
        shown = text.translate(language)
        try:
            placeholder = self._poster.post_in_thread(
                thread,
                shown,
                metadata={"event_type": keys.METADATA_EVENT_TYPE, "event_payload": payload},
                blocks=[*texts.context_blocks(shown), build_stop_block(thread.ts, ts, language)],
                is_reserved=True,
            )
        except CALL_ERRORS as error:
            if is_refusal(error):
                # Slack posted nothing, so the worker may try. If that is unknown, the worker
                # looks for this placeholder before it posts its own.
                retry_redis(partial(self._redis.hdel, key, keys.PLACEHOLDER_OWNER))
            log.warning("placeholder not posted", job=job, why=error_name(error))
            if isinstance(error, AppRefusedError):
                # Postponed: by then, a worker may have posted one.
                raise
            return
        if self._set_field_once(job, keys.PLACEHOLDER, placeholder):
            log.info("placeholder posted", job=job)
            if self._line is not None:
                self._line.watch_question(thread, job, place, language)
        else:
            # The question was deleted in between, or a worker gave up waiting and posted its own.
            self._poster.delete_message(thread.channel, placeholder)

    def _set_field_once(self, job: str, field: str, value: str) -> bool:
        return retry_redis(partial(self._queue.set_field_once, job, field, value))
