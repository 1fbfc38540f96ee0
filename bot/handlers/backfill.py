"""
Backfill: finds the questions of an outage in Slack's history, and handles each once.

A found question is handled as if Slack had just delivered it. Idempotency keys tell which questions
were handled before. All of this runs beside the events that arrive now. A channel that Slack keeps
answering with an error is read again later, and delays no other channel.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter, itemgetter
from typing import Final

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.handlers.edits import EditHandler
from bot.handlers.history_reader import HistoryReader, build_arguments
from bot.handlers.job_builder import Source
from bot.handlers.outage import (
    Channel,
    Json,
    Outage,
    find_root,
    has_new_replies,
    latest_reply_at,
    parse_missed_question,
)
from bot.handlers.questions import QuestionHandler
from bot.handlers.reconcile import Reconciler
from bot.messages.events import MessagePosted
from bot.messages.message import BotIdentity
from bot.slack.client import CALL_ERRORS, error_name
from bot.slack.delivery_gaps import DeliveryGaps
from bot.slack.paging import ITEMS_PER_PAGE, PacedReader
from bot.store.client import NotCachedError
from bot.store.job_queue import JobQueue
from bot.store.thread_modes import ThreadModes

log = structlog.get_logger()

CHANNEL_TYPES: Final = {
    "public_channel": "channel",
    "private_channel": "group",
    "mpim": "mpim",
    "im": "im",
}
"""Slack's conversation types, and the `channel_type` of each in events."""
MAX_FOLLOWED_THREADS: Final = 300
"""Followed threads that are read one by one, the most recently used first."""

FIRST_RETRY_SECONDS: Final = 10.0
MAX_RETRY_SECONDS: Final = 600.0
"""Longest interval between two reads of a postponed channel; each is twice the one before."""


