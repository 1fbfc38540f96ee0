"""
Transactional outbox: posts each notice, the bot's answer to a message, exactly once.

A notice that concerns one person alone goes to `PersonalNotices` instead.

The script that marks a message as handled also records its notice in Redis. The record is removed
after Slack has accepted or rejected the post. If a bot dies in between, or Slack's response is
ambiguous, any bot takes the notice over. It searches the thread for the notice before it posts.
"""

import re
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import structlog
from redis import Redis
from redis.commands.core import Script
from redis.exceptions import RedisError, ResponseError

from bot.concurrency import BackgroundTasks
from bot.failpoints import Failpoint, Failpoints
from bot.handlers.personal_notices import (
    DescribeRules,
    PersonalNotices,
    offer_rules,
    retry_delay,
)
from bot.handlers.rules.reader_languages import ReaderLanguages
from bot.handlers.sweeper import Sweeper
from bot.messages.events import MessagePosted
from bot.messages.message import AuthorKind, Message
from bot.notices import (
    PUBLIC_SENTENCES,
    READER_SENTENCES,
    THREAD_SENTENCES,
    Notice,
    Sentence,
)
from bot.rules.texts import Words
from bot.slack.client import CALL_ERRORS, error_name, is_refusal
from bot.slack.poster import Poster
from bot.store.client import decode_reply, read_clock, retry_redis
from bot.store.scripts import load_script
from bot.store.thread_cache import ThreadCache
from contract import keys
from contract.job import SLACK_ID_PATTERN, TIMESTAMP_PATTERN, Thread
from contract.slack_errors import UNREADABLE_ERRORS

log = structlog.get_logger()

NOTICE_LEASE_SECONDS: Final = 20.0
"""Lease after which any bot may take over a notice."""
NOTICE_REPEATED: Final = 2
"""Result of `record_notice.lua` for a notice that was posted a moment ago."""
MASKING_SUFFIX: Final = ":masked"
"""End of the name of a notice about masking: the message may have another notice too."""
RESEARCH_SUFFIX: Final = ":research"
"""The same for the notice of research."""


