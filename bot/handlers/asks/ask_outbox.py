"""
Ask outbox: posts each question that a person asked by a form exactly once, as the bot.

The posted message then is the question: it goes the way of every message into the inbox. The
request is removed from Redis after that. If a bot dies before, any bot continues: it searches the
thread for the message before it posts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import structlog
from redis import Redis
from redis.commands.core import Script

from bot.failpoints import Failpoint
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.personal_notices import retry_delay
from bot.handlers.questions import QuestionHandler
from bot.messages.asks import texts
from bot.messages.asks.ask_request import AskRequest
from bot.messages.asks.asked_message import build_text
from bot.messages.event_parser import parse_event
from bot.messages.events import MessagePosted
from bot.messages.message import BotIdentity
from bot.messages.mrkdwn import escape_text
from bot.notices import Notice, Sentence
from bot.slack.client import CALL_ERRORS, error_name, is_refusal
from bot.slack.users import UserDirectory
from bot.store.client import decode_reply, read_clock, retry_redis
from bot.store.job_queue import REFUSED_OUTCOMES
from bot.store.received import ReceivedMessage
from bot.store.scripts import load_script
from contract import keys
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

    def refuse_quota(self, request: AskRequest) -> str | None:
        """Return the sentence about a person whose next question would exceed a limit."""
        block = request.asked_message.build_block("", {})
        post = self._parse_post(request, self._build_raw(request, UNPOSTED_TS, "", block))
        receipt = self.questions.inbox.check_limits(ReceivedMessage(post=post))
        if receipt.outcome not in REFUSED_OUTCOMES:
            return None
        return self.questions.commands.describe_refusal(receipt).render()

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
                request.thread.ts,
                request.model_dump_json(),
                self.lease_seconds,
            ],
        )
        self.notices.failpoints.hit(Failpoint.AFTER_ASK_RECORD)
        log.info("ask recorded", channel=request.thread.channel, length=len(request.question))
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
            raw = self._find_or_post(request, is_retry=decode_reply(tries) != "0")
            self._ask(request, raw)
        except CALL_ERRORS as error:
            self._handle_error(request, error)
            return
        retry_redis(partial(self._remove, request_id))

    def _find_or_post(self, request: AskRequest, *, is_retry: bool) -> Json:
        found = (
            self.notices.thread_cache.find_asked(request.thread, request.id) if is_retry else None
        )
        return found or self._post(request)

    def _post(self, request: AskRequest) -> Json:
        team, thread = request.thread.team, request.thread
        user = self.users.lookup_author(team, request.user)
        link = ""
        if request.about != thread.ts:
            link = self.notices.poster.find_permalink(thread.channel, request.about)
        label = build_text(texts.INTRO_LABEL.translate(user.language), link=link)
        values = {"name": build_text(user.name, is_bold=True), "message": label}
        intro = texts.INTRO.translate(user.language)
        block = request.asked_message.build_block(intro, values)
        text = escape_text(f"{user.name}: {request.question}")
        ts = self.notices.poster.post_blocks(thread, text, [block])
        self.notices.failpoints.hit(Failpoint.AFTER_ASK_POST)
        return self._build_raw(request, ts, text, block)

    def _build_raw(self, request: AskRequest, ts: str, text: str, block: Json) -> Json:
        """Return the message as Slack's pages have it."""
        return {
            "type": "message",
            "user": self.identity.user_id,
            "bot_id": self.identity.bot_id,
            "text": text,
            "blocks": [block],
            "ts": ts,
            "thread_ts": request.thread.ts,
        }

    def _parse_post(self, request: AskRequest, raw: Json) -> MessagePosted:
        event = {**raw, "channel": request.thread.channel}
        post = parse_event({"team_id": request.thread.team, "event": event}, self.identity)
        if not isinstance(post, MessagePosted):
            raise TypeError("a posted question is a message")
        return post

    def _ask(self, request: AskRequest, raw: Json) -> None:
        """Handle the posted message as a question; delete it if it becomes none."""
        thread, ts = request.thread, str(raw["ts"])
        self.questions.handle_message(self._parse_post(request, raw), attempt=1)
        if not self.questions.queue.has_job(thread.team, thread.channel, ts):
            self.notices.poster.delete_message(thread.channel, ts)

    def _handle_error(self, request: AskRequest, error: Exception) -> None:
        channel, seconds = request.thread.channel, retry_delay(error)
        log.warning("ask not posted", channel=channel, why=error_name(error))
        if seconds is not None:
            due = read_clock(self.redis) + seconds
            self.redis.zadd(keys.ask_schedule(self.identity.team), {request.id: due}, xx=True)
        elif is_refusal(error) or error_name(error) in UNREADABLE_ERRORS:
            notice = Notice(Sentence.ASK_NOT_POSTED)
            self.notices.tell_user(request.thread, request.user, notice)
            self._remove(request.id)

    def _remove(self, request_id: str) -> None:
        team = self.identity.team
        with self.redis.pipeline() as pipe:
            pipe.delete(keys.pending_ask(team, request_id))
            pipe.zrem(keys.ask_schedule(team), request_id)
            pipe.execute()
