"""
Ask outbox: posts each question of a form or a command exactly once, as the bot.

The posted message then is the question: it goes the way of every message into the inbox. The
request is removed from Redis after that. If a bot dies before, any bot continues: it searches the
thread or channel for the message before it posts.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import structlog
from redis import Redis
from redis.commands.core import Script

from bot.failpoints import Failpoint
from bot.handlers.asks.asked_blocks import build_blocks
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.personal_notices import retry_delay
from bot.handlers.questions import QuestionHandler
from bot.messages.asks import texts
from bot.messages.asks.ask_request import AskKind, AskRequest
from bot.messages.content.json_fields import list_mappings
from bot.messages.event_parser import parse_event
from bot.messages.events import MessagePosted
from bot.messages.message import BotIdentity
from bot.messages.mrkdwn import escape_text
from bot.slack.client import CALL_ERRORS, error_name, is_refusal
from bot.slack.users import UserDirectory
from bot.store.acceptance import REFUSED_OUTCOMES
from bot.store.client import decode_reply, read_clock, retry_redis
from bot.store.received import ReceivedMessage
from bot.store.scripts import load_script
from bot.texts import context_blocks
from contract import keys
from contract.language import Translatable
from contract.slack_errors import UNREADABLE_ERRORS

log = structlog.get_logger()

ASK_LEASE_SECONDS: Final = 20.0
"""Lease after which any bot may take a request over: longer than its calls."""
MAX_DUE_ASKS: Final = 100
UNPOSTED_TS: Final = "0.0"
"""Timestamp of a question that is not posted yet."""

Json = Mapping[str, Any]


@dataclass(slots=True)
class AskOutbox:
    """Outbox of one team. Methods raise `redis.exceptions.RedisError`."""

    redis: Redis
    identity: BotIdentity
    questions: QuestionHandler
    users: UserDirectory
    notices: NoticeOutbox
    lease_seconds: float = ASK_LEASE_SECONDS
    _record_script: Script = field(init=False)
    _lease_script: Script = field(init=False)

    def __post_init__(self) -> None:
        self._record_script = self.redis.register_script(load_script("record_ask"))
        self._lease_script = self.redis.register_script(load_script("lease_notice"))

    def is_recorded(self, request_id: str) -> bool:
        """Return whether a request was recorded before."""
        return bool(self.redis.exists(keys.ask_marker(self.identity.team, request_id)))

    def refuse_limits(self, request: AskRequest) -> Translatable | None:
        """Return the sentence about a person whose next question would exceed a limit."""
        block = request.asked_message.build_block("", {})
        post = self._parse_post(request, self._build_raw(request, UNPOSTED_TS, "", [block]))
        receipt = self.questions.inbox.check_limits(ReceivedMessage(post=post))
        if receipt.outcome not in REFUSED_OUTCOMES:
            return None
        return self.questions.commands.describe_refusal(receipt).describe()

    def record_ask(self, request: AskRequest) -> None:
        """Record a request, once, and have its question posted."""
        team = self.identity.team
        is_new = self._record_script(
            keys=[
                keys.ask_marker(team, request.id),
                keys.pending_ask(team, request.id),
                keys.ask_schedule(team),
            ],
            args=[
                keys.TEXT_TTL_SECONDS,
                request.id,
                request.thread_ts or UNPOSTED_TS,
                request.model_dump_json(),
                self.lease_seconds,
            ],
        )
        self.notices.failpoints.hit(Failpoint.AFTER_ASK_RECORD)
        log.info(
            "ask recorded", channel=request.channel, kind=request.kind, length=len(request.question)
        )
        if is_new:
            self.notices.background.submit("ask", self._deliver, request.id, first=True)

    def post_due(self) -> None:
        """Continue with the requests that other bots have left."""
        now = read_clock(self.redis)
        schedule = keys.ask_schedule(self.identity.team)
        due: Any = self.redis.zrangebyscore(schedule, "-inf", now, 0, MAX_DUE_ASKS)
        for request_id in map(decode_reply, due):
            self._deliver(request_id, first=False)

    def _deliver(self, request_id: str, *, first: bool) -> None:
        team = self.identity.team
        leased = self._lease_script(
            keys=[keys.pending_ask(team, request_id), keys.ask_schedule(team)],
            args=[request_id, self.lease_seconds, int(first)],
        )
        if leased is None:
            return
        tries, _, encoded = leased
        request = AskRequest.from_json(encoded)
        if request is None:
            log.error("ask not readable")
            self._remove(request_id)
            return
        try:
            is_retry = decode_reply(tries) != "0"
            raw = self._find_or_post(request, is_retry=is_retry)
            self._ask(request, raw, is_retry=is_retry)
        except CALL_ERRORS as error:
            self._handle_error(request, error)
            return
        retry_redis(partial(self._remove, request_id))

    def _find_or_post(self, request: AskRequest, *, is_retry: bool) -> Json:
        cache, found = self.notices.thread_cache, None
        if is_retry and request.thread_ts:
            found = cache.find_asked(request.find_thread(""), request.id)
        elif is_retry:
            found = cache.find_asked_root(request.channel, request.id, request.since)
        return found or self._post(request)

    def _post(self, request: AskRequest) -> Json:
        user = self.users.lookup_author(request.team, request.user)
        link = ""
        if request.about != request.thread_ts:
            link = self.notices.poster.find_permalink(request.channel, request.about)
        language = self.notices.languages.find_for_thread(request.channel, request.user)
        blocks = build_blocks(request, user.name, link, language)
        text = escape_text(f"{user.name}: {request.question}")
        ts = self.notices.poster.post_blocks(
            request.channel, text, blocks, thread_ts=request.thread_ts or None
        )
        self.notices.failpoints.hit(Failpoint.AFTER_ASK_POST)
        return self._build_raw(request, ts, text, blocks)

    def _build_raw(self, request: AskRequest, ts: str, text: str, blocks: Sequence[Json]) -> Json:
        """Return the message as Slack's pages have it."""
        raw = {
            "type": "message",
            "user": self.identity.user_id,
            "bot_id": self.identity.bot_id,
            "text": text,
            "blocks": blocks,
            "ts": ts,
        }
        return raw | ({"thread_ts": request.thread_ts} if request.thread_ts else {})

    def _parse_post(self, request: AskRequest, raw: Json) -> MessagePosted:
        event = {**raw, "channel": request.channel}
        post = parse_event({"team_id": request.team, "event": event}, self.identity)
        if not isinstance(post, MessagePosted):
            raise TypeError("a posted question is a message")
        return post

    def _ask(self, request: AskRequest, raw: Json, *, is_retry: bool) -> None:
        """Handle the posted message as a question; delete it if it becomes none."""
        ts = str(raw["ts"])
        self.questions.handle_message(
            self._parse_post(request, raw), is_first_delivery=not is_retry
        )
        if not self.questions.queue.has_job(request.team, request.channel, ts):
            self.notices.poster.delete_message(request.channel, ts)
            retry_redis(partial(self.redis.delete, keys.ask_marker(request.team, request.id)))
        elif request.kind is AskKind.SHARED:
            self._show_shared(request)

    def _show_shared(self, request: AskRequest) -> None:
        """Replace the button of a shared answer by where it was shared."""
        source = request.asked_message.find_shared(request.team)
        if source is None:
            return
        raw = self.notices.thread_cache.read_message(source.channel, source.ts, source.ts)
        blocks = list_mappings(raw, "blocks")
        if any(block.get("type") == "actions" for block in blocks):
            language = self.users.lookup_language(request.team, request.user)
            text = texts.SHARED_IN.translate(language).format(channel=f"<#{request.channel}>")
            kept = [dict(block) for block in blocks if block.get("type") != "actions"]
            self.notices.poster.replace_blocks(source.channel, raw, [*kept, *context_blocks(text)])

    def _handle_error(self, request: AskRequest, error: Exception) -> None:
        seconds = retry_delay(error)
        log.warning("ask not posted", channel=request.channel, why=error_name(error))
        if seconds is not None:
            due = read_clock(self.redis) + seconds
            self.redis.zadd(keys.ask_schedule(self.identity.team), {request.id: due}, xx=True)
        elif is_refusal(error) or error_name(error) in UNREADABLE_ERRORS:
            self._tell(request)
            self._remove(request.id)
            # The person may try again: nothing was posted. The direct message may be another now.
            self.redis.delete(
                keys.ask_marker(request.team, request.id),
                keys.direct_message(request.team, request.user),
            )

    def _tell(self, request: AskRequest) -> None:
        """Tell a person that a question was not posted: where it was asked, or directly."""
        poster = self.notices.poster
        text = texts.ASK_NOT_POSTED.translate(self.notices.languages.find_personal(request.user))
        source = request.asked_message.find_shared(request.team)
        channel = request.origin or request.channel if source is None else source.channel
        thread_ts = request.thread_ts or None if source is None else source.ts
        try:
            poster.post_ephemeral(channel, request.user, text, thread_ts=thread_ts, retry=False)
        except CALL_ERRORS as error:
            log.warning("asker not told there", channel=channel, why=error_name(error))
            with contextlib.suppress(*CALL_ERRORS):
                poster.post_in_channel(poster.open_direct_message(request.user), text)

    def _remove(self, request_id: str) -> None:
        team = self.identity.team
        with self.redis.pipeline() as pipe:
            pipe.delete(keys.pending_ask(team, request_id))
            pipe.zrem(keys.ask_schedule(team), request_id)
            pipe.execute()
