"""
Outage monitor: records while events reach the bot, and backfills what it missed.

Redis holds the times of the first and the last heartbeat, by Slack's clock. A backfill starts after
a start of the bot, after a minute without a connection, after a gap in Slack's deliveries, and
after Redis data loss.
"""

import math
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog
from redis import Redis
from redis.exceptions import RedisError

from bot.handlers.backfill import Backfill
from bot.handlers.outage import Outage
from bot.slack.client import CALL_ERRORS, SlackClock, error_name
from bot.slack.paging import ShutdownError
from bot.store.client import read_clock
from bot.store.purge import Purge
from bot.store.scripts import load_script
from contract import clock_skew, keys

log = structlog.get_logger()

HEARTBEAT_INTERVAL_SECONDS: Final = 5.0
MIN_OUTAGE_SECONDS: Final = 60.0
"""Seconds without a heartbeat that count as an outage."""


class OutageMonitor:
    """Thread that writes heartbeats and starts backfills."""

    def __init__(
        self,
        team: str,
        redis: Redis,
        clock: SlackClock,
        backfill: Backfill,
        *,
        has_connection: Callable[[], bool],
        stopped: threading.Event,
    ) -> None:
        """`has_connection` is whether Slack can reach the bot; `stopped` also ends a backfill."""
        self._team = team
        self._redis = redis
        self._clock = clock
        self._backfill = backfill
        self._has_connection = has_connection
        self._stopped = stopped
        self._connected_key = keys.connection_window(team)
        self._write_heartbeat = redis.register_script(load_script("heartbeat"))
        self._has_checked = False
        self._first_connected_at: float | None = None
        self._thread = threading.Thread(target=self._run_loop, name="backfill", daemon=True)

    def start_thread(self) -> None:
        """Start the thread; first drop cached threads that may have changed in an outage."""
        try:
            self._check_clock_skew()
            first, last, now = self._read_connection_times()
            self._drop_stale_copies(last, now)
            if first is not None and last is not None:
                self._backfill.outage = Outage.since_last_event(first, last, now)
        except RedisError as error:
            log.warning("outage unknown", why=type(error).__name__)
        self._thread.start()

    def stop_thread(self) -> None:
        """Stop the thread, also during a backfill: the next start repeats it."""
        self._stopped.set()
        self._thread.join(HEARTBEAT_INTERVAL_SECONDS)

    def _run_loop(self) -> None:
        # Until the first check, look for the connection more often.
        while not self._stopped.wait(
            HEARTBEAT_INTERVAL_SECONDS if self._has_checked else HEARTBEAT_INTERVAL_SECONDS / 20
        ):
            try:
                if self._has_connection():
                    self._check_connection()
            except ShutdownError:
                return
            except (RedisError, *CALL_ERRORS) as error:
                log.warning("backfill postponed", why=error_name(error))
                self._stopped.wait(HEARTBEAT_INTERVAL_SECONDS)
            except Exception:
                # Safety net of the monitor thread: heartbeats must continue.
                log.exception("backfill failed")
                self._has_checked = True

    def _check_connection(self) -> None:
        first, last, now = self._read_connection_times()
        gap = self._backfill.gaps.find_gap()
        if first is None or last is None:
            first = self._handle_missing_times(now)
        elif gap is not None or not self._has_checked or now - last > MIN_OUTAGE_SECONDS:
            if gap is not None:
                last = min(last, gap)
                # A bot that restarts before the end reads from the gap on, too.
                self._write_last_connection(last)
            if self._drop_stale_copies(last, now):
                self._backfill.recheck_open_jobs()
            self._backfill.fill_outage(Outage.since_last_event(first, last, now))
        else:
            self._backfill.retry_postponed(now)
        if gap is not None:
            self._backfill.gaps.close_gap(gap)
        self._has_checked = True
        self._write_last_connection(self._clock.now())
        self._first_connected_at = first or self._first_connected_at

    def _write_last_connection(self, last: float) -> None:
        self._write_heartbeat(
            keys=[self._connected_key, keys.REDIS_SENTINEL],
            args=[last, keys.THREAD_MODE_TTL_SECONDS],
        )

    def _handle_missing_times(self, now: float) -> float | None:
        """Start a new team's record, or backfill after Redis data loss; return the first time."""
        if not self._has_checked:
            self._redis.hset(self._connected_key, mapping={"first": now, "last": now})
            return now
        first = self._first_connected_at
        if first is not None and not self._redis.exists(keys.REDIS_SENTINEL):
            log.warning("redis data lost")
            self._backfill.fill_outage(Outage.since_redis_loss(first, now))
            self._redis.hset(self._connected_key, mapping={"first": first, "last": now})
        return None

    def _check_clock_skew(self) -> None:
        redis, machine = read_clock(self._redis), time.time()
        clock_skew.warn_on_skew(self._clock.now(), machine=machine, redis=redis)

    def _read_connection_times(self) -> tuple[float | None, float | None, float]:
        """Return the times of the first and last heartbeat and of now (s, Slack's clock)."""
        first, last = self._redis.hmget(self._connected_key, ["first", "last"])
        if first is None or last is None:
            return None, None, self._clock.now()
        now = self._clock.now()
        try:
            times = float(first), float(last)
        except ValueError:
            times = math.nan, math.nan
        if not all(0 <= time_ <= now + MIN_OUTAGE_SECONDS for time_ in times):
            # Malformed: set aside, as if the team's record had not been written yet.
            log.error("connection window invalid")
            self._redis.delete(self._connected_key)
            return None, None, now
        return *times, now

    def _drop_stale_copies(self, last: float | None, now: float) -> bool:
        if last is None or now - last <= MIN_OUTAGE_SECONDS:
            return False
        dropped = Purge(self._redis).drop_copies(self._team)
        log.info("outage", seconds=round(now - last), copies=dropped)
        return True