@dataclass(slots=True)
class Backfill:
    """Search for missed questions, in one outage at a time."""

    identity: BotIdentity
    web_client: WebClient
    reader: PacedReader
    questions: QuestionHandler
    edits: EditHandler
    queue: JobQueue
    thread_modes: ThreadModes
    reconciler: Reconciler
    gaps: DeliveryGaps = field(default_factory=DeliveryGaps)
    """Gaps in what Slack has delivered; none are found over Socket Mode."""
    outage: Outage | None = None
    """Outage whose questions are not yet handled."""
    postponed: list[tuple[Channel, Outage]] = field(default_factory=list)
    """Channels whose questions are not yet handled, after all others of their outage."""
    _history: HistoryReader = field(init=False)
    _retry_seconds: float = field(init=False, default=FIRST_RETRY_SECONDS)
    _retry_at: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._history = HistoryReader(self.web_client, self.reader)

    def hides_deletion(self, ts: str) -> bool:
        """Return whether the bot may have missed the deletion of an accepted message."""
        return self.outage is not None and self.outage.hides_deletion(ts)

    def handle_earlier_first(self, post: MessagePosted, source: Source) -> None:
        """
        Accept the missed questions of the same thread before a new one, to keep their order.

        Raises `RedisError`, and what its `Source` says.
        """
        outage, thread = self.outage, post.thread
        if outage is None:
            return
        if source is Source.CACHE:
            raise NotCachedError
        try:
            messages = self._read_replies(thread.channel, thread.ts, outage)
            channel = Channel.from_id(thread.channel)
            earlier = [
                p for p in self._parse_missed_messages(messages, channel, outage) if p.ts < post.ts
            ]
            for missed in earlier:
                if self._needs_answer(missed, messages if outage.is_redis_loss else None):
                    self.questions.handle_message(missed)
        except CALL_ERRORS as error:
            if source is not Source.LAST_TRY:
                raise
            log.warning("earlier questions not read", why=type(error).__name__)

    def fill_outage(self, outage: Outage) -> None:
        """
        Handle all questions of an outage, but for a few channels that Slack can't read.

        Raises `RedisError`, `CALL_ERRORS`, and `ShutdownError` if the bot stops.
        """
        self.outage = outage
        if outage.is_redis_loss:
            # A channel's rules decide which messages without a mention were questions.
            self.questions.admission.rules.warm_cache()
        calls_before = self.reader.num_calls
        followed = self._list_followed_threads()
        channels = {channel.id: channel for channel in self._list_channels()}
        found = [channels.get(name) or Channel.from_id(name) for name in {*channels, *followed}]
        num_questions = self._fill_channels(found, followed, outage)
        if failed := self._history.list_failed_channels():
            self._history.confirm_history(outage)
            self.postponed += [(channel, outage) for channel in failed]
            self._retry_seconds = FIRST_RETRY_SECONDS
            self._retry_at = time.monotonic() + self._retry_seconds
        self.outage = None
        log.info(
            "backfill finished",
            channels=len(channels),
            calls=self.reader.num_calls - calls_before,
            questions=num_questions,
        )

    def retry_postponed(self, now: float) -> None:
        """
        Handle the questions of postponed channels, if it is time; `now` is Slack's.

        Raises as `fill_outage` does.
        """
        if not self.postponed or time.monotonic() < self._retry_at:
            return
        for channel, outage in tuple(self.postponed):
            left = outage.without_expired(now)
            if left is None:
                log.warning("postponed channel given up", channel=channel.id)
            else:
                followed = self._list_followed_threads()
                num_questions = self._fill_channels([channel], followed, left)
                if self._history.list_failed_channels():
                    continue
                log.info("postponed channel filled", channel=channel.id, questions=num_questions)
            self.postponed.remove((channel, outage))
        self._retry_seconds = min(2 * self._retry_seconds, MAX_RETRY_SECONDS)
        self._retry_at = time.monotonic() + self._retry_seconds

    def recheck_open_jobs(self) -> None:
        """Check the questions of open jobs for edits and deletions that the bot missed."""
        for job in self.queue.list_open_jobs(self.identity.team):
            self.reader.retry_delivery(partial(self.edits.recheck_job, job))

    def _list_followed_threads(self) -> Mapping[str, Iterable[str]]:
        return self.thread_modes.list_recent_threads(self.identity.team, MAX_FOLLOWED_THREADS)

    def _fill_channels(
        self,
        channels: Iterable[Channel],
        followed: Mapping[str, Iterable[str]],
        outage: Outage,
    ) -> int:
        """Handle the missed questions of channels; return their number."""
        self._history.start_outage()
        num_questions = 0
        threads: list[tuple[float, Channel, str]] = []
        for channel in channels:
            handled, active = self._scan_channel(channel, followed.get(channel.id, ()), outage)
            num_questions += handled
            threads += active
        # Each thread costs a call: the most recently active ones are most likely to have questions.
        for _, channel, ts in sorted(threads, key=itemgetter(0), reverse=True):
            replies = self._history.read_thread(channel, ts, outage)
            num_questions += self._handle_missed_messages(replies, replies, channel, outage)
        return num_questions

    def _scan_channel(
        self, channel: Channel, followed: Iterable[str], outage: Outage
    ) -> tuple[int, list[tuple[float, Channel, str]]]:
        """Handle a channel's missed root messages; return their number, and threads to read."""
        oldest = f"{outage.roots_since:.6f}"
        roots = self._history.read_roots(channel, oldest)
        if roots is None:
            return 0, []
        threads = {
            str(raw["ts"]): latest_reply_at(raw) for raw in roots if has_new_replies(raw, outage)
        }
        single = roots
        if outage.is_redis_loss:
            # Only a thread shows whether its messages have answers. A reply that was sent to the
            # channel too is in both.
            sent = {ts: float(raw["ts"]) for raw in roots if (ts := find_root(raw))}
            threads = {ts: at for ts, at in sent.items() if at >= outage.since} | threads
            single = [raw for raw in roots if not find_root(raw) and raw["ts"] not in threads]
        num_questions = self._handle_missed_messages(single, (), channel, outage)
        threads = {ts: outage.since for ts in followed if ts < oldest} | threads
        return num_questions, [(at, channel, ts) for ts, at in threads.items()]

    def _list_channels(self) -> Iterator[Channel]:
        for conversation_type, channel_type in CHANNEL_TYPES.items():
            pages = self.reader.read_pages(
                self.web_client.users_conversations,
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

    def _read_replies(self, channel: str, ts: str, outage: Outage) -> list[Json]:
        """Return one page of a thread, without pacing: an event waits for it."""
        answer = self.web_client.conversations_replies(
            channel=channel, ts=ts, limit=ITEMS_PER_PAGE, **build_arguments(outage)
        )
        return list(answer.get("messages") or ())

    def _parse_missed_messages(
        self, messages: Iterable[Json], channel: Channel, outage: Outage
    ) -> list[MessagePosted]:
        """Return the missed questions among messages, oldest first."""
        parsed = (parse_missed_question(raw, channel, outage, self.identity) for raw in messages)
        found = {post.ts: post for post in parsed if post is not None}
        return sorted(found.values(), key=attrgetter("ts"))

    def _handle_missed_messages(
        self, messages: Iterable[Json], thread: Iterable[Json], channel: Channel, outage: Outage
    ) -> int:
        """Handle the missed questions among messages; return how many had no answer."""
        # Redis knows which questions have answers; after data loss, the thread shows it.
        evidence = thread if outage.is_redis_loss else None
        num_questions = 0
        for post in self._parse_missed_messages(messages, channel, outage):
            if self._needs_answer(post, evidence):
                self.questions.handle_message(post)
                num_questions += 1
        return num_questions

    def _needs_answer(self, post: MessagePosted, thread: Iterable[Json] | None) -> bool:
        """Return whether a question was not handled; `thread` is its thread after data loss."""
        address = post.thread
        if self.queue.is_duplicate(address.team, address.channel, post.ts):
            return False
        return thread is None or not self.reconciler.has_answer(post, thread)
