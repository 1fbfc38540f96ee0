"""
Finds the questions of an outage in Slack's history, and answers each once.

Redis knows until when events reached a bot, by Slack's clock: messages are dated by no other. After
a start, or after a while without connections, what was asked since is read from Slack and dealt
with as if it had just been delivered; markers tell what was dealt with before. All of it happens
beside the events that arrive now.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from operator import itemgetter
from typing import Any, Final

import structlog
from redis import Redis
from redis.exceptions import RedisError
from slack_sdk.errors import SlackApiError

from bot.handlers.edits import EditHandler
from bot.handlers.outage import (
    Channel,
    Json,
    Outage,
    has_new_replies,
    latest_reply_at,
    parse_missed_question,
)
from bot.handlers.questions import QuestionHandler
from bot.handlers.reconcile import Reconciler
from bot.messages.events import MessagePosted
from bot.slack.client import SlackWebClient, error_name
from bot.slack.errors import CALL_ERRORS
from bot.slack.paging import ITEMS_PER_PAGE, PacedReader, ShutdownError
from bot.store.purge import Purge
from bot.store.thread_cache import UNREADABLE_ERRORS
from bot.store.thread_modes import ThreadModes
from contract import clock_skew, keys

log = structlog.get_logger()

HEARTBEAT_INTERVAL_SECONDS: Final = 5.0
"""Seconds between two notes that events reach us."""
MIN_OUTAGE_SECONDS: Final = 60.0
"""Seconds without such a note that count as an outage."""
CHANNEL_TYPES: Final = {
    "public_channel": "channel",
    "private_channel": "group",
    "mpim": "mpim",
    "im": "im",
}
"""Slack's names of what we can be in, and what its events call the same."""
MAX_FOLLOWED_THREADS: Final = 300
"""Followed threads that are looked into one by one; those that were used last come first."""

