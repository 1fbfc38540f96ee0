"""
Inbox dispatcher: has each unread question read, on a bounded pool that is fair to all channels.

A question whose conversation is in Redis is filled in at once. The others wait for Slack on the
pool. A channel with slow reads occupies a part of the pool, and a thread one place.
"""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import Final

import structlog
from redis.exceptions import OutOfMemoryError, RedisError, ResponseError

from bot.concurrency import AlarmClock
from bot.failpoints import Failpoint, Failpoints
from bot.handlers.inbox.question_reader import QuestionReader
from bot.handlers.job_builder import Source
from bot.slack.budget import pace_calls
from bot.slack.client import CALL_ERRORS, AppRefusedError, error_name, retry_delay
from bot.slack.poster import retry_after
from bot.store.client import NotCachedError, retry_redis
from bot.store.inbox import Inbox, InboxEntry
from contract.progress_watch import ProgressWatch
from contract.slack_budget import Priority
from contract.slack_errors import LAST_DELIVERY_ATTEMPT, MAX_RETRY_AFTER_SECONDS
from contract.thread_pool import eager_thread_pool

log = structlog.get_logger()

READER_THREADS: Final = 16
"""Concurrent reads of one bot."""
MAX_READS_PER_CHANNEL: Final = 4
"""Concurrent reads for one channel."""
MAX_READS: Final = 6
"""Reads of one question; then its author gets an error."""
POLL_INTERVAL_SECONDS: Final = 1.0
"""Seconds between two looks for the questions that other bots have left."""
MAX_SECONDS_BEHIND_REQUESTS: Final = 0.5
"""Seconds that one look lets requests go first: in a burst, acknowledgements come before reads."""
RECHECK_SECONDS: Final = 0.2
"""Delay before a message is decided again that depends on an unread earlier one."""
MAX_PAGE_WAIT_SECONDS: Final = 20.0
"""Longest wait of a further page for the budget; the lease of a read is longer."""
APP_RETRY_SECONDS: Final = 5.0
"""Delay after an error of the whole app, which is no fault of the question."""


