"""
Transactional outbox: posts each notice, the bot's answer to a message, exactly once.

The script that marks a message as handled also records its notice in Redis. The record is removed
after Slack has accepted or rejected the post. If a bot dies in between, or Slack's response is
ambiguous, any bot takes the notice over. It searches the thread for the notice before it posts.
"""

import threading
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import structlog
from redis import Redis
from redis.commands.core import Script
from redis.exceptions import RedisError

from bot.concurrency import BackgroundTasks
from bot.failpoints import Failpoint, Failpoints
from bot.messages.events import MessagePosted
from bot.slack.client import CALL_ERRORS, AppRefusedError, error_name, is_refusal
from bot.slack.poster import Poster, retry_after
from bot.store.client import decode_reply, retry_redis
from bot.store.scripts import load_script
from bot.store.thread_cache import ThreadCache
from contract import keys
from contract.job import Thread
from contract.slack_errors import UNREADABLE_ERRORS

log = structlog.get_logger()

NOTICE_LEASE_SECONDS: Final = 20.0
"""Lease after which any bot may take over a notice."""
REFUSED_DELAY_SECONDS: Final = 15.0
"""Seconds until a notice is tried again that Slack refused because it refuses the app."""
SWEEP_INTERVAL_SECONDS: Final = 5.0
"""Seconds between two searches for abandoned notices."""


@dataclass(frozen=True, slots=True)
class _Notice:
    thread: Thread
    question_ts: str
    text: str
    is_retry: bool


@dataclass(slots=True)
class NoticeOutbox:
    """
    Outbox of one team.

    A bot has `lease_seconds` to post a notice before another one may take it over.
    """

    redis: Redis
    team: str
    poster: Poster
    thread_cache: ThreadCache
    background: BackgroundTasks
    failpoints: Failpoints = field(default_factory=Failpoints)
    lease_seconds: float = NOTICE_LEASE_SECONDS
    _due_key: str = field(init=False)
    _record_script: Script = field(init=False)
    _lease_script: Script = field(init=False)
    _stopped: threading.Event = field(init=False, default_factory=threading.Event)
    _sweeper: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._due_key = keys.notice_schedule(self.team)
        self._record_script = self.redis.register_script(load_script("record_notice"))
        self._lease_script = self.redis.register_script(load_script("lease_notice"))
        self._sweeper = threading.Thread(target=self._run_sweeper, name="notices", daemon=True)

    def start_sweeper(self) -> None:
        """Start the thread that posts abandoned notices."""
        self._sweeper.start()

    def stop_sweeper(self) -> None:
        """Stop the thread; another bot posts what is left."""
        self._stopped.set()
        if self._sweeper.is_alive():
            self._sweeper.join(SWEEP_INTERVAL_SECONDS)

    def post_notice(self, post: MessagePosted, sentence: str) -> None:
        """Post a notice in a message's thread, once for all its deliveries. Raises `RedisError`."""
        thread = post.thread
        name = f"{thread.channel}:{post.ts}"
        is_recorded = self._record_script(
            keys=[
                keys.idempotency_key(thread.team, thread.channel, post.ts),
                keys.pending_notice(thread.team, thread.channel, post.ts),
                self._due_key,
            ],
            args=[
                keys.IDEMPOTENCY_TTL_SECONDS,
                name,
                keys.NOTICE_TTL_SECONDS,
                thread.ts,
                sentence,
                self.lease_seconds,
            ],
        )
        self.failpoints.hit(Failpoint.AFTER_NOTICE_RECORD)
        if is_recorded:
            self.background.submit("notice", self._deliver_notice, name, first=True)

    def post_due_notices(self) -> None:
        """Post abandoned notices. Raises `RedisError` and `bot.slack.client.CALL_ERRORS`."""
        seconds, _ = self.redis.time()
        due: Any = self.redis.zrangebyscore(self._due_key, "-inf", seconds)
        for name in due:
            self._deliver_notice(decode_reply(name), first=False)

    def _run_sweeper(self) -> None:
        while not self._stopped.wait(SWEEP_INTERVAL_SECONDS):
            try:
                self.post_due_notices()
            except (RedisError, *CALL_ERRORS) as error:
                log.warning("notices postponed", why=type(error).__name__)
            except Exception:
                # Safety net of the sweeper thread: it must still find later notices.
                log.exception("notices failed")

    def _deliver_notice(self, name: str, *, first: bool) -> None:
        notice = self._lease_notice(name, first=first)
        if notice is None:
            return
        try:
            if not (notice.is_retry and self._is_in_thread(notice)):
                self._post_to_thread(notice)
        except CALL_ERRORS as error:
            seconds_to_wait = retry_after(error, keys.NOTICE_TTL_SECONDS)
            if isinstance(error, AppRefusedError):
                seconds_to_wait = REFUSED_DELAY_SECONDS
            if seconds_to_wait is not None:
                seconds, _ = self.redis.time()
                self.redis.zadd(self._due_key, {name: seconds + seconds_to_wait}, xx=True)
            log.warning("notice not posted", channel=notice.thread.channel, why=error_name(error))
            if seconds_to_wait is not None or not (
                is_refusal(error) or error_name(error) in UNREADABLE_ERRORS
            ):
                return
        retry_redis(partial(self._remove_notice, name))

    def _lease_notice(self, name: str, *, first: bool) -> _Notice | None:
        channel, question = name.split(":")
        key = keys.pending_notice(self.team, channel, question)
        found = self._lease_script(
            keys=[key, self._due_key], args=[name, self.lease_seconds, int(first)]
        )
        if found is None:
            return None
        tries, thread, sentence = (decode_reply(part) for part in found)
        address = Thread(team=self.team, channel=channel, ts=thread)
        return _Notice(address, question, sentence, is_retry=int(tries) > 0)

    def _is_in_thread(self, notice: _Notice) -> bool:
        return bool(self.thread_cache.find_own_messages(notice.thread, notice.question_ts))

    def _post_to_thread(self, notice: _Notice) -> None:
        payload = {"part": 1, "question": notice.question_ts, "state": "notice"}
        self.poster.post_in_thread(
            notice.thread,
            notice.text,
            metadata={"event_type": keys.METADATA_EVENT_TYPE, "event_payload": payload},
            retry=False,
        )
        self.failpoints.hit(Failpoint.AFTER_NOTICE_POST)

    def _remove_notice(self, name: str) -> None:
        channel, question = name.split(":")
        with self.redis.pipeline() as pipe:
            pipe.delete(keys.pending_notice(self.team, channel, question))
            pipe.zrem(self._due_key, name)
            pipe.execute()
