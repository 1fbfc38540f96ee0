"""
The bot's side of the budget for Slack: each call takes a token, waits for it, or fails.

`pace_calls` sets the priority and the patience of a thread. Before an acknowledgement nothing
waits: a call without a token fails, and Slack delivers the event again. The further pages of a read
may wait: without them, the tokens of its first pages would be lost.
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Final

import structlog
from redis import Redis
from redis.exceptions import RedisError

from contract.scripts import TAKE_TOKEN
from contract.slack_budget import (
    Buckets,
    LocalBuckets,
    Priority,
    acquire_arguments,
    block_arguments,
    find_buckets,
)

log = structlog.get_logger()

LOCAL_SECONDS: Final = 5.0
"""Seconds for which the local buckets serve after an error of Redis, which may cost a timeout."""
MAX_WAIT_SECONDS: Final = 30.0
"""Default patience of a call; a message that comes later would only confuse."""


class NoBudgetError(Exception):
    """The budget allows no call now; `seconds` is the time after which it may."""

    def __init__(self, method: str, seconds: float) -> None:
        super().__init__(method)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class CallPace:
    """Priority of a call, how long it may wait for a token (s), and whether it has one already."""

    priority: Priority = Priority.REPLY
    max_wait: float = MAX_WAIT_SECONDS
    is_prepaid: bool = False
    max_page_wait: float = 0.0
    """How long a further page of a read may wait (s), if that is longer than `max_wait`."""


DEFAULT_PACE: Final = CallPace()
_pace: ContextVar[CallPace] = ContextVar("pace", default=DEFAULT_PACE)


@contextlib.contextmanager
def pace_calls(
    priority: Priority,
    max_wait: float = MAX_WAIT_SECONDS,
    *,
    is_prepaid: bool = False,
    max_page_wait: float = 0.0,
) -> Iterator[None]:
    """
    Make the calls of this thread with a priority; each may wait up to `max_wait` seconds.

    With `is_prepaid`, the first call has its token already. The further pages of a read may wait up
    to `max_page_wait` seconds.
    """
    token = _pace.set(CallPace(priority, max_wait, is_prepaid, max_page_wait))
    try:
        yield
    finally:
        _pace.reset(token)


class SlackBudget:
    """Token buckets of one team, shared with all other processes. Thread-safe."""

    def __init__(self, redis: Redis, team: str) -> None:
        self._take_token_script = redis.register_script(TAKE_TOKEN)
        self._team = team
        self._local = LocalBuckets()
        self._local_until = 0.0
        self._stopped = threading.Event()

    def take_call(self, method: str, channel: str | None, *, is_further_page: bool = False) -> None:
        """Take the tokens of a call at the pace of this thread. Raises `NoBudgetError`."""
        pace = _pace.get()
        if pace.is_prepaid:
            _pace.set(replace(pace, is_prepaid=False))
            return
        buckets = find_buckets(self._team, method, channel)
        max_wait = max(pace.max_wait, pace.max_page_wait if is_further_page else 0.0)
        deadline = time.monotonic() + max_wait
        while buckets and (wait := self._acquire(buckets, pace.priority)):
            if time.monotonic() + wait > deadline or self._stopped.wait(wait):
                raise NoBudgetError(method, wait)

    def block_calls(self, method: str, channel: str | None, seconds: float) -> None:
        """Let no process make this call for `seconds`, as Slack's `Retry-After` demands."""
        buckets = find_buckets(self._team, method, channel)
        if not buckets:
            return
        self._local.block(buckets, seconds, time.monotonic())
        with contextlib.suppress(RedisError):
            self._run_script(*block_arguments(buckets, seconds))

    def stop_waiting(self) -> None:
        """End all waits: the process stops."""
        self._stopped.set()

    def _acquire(self, buckets: Buckets, priority: Priority) -> float:
        now = time.monotonic()
        if now >= self._local_until:
            try:
                return self._run_script(*acquire_arguments(buckets, priority))
            except RedisError as error:
                log.warning("budget is local", why=type(error).__name__)
                self._local_until = time.monotonic() + LOCAL_SECONDS
        return self._local.acquire(buckets, priority, now)

    def _run_script(self, bucket_keys: list[str], arguments: list[float]) -> float:
        reply = self._take_token_script(keys=bucket_keys, args=arguments)
        return int(reply) / 1000