@dataclass(frozen=True, slots=True)
class _LeasedNotice:
    thread: Thread
    question_ts: str
    content: Notice
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
    languages: ReaderLanguages
    background: BackgroundTasks
    failpoints: Failpoints = field(default_factory=Failpoints)
    describe_rules: DescribeRules = offer_rules
    lease_seconds: float = NOTICE_LEASE_SECONDS
    personal: PersonalNotices = field(init=False)
    _due_key: str = field(init=False)
    _record_script: Script = field(init=False)
    _lease_script: Script = field(init=False)

    def __post_init__(self) -> None:
        self.personal = PersonalNotices(
            self.redis, self.team, self.poster, self.languages, self.describe_rules
        )
        self._due_key = keys.notice_schedule(self.team)
        self._record_script = self.redis.register_script(load_script("record_notice"))
        self._lease_script = self.redis.register_script(load_script("lease_notice"))

    def build_sweeper(self) -> Sweeper:
        """Build the thread that posts abandoned notices."""
        return Sweeper("notices", (self.post_due_notices,), (RedisError, *CALL_ERRORS))

    def post_notice(self, post: MessagePosted, notice: Notice) -> None:
        """
        Answer a message by a notice, once for all its deliveries. Raises `RedisError`.

        What concerns one person is shown to that person alone, and so is a repeated help text.
        """
        # Another bot sees no ephemeral message.
        if notice.sentence in PUBLIC_SENTENCES or post.bot_ids:
            self._post_in_thread(post, notice)
        else:
            self._tell_author(post, notice)

    def _tell_author(self, post: MessagePosted, notice: Notice) -> None:
        is_due = self.personal.record_for_message(post, notice)
        self.failpoints.hit(Failpoint.AFTER_NOTICE_RECORD)
        if is_due:
            self._submit_personal(post.thread.channel, post.author)

    def tell_user(self, thread: Thread, user: str, notice: Notice) -> None:
        """Tell a user something about a thread, at most once a minute. Raises `RedisError`."""
        if self.personal.record_for_user(thread, user, notice):
            self._submit_personal(thread.channel, user)

    def _submit_personal(self, channel: str, user: str) -> None:
        self.background.submit("personal notice", self._deliver_personal, channel, user)

    def _deliver_personal(self, channel: str, user: str) -> None:
        self.personal.deliver(channel, user)
        self.failpoints.hit(Failpoint.AFTER_NOTICE_POST)

    def announce_masking(self, thread: Thread, message: Message, *, is_asked: bool = False) -> None:
        """
        Tell a question's author, once for each message, that its secrets were masked.

        `is_asked` is whether the bot posted the message, masked. Raises `RedisError`.
        """
        if not message.masked or message.kind is not AuthorKind.PERSON:
            return
        sentence = Sentence.ASKED_MASKED if is_asked else Sentence.MASKED
        notice = Notice(sentence, reader=message.author, masked=message.masked)
        marker = keys.notice_quiet(thread.team, thread.channel, message.ts, Sentence.MASKED)
        self.tell_beside(thread, message.ts + MASKING_SUFFIX, marker, notice)

    def tell_beside(self, thread: Thread, name: str, marker: str, notice: Notice) -> None:
        """Tell a notice's reader something beside a reply, once in a day for each marker."""
        name = f"{thread.channel}:{name}"
        quiet = (marker, keys.IDEMPOTENCY_TTL_SECONDS)
        if self._record(thread, name, marker, quiet, notice):
            self.background.submit("notice", self._deliver_notice, name, first=True)

    def _post_in_thread(self, post: MessagePosted, notice: Notice) -> None:
        thread = post.thread
        concerns_thread = notice.sentence in THREAD_SENTENCES
        subject = thread.ts if concerns_thread else post.author
        quiet_key = keys.notice_quiet(thread.team, thread.channel, subject, notice.sentence)
        name = f"{thread.channel}:{post.ts}"
        outcome = self._record(
            thread,
            name,
            keys.idempotency_key(thread.team, thread.channel, post.ts),
            (quiet_key, keys.NOTICE_QUIET_SECONDS),
            replace(notice, reader=post.author),
            has_other_way=not (concerns_thread or post.bot_ids),
        )
        if outcome == NOTICE_REPEATED:
            self._tell_author(post, notice)
        elif outcome:
            self.background.submit("notice", self._deliver_notice, name, first=True)

    def _record(
        self,
        thread: Thread,
        name: str,
        marker: str,
        quiet: tuple[str, float],
        notice: Notice,
        *,
        has_other_way: bool = False,
    ) -> int:
        """Record a notice under its name; `quiet` is a marker and its seconds."""
        outcome = self._record_script(
            keys=[
                marker,
                self._find_key(name),
                self._due_key,
                quiet[0],
            ],
            args=[
                keys.IDEMPOTENCY_TTL_SECONDS,
                name,
                keys.NOTICE_TTL_SECONDS,
                thread.ts,
                notice.to_json(),
                self.lease_seconds,
                quiet[1],
                int(has_other_way),
            ],
        )
        self.failpoints.hit(Failpoint.AFTER_NOTICE_RECORD)
        return int(outcome)

    def _find_key(self, name: str) -> str:
        channel, _, message = name.partition(":")
        return keys.pending_notice(self.team, channel, message)

    def post_due_notices(self) -> None:
        """Post abandoned notices. Raises `RedisError` and `bot.slack.client.CALL_ERRORS`."""
        due: Any = self.redis.zrangebyscore(self._due_key, "-inf", read_clock(self.redis))
        for raw in due:
            try:
                self._post_due_notice(decode_reply(raw))
            except (ValueError, ResponseError) as error:
                # One malformed member or key must not keep the others from being posted.
                log.error("notice not readable", why=type(error).__name__)  # noqa: TRY400
                self.redis.zrem(self._due_key, raw)

    def _post_due_notice(self, name: str) -> None:
        channel, _, rest = name.partition(":")
        message = rest.removesuffix(MASKING_SUFFIX).removesuffix(RESEARCH_SUFFIX)
        if not re.fullmatch(SLACK_ID_PATTERN, channel):
            raise ValueError("not a channel")
        if re.fullmatch(SLACK_ID_PATTERN, rest):
            self._deliver_personal(channel, rest)
        elif re.fullmatch(TIMESTAMP_PATTERN, message):
            self._deliver_notice(name, first=False)
        else:
            raise ValueError("neither a user nor a message")

    def _deliver_notice(self, name: str, *, first: bool) -> None:
        notice = self._lease_notice(name, first=first)
        if notice is None:
            return
        try:
            if notice.content.sentence in READER_SENTENCES:
                self._show_to_reader(notice)
            elif not (notice.is_retry and self._is_in_thread(notice)):
                self._post_to_thread(notice)
        except CALL_ERRORS as error:
            seconds_to_wait = retry_delay(error)
            if seconds_to_wait is not None:
                due = read_clock(self.redis) + seconds_to_wait
                self.redis.zadd(self._due_key, {name: due}, xx=True)
            log.warning("notice not posted", channel=notice.thread.channel, why=error_name(error))
            if seconds_to_wait is not None or not (
                is_refusal(error) or error_name(error) in UNREADABLE_ERRORS
            ):
                return
        retry_redis(partial(self._remove_notice, name))

    def _lease_notice(self, name: str, *, first: bool) -> _LeasedNotice | None:
        channel, question, *_ = name.split(":")
        found = self._lease_script(
            keys=[self._find_key(name), self._due_key], args=[name, self.lease_seconds, int(first)]
        )
        if found is None:
            return None
        try:
            tries, thread, recorded = (decode_reply(part) for part in found)
            address = Thread(team=self.team, channel=channel, ts=thread)
            content = Notice.from_json(recorded)
            return _LeasedNotice(address, question, content, is_retry=int(tries) > 0)
        except ValueError:
            log.error("notice not readable", channel=channel)  # noqa: TRY400 - it may hold text
            self._remove_notice(name)
            return None

    def _is_in_thread(self, notice: _LeasedNotice) -> bool:
        return bool(self.thread_cache.find_own_messages(notice.thread, notice.question_ts))

    def _show_to_reader(self, notice: _LeasedNotice) -> None:
        thread = notice.thread
        is_reply = notice.question_ts != thread.ts or thread.channel.startswith("D")
        self.personal.send_words(
            thread.channel,
            notice.content.reader,
            thread if is_reply else None,
            Words(notice.content.describe()),
        )
        self.failpoints.hit(Failpoint.AFTER_NOTICE_POST)

    def _post_to_thread(self, notice: _LeasedNotice) -> None:
        payload = {"part": 1, "question": notice.question_ts, "state": "notice"}
        language = self.languages.find_for_thread(notice.thread.channel, notice.content.reader)
        self.poster.post_in_thread(
            notice.thread,
            notice.content.describe().translate(language),
            metadata={"event_type": keys.METADATA_EVENT_TYPE, "event_payload": payload},
            retry=False,
        )
        self.failpoints.hit(Failpoint.AFTER_NOTICE_POST)

    def _remove_notice(self, name: str) -> None:
        with self.redis.pipeline() as pipe:
            pipe.delete(self._find_key(name))
            pipe.zrem(self._due_key, name)
            pipe.execute()
