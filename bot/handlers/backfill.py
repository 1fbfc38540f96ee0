"""
Backfill: finds the questions of an outage in Slack's history, and handles each once.

A found question is handled as if Slack had just delivered it. Idempotency keys tell which questions
were handled before. All of this runs beside the events that arrive now.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from operator import attrgetter, itemgetter
from typing import Any, Final

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.handlers.edits import EditHandler
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
from bot.slack.paging import ITEMS_PER_PAGE, PacedReader
from bot.store.client import NotCachedError
from bot.store.job_queue import JobQueue
from bot.store.thread_modes import ThreadModes
from contract.slack_errors import UNREADABLE_ERRORS

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
    outage: Outage | None = None
    """Outage whose questions are not yet handled."""

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
        Handle all questions of an outage.

        Raises `RedisError`, `CALL_ERRORS`, and `ShutdownError` if the bot stops.
        """
        self.outage = outage
        if outage.is_redis_loss:
            # A channel's rules decide which messages without a mention were questions.
            self.questions.admission.rules.warm_cache()
        calls_before = self.reader.num_calls
        followed = self.thread_modes.list_recent_threads(self.identity.team, MAX_FOLLOWED_THREADS)
        channels = {channel.id: channel for channel in self._list_channels()}
        num_questions = 0
        threads: list[tuple[float, Channel, str]] = []
        for channel_id in {*channels, *followed}:
            channel = channels.get(channel_id) or Channel.from_id(channel_id)
            handled, active = self._scan_channel(channel, followed.get(channel_id, ()), outage)
            num_questions += handled
            threads += active
        # Each thread costs a call: the most recently active ones are most likely to have questions.
        for _, channel, ts in sorted(threads, key=itemgetter(0), reverse=True):
            replies = self._read_messages(
                self.web_client.conversations_replies,
                channel,
                ts=ts,
                **_history_arguments(outage),
            )
            num_questions += self._handle_missed_messages(
                replies or (), replies or (), channel, outage
            )
        self.outage = None
        log.info(
            "backfill finished",
            channels=len(channels),
            calls=self.reader.num_calls - calls_before,
            questions=num_questions,
        )

    def recheck_open_jobs(self) -> None:
        """Check the questions of open jobs for edits and deletions that the bot missed."""
        for job in self.queue.list_open_jobs(self.identity.team):
            self.reader.retry_delivery(partial(self.edits.recheck_job, job))

    def _scan_channel(
        self, channel: Channel, followed: Iterable[str], outage: Outage
    ) -> tuple[int, list[tuple[float, Channel, str]]]:
        """Handle a channel's missed root messages; return their number, and threads to read."""
        oldest = f"{outage.roots_since:.6f}"
        roots = self._read_messages(self.web_client.conversations_history, channel, oldest=oldest)
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

    def _read_messages(
        self, method: Callable[..., Any], channel: Channel, **arguments: Any
    ) -> list[dict[str, Any]] | None:
        """Return the messages of a channel or thread; `None` if the bot may not read it."""
        try:
            return list(self.reader.read_pages(method, "messages", channel=channel.id, **arguments))
        except SlackApiError as error:
            if error_name(error) not in UNREADABLE_ERRORS:
                raise
            log.info("channel not readable", channel=channel.id, why=error_name(error))
            return None

    def _read_replies(self, channel: str, ts: str, outage: Outage) -> list[Json]:
        """Return one page of a thread, without pacing: an event waits for it."""
        answer = self.web_client.conversations_replies(
            channel=channel, ts=ts, limit=ITEMS_PER_PAGE, **_history_arguments(outage)
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


def _history_arguments(outage: Outage) -> dict[str, Any]:
    return {"oldest": f"{outage.since:.6f}", "include_all_metadata": True}