class InboxDispatcher:
    """Thread that looks for unread questions, and the pool that reads their threads."""

    def __init__(
        self,
        inbox: Inbox,
        reader: QuestionReader,
        alarm: AlarmClock,
        failpoints: Failpoints | None = None,
    ) -> None:
        """`alarm` rings when a question was accepted."""
        self._inbox = inbox
        self._reader = reader
        self._failpoints = failpoints or Failpoints()
        self._pool = eager_thread_pool(READER_THREADS, "reader")
        self._thread = threading.Thread(target=self._run_loop, name="inbox", daemon=True)
        self._alarm = alarm
        self.watch = ProgressWatch()
        self._changed = threading.Condition()
        self._in_flight: dict[str, str] = {}
        """Jobs on the pool, and the thread of each."""
        self._needs_slack: dict[str, str] = {}
        """Jobs whose conversation is not in Redis, and the thread of each."""

    def start_thread(self) -> None:
        """Start to look for unread questions, first for those that other bots have left."""
        self._alarm.set_alarm()
        self._thread.start()

    def stop_thread(self, timeout: float) -> None:
        """Stop within `timeout` seconds; other bots read at once what is left."""
        deadline = time.monotonic() + timeout
        self._alarm.stop()
        if self._thread.is_alive():
            self._thread.join(timeout)
        with self._changed:
            self._changed.wait_for(
                lambda: not self._in_flight, timeout=max(0.0, deadline - time.monotonic())
            )
            left = list(self._in_flight)
        self._pool.shutdown(wait=False, cancel_futures=True)
        with contextlib.suppress(RedisError):
            for job in left:
                self._inbox.postpone_entry(job, 0, refund=True)

    def dispatch_due(self) -> None:
        """Fill in what Redis can answer, and hand the rest to the pool. Raises `RedisError`."""
        latest_at = time.monotonic() + MAX_SECONDS_BEHIND_REQUESTS
        due = self._inbox.list_due()
        self._needs_slack = {job: self._needs_slack[job] for job in due if job in self._needs_slack}
        for job in self._order_fairly(due):
            if job in self._in_flight:
                continue
            self._alarm.wait_for_urgent_work(latest_at - time.monotonic())
            try:
                is_done = job not in self._needs_slack and self._fill_from_cache(job)
            except ResponseError:
                # One malformed key holds up no other question: the pool judges this one.
                self._needs_slack[job] = job
                is_done = False
            if not is_done:
                self._submit_read(job)

    def _run_loop(self) -> None:
        while self._alarm.wait(POLL_INTERVAL_SECONDS):
            try:
                self.dispatch_due()
            except RedisError as error:
                log.warning("inbox not read", why=type(error).__name__)
            except Exception:
                # Safety net of the inbox thread: it must still find later questions.
                log.exception("inbox failed")

    def _order_fairly(self, due: Iterable[str]) -> list[str]:
        """Return the first job of each channel, then the second, and so on."""
        places = Counter(_channel_of(job) for job in self._in_flight.copy())
        ranked = []
        for job in due:
            channel = _channel_of(job)
            ranked.append((places[channel], job))
            places[channel] += 1
        return [job for _, job in sorted(ranked, key=lambda entry: entry[0])]

    def _fill_from_cache(self, job: str) -> bool:
        """Fill a job in from Redis alone; return whether it is done."""
        entry = self._inbox.get_entry(job)
        if entry is None:
            # Removes the entry of a job that is canceled or filled in.
            self._inbox.lease_entry(job)
            return True
        if entry.received is not None:
            try:
                self._failpoints.hit(Failpoint.BEFORE_READ)
                self._reader.read_question(entry, Source.CACHE)
            except NotCachedError:
                pass
            except RedisError:
                raise
            except Exception:
                # The pool tries again, and counts the reads of a question that never succeeds.
                log.exception("question not read", job=job)
            else:
                return True
        self._needs_slack[job] = _thread_of(entry)
        return False

    def _submit_read(self, job: str) -> None:
        thread = self._needs_slack[job]
        with self._changed:
            reads = Counter(_channel_of(one) for one in self._in_flight)
            if (
                len(self._in_flight) >= READER_THREADS
                or reads[_channel_of(job)] >= MAX_READS_PER_CHANNEL
                or thread in self._in_flight.values()
            ):
                return
            self._in_flight[job] = thread
            self.watch.start_work()
        self._pool.submit(self._run_read, job)

    def _run_read(self, job: str) -> None:
        delay = 0.0
        try:
            entry = self._inbox.lease_entry(job)
            if entry is not None:
                self._read_entry(entry)
        except RedisError as error:
            log.warning("question not read", job=job, why=type(error).__name__)
            retry_redis(partial(self._handle_redis_error, job, error))
            delay = POLL_INTERVAL_SECONDS
        except Exception:
            # Safety net of the pool: no caller waits for the error.
            log.exception("question not read", job=job)
        finally:
            with self._changed:
                del self._in_flight[job]
                self.watch.end_work()
                self._changed.notify_all()
            self._alarm.set_alarm(delay)

    def _handle_redis_error(self, job: str, error: RedisError) -> None:
        if isinstance(error, OutOfMemoryError):
            self._reader.free_memory(self._inbox.team)
        elif _has_wrong_type(error):
            self._inbox.discard_entry(job)

    def _read_entry(self, entry: InboxEntry) -> None:
        if entry.received is None or entry.num_reads >= MAX_READS:
            self._reader.give_up(entry)
            return
        is_last = entry.num_reads >= LAST_DELIVERY_ATTEMPT
        try:
            self._failpoints.hit(Failpoint.BEFORE_READ)
            # Without a token the read is postponed: it occupies no place of the pool.
            with pace_calls(Priority.REPLY, max_wait=0, max_page_wait=MAX_PAGE_WAIT_SECONDS):
                self._reader.read_question(entry, Source.LAST_TRY if is_last else Source.SLACK)
        except NotCachedError:
            self._postpone(entry, RECHECK_SECONDS, refund=True)
        except CALL_ERRORS as error:
            log.warning("thread not read", job=entry.job_id, why=error_name(error))
            self._postpone_after_error(entry, error)
        except RedisError as error:
            self._handle_read_error(entry, error)
        except Exception:
            # Safety net of the pool: a question that never succeeds is given up in the end.
            log.exception("question not read", job=entry.job_id)
            self._postpone(entry, retry_delay(entry.num_reads + 1), refund=False)

    def _handle_read_error(self, entry: InboxEntry, error: RedisError) -> None:
        if isinstance(error, OutOfMemoryError):
            self._reader.free_memory(self._inbox.team)
        self._postpone(entry, POLL_INTERVAL_SECONDS, refund=not _has_wrong_type(error))

    def _postpone_after_error(self, entry: InboxEntry, error: Exception) -> None:
        wait = retry_after(error, MAX_RETRY_AFTER_SECONDS)
        if wait is not None:
            self._postpone(entry, wait, refund=True)
        elif isinstance(error, AppRefusedError):
            self._postpone(entry, APP_RETRY_SECONDS, refund=True)
        else:
            self._postpone(entry, retry_delay(entry.num_reads + 1), refund=False)

    def _postpone(self, entry: InboxEntry, seconds: float, *, refund: bool) -> None:
        retry_redis(partial(self._inbox.postpone_entry, entry.job_id, seconds, refund=refund))
        self._alarm.set_alarm(seconds)


def _has_wrong_type(error: RedisError) -> bool:
    """Return whether a key has another type than its name says, which no retry changes."""
    return "WRONGTYPE" in str(error)


def _channel_of(job: str) -> str:
    """Return team and channel of a job's id."""
    return job.rsplit("-", 2)[0]


def _thread_of(entry: InboxEntry) -> str:
    """Return a name for an entry's thread; of a malformed one, its job's id."""
    if entry.received is None:
        return entry.job_id
    thread = entry.received.thread
    return f"{thread.channel}:{thread.ts}"