HEARTBEAT_SCRIPT: Final = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'last', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], 1, 'EX', ARGV[2])
return 1
"""
"""Note that events reach us, unless the team was forgotten meanwhile."""


class Backfill:
    """A thread that notes until when events reached us, and catches up on what did not."""

    def __init__(
        self,
        redis: Redis,
        web_client: SlackWebClient,
        questions: QuestionHandler,
        edits: EditHandler,
        has_connection: Callable[[], bool],
    ) -> None:
        """`connected` says whether Slack can reach us."""
        self._redis = redis
        self._web_client = web_client
        self._clock = web_client.clock
        self._identity = identity = questions.identity
        self._questions = questions
        self._edits = edits
        self._has_connection = has_connection
        self._connected_key = keys.connection_window(identity.team)
        self._write_heartbeat = redis.register_script(HEARTBEAT_SCRIPT)
        self._reconciler = Reconciler(redis, identity, questions.poster, questions.queue)
        self._has_checked = False
        self._first_connected_at: float | None = None
        self._outage: Outage | None = None
        self._stopped = threading.Event()
        self._reader = PacedReader(self._stopped)
        self._thread = threading.Thread(target=self._run_loop, name="backfill", daemon=True)

    def start_thread(self) -> None:
        """Begin; what is known of threads that may have changed since is dropped at once."""
        try:
            self._check_clock_skew()
            first, last, now = self._read_connection_times()
            self._drop_stale_copies(last, now)
            if first is not None and last is not None:
                self._outage = Outage.since_last_event(first, last, now)
        except RedisError as error:
            log.warning("outage unknown", why=type(error).__name__)
        self._thread.start()

    def stop_thread(self) -> None:
        """End, in the middle of catching up if need be: the next start begins it anew."""
        self._stopped.set()
        self._thread.join(HEARTBEAT_INTERVAL_SECONDS)

    def handle_earlier_first(self, post: MessagePosted) -> None:
        """Handle the questions of the same thread that an outage hid. Raises as `QuestionHandler`."""
        outage, thread = self._outage, post.thread
        if outage is None or not (post.can_ask and post.is_thread_reply):
            return
        answer = self._web_client.conversations_replies(
            channel=thread.channel, ts=thread.ts, limit=ITEMS_PER_PAGE, **_history_arguments(outage)
        )
        found = answer.get("messages") or ()
        channel = Channel.from_id(thread.channel)
        posts = (parse_missed_question(raw, channel, outage, self._identity) for raw in found)
        for earlier in sorted((p for p in posts if p and p.ts < post.ts), key=lambda p: p.ts):
            if self._needs_answer(earlier, found if outage.is_redis_loss else None):
                self._questions.handle_message(earlier)

    def _run_loop(self) -> None:
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
                # One of this process's nets: the beat must go on.
                log.exception("backfill failed")
                self._has_checked = True

    def _check_connection(self) -> None:
        first, last, now = self._read_connection_times()
        if first is None and not self._has_checked:
            first = now
            self._redis.hset(self._connected_key, mapping={"first": now, "last": now})
        elif (
            first is None
            and self._first_connected_at is not None
            and not self._redis.exists(keys.REDIS_SENTINEL)
        ):
            log.warning("redis data lost")
            self._backfill_outage(Outage.since_redis_loss(self._first_connected_at, now))
            self._redis.hset(
                self._connected_key, mapping={"first": self._first_connected_at, "last": now}
            )
        elif (
            first is not None
            and last is not None
            and (not self._has_checked or now - last > MIN_OUTAGE_SECONDS)
        ):
            if self._drop_stale_copies(last, now):
                self._recheck_waiting_jobs()
            self._backfill_outage(Outage.since_last_event(first, last, now))
        self._has_checked = True
        self._write_heartbeat(
            keys=[self._connected_key, keys.REDIS_SENTINEL],
            args=[self._clock.now(), keys.THREAD_MODE_TTL_SECONDS],
        )
        self._first_connected_at = first or self._first_connected_at

    def _check_clock_skew(self) -> None:
        seconds, micros = self._redis.time()
        redis, machine = seconds + micros / 1e6, time.time()
        clock_skew.warn_on_skew(self._clock.now(), machine=machine, redis=redis)

    def _read_connection_times(self) -> tuple[float | None, float | None, float]:
        first, last = self._redis.hmget(self._connected_key, ["first", "last"])
        times = None if first is None or last is None else (float(first), float(last))
        return (*(times or (None, None)), self._clock.now())

    def _drop_stale_copies(self, last: float | None, now: float) -> bool:
        if last is None or now - last <= MIN_OUTAGE_SECONDS:
            return False
        dropped = Purge(self._redis).drop_copies(self._identity.team)
        log.info("outage", seconds=round(now - last), copies=dropped)
        return True

    def _recheck_waiting_jobs(self) -> None:
        """Look at the questions that were waiting: were they edited or deleted meanwhile?"""
        for job in self._questions.queue.list_open_jobs(self._identity.team):
            self._reader.retry_delivery(partial(self._edits.recheck_job, job))

    def _backfill_outage(self, outage: Outage) -> None:
        self._outage = outage
        self._reader.reset_pace()
        followed = ThreadModes(self._redis).list_recent_threads(
            self._identity.team, MAX_FOLLOWED_THREADS
        )
        channels = {channel.id: channel for channel in self._list_channels()}
        oldest, num_questions = f"{outage.roots_since:.6f}", 0
        threads: list[tuple[float, Channel, str]] = []
        for channel_id in {*channels, *followed}:
            spot = channels.get(channel_id) or Channel.from_id(channel_id)
            roots = self._read_messages(self._web_client.conversations_history, spot, oldest=oldest)
            if roots is not None:
                single_messages = (
                    raw
                    for raw in roots
                    if not (outage.is_redis_loss and has_new_replies(raw, outage))
                )
                num_questions += self._handle_missed_questions(single_messages, (), spot, outage)
                active_roots = (raw for raw in roots if has_new_replies(raw, outage))
                threads += [(latest_reply_at(raw), spot, str(raw["ts"])) for raw in active_roots]
                older = (ts for ts in followed.get(channel_id, ()) if ts < oldest)
                threads += [(outage.since, spot, ts) for ts in older]
        # Each thread costs a call, so those that were written in last, as in the outage, are first.
        for _, spot, ts in sorted(threads, key=itemgetter(0), reverse=True):
            found = self._read_messages(
                self._web_client.conversations_replies, spot, ts=ts, **_history_arguments(outage)
            )
            num_questions += self._handle_missed_questions(found or (), found or (), spot, outage)
        self._outage = None
        log.info(
            "backfill finished",
            channels=len(channels),
            calls=self._reader.num_calls,
            questions=num_questions,
        )

    def _list_channels(self) -> Iterator[Channel]:
        for conversation_type, channel_type in CHANNEL_TYPES.items():
            pages = self._reader.read_pages(
                self._web_client.users_conversations,
                "channels",
                types=conversation_type,
                exclude_archived=True,
            )
            try:
                for raw in pages:
                    yield Channel(
                        str(raw["id"]), channel_type, is_shared=bool(raw.get("is_ext_shared"))
                    )
            except SlackApiError as error:
                if error_name(error) != "missing_scope":
                    raise
                log.warning("channels not listed", kind=conversation_type, why="missing_scope")

    def _read_messages(
        self, method: Callable[..., Any], channel: Channel, **arguments: Any
    ) -> list[dict[str, Any]] | None:
        """Return the messages of a channel or of a thread; `None` where we may not read them."""
        try:
            return list(
                self._reader.read_pages(method, "messages", channel=channel.id, **arguments)
            )
        except SlackApiError as error:
            if error_name(error) not in UNREADABLE_ERRORS:
                raise
            log.info("channel not readable", channel=channel.id, why=error_name(error))
            return None

    def _handle_missed_questions(
        self, found: Iterable[Json], thread: Iterable[Json], channel: Channel, outage: Outage
    ) -> int:
        """Deal with the questions of the outage among these, oldest first; say how many."""
        posts = (parse_missed_question(raw, channel, outage, self._identity) for raw in found)
        questions = {post.ts: post for post in posts if post is not None}
        # Redis knows who has an answer, and where it was emptied, what stands in the thread.
        messages = thread if outage.is_redis_loss else None
        return sum(self._handle_once(questions[ts], messages) for ts in sorted(questions))

    def _handle_once(self, post: MessagePosted, messages: Iterable[Json] | None) -> bool:
        """Deal with a question as if it was delivered now; say whether nobody had done so."""
        needs_answer = self._needs_answer(post, messages)
        if needs_answer:
            self._reader.retry_delivery(partial(self._questions.handle_message, post))
        return needs_answer

    def _needs_answer(self, post: MessagePosted, messages: Iterable[Json] | None) -> bool:
        """Say whether nobody has dealt with a question; `said` is its thread, if that must tell."""
        thread = post.thread
        if self._questions.queue.is_duplicate(thread.team, thread.channel, post.ts):
            return False
        return messages is None or not self._reconciler.has_answer(post, messages)


def _history_arguments(outage: Outage) -> dict[str, Any]:
    return {"oldest": f"{outage.since:.6f}", "include_all_metadata": True}
