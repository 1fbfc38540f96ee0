"""
Says the bot's own sentences in answer to a message: each once, whatever dies in between.

A sentence is noted in Redis by the same script that marks its message as dealt with, and struck out
once Slack has it or refuses it. What stands there for longer was left by a bot that died, or Slack
gave no clear answer: before it is said again, the thread is looked through for it.
"""

import threading
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import structlog
from redis import Redis
from redis.commands.core import Script
from redis.exceptions import RedisError

from bot.background import Background
from bot.failpoints import Faults, Point
from bot.messages.events import Posted
from bot.slack.client import reason
from bot.slack.errors import SLACK_AWAY, refused
from bot.slack.poster import Posting, put_off
from bot.store.client import patiently, text
from bot.store.thread_cache import SHUT, Threads
from contract import keys
from contract.job import Thread

log = structlog.get_logger()

LEASE: Final = 20.0
"""Seconds after which a sentence whose bot says nothing of it is taken up by any bot."""
SWEEP: Final = 5.0
"""Seconds between two looks for such sentences."""

NOTE: Final = """
if not redis.call('SET', KEYS[1], 'notice', 'NX', 'EX', ARGV[1]) then return 0 end
redis.call('HSET', KEYS[2], 'thread', ARGV[4], 'text', ARGV[5], 'tries', 0)
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('ZADD', KEYS[3], redis.call('TIME')[1] + ARGV[6], ARGV[2])
redis.call('EXPIRE', KEYS[3], ARGV[3])
return 1
"""
"""Mark a message as dealt with and note what is to be said to it, unless it was marked before."""

TAKE: Final = """
local tries, thread, said = unpack(redis.call('HMGET', KEYS[1], 'tries', 'thread', 'text'))
local due, now = redis.call('ZSCORE', KEYS[2], ARGV[1]), redis.call('TIME')[1]
if not (thread and due) then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return nil
end
if tonumber(due) > tonumber(now) and not (ARGV[3] == '1' and tries == '0') then return nil end
redis.call('HINCRBY', KEYS[1], 'tries', 1)
redis.call('ZADD', KEYS[2], now + ARGV[2], ARGV[1])
return {tries, thread, said}
"""
"""Take a sentence that nobody else may be saying now; who noted it may do so at once."""


@dataclass(frozen=True, slots=True)
class _Notice:
    thread: Thread
    question: str
    text: str
    tried: bool


@dataclass(slots=True)
class Notices:
    """
    Sentences of one team. `say` raises `redis.exceptions.RedisError`: then nothing is noted.

    `lease` is how long (s) a bot may take to say one, before another one may.
    """

    redis: Redis
    team: str
    posting: Posting
    threads: Threads
    background: Background
    faults: Faults = field(default_factory=Faults)
    lease: float = LEASE
    _due: str = field(init=False)
    _note: Script = field(init=False)
    _take: Script = field(init=False)
    _ended: threading.Event = field(init=False, default_factory=threading.Event)
    _sweeper: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._due = keys.notice_schedule(self.team)
        self._note = self.redis.register_script(NOTE)
        self._take = self.redis.register_script(TAKE)
        self._sweeper = threading.Thread(target=self._run, name="notices", daemon=True)

    def start(self) -> None:
        """Begin to look for sentences that were left behind."""
        self._sweeper.start()

    def close(self) -> None:
        """End; what is not said yet is said by the next bot."""
        self._ended.set()
        if self._sweeper.is_alive():
            self._sweeper.join(SWEEP)

    def say(self, post: Posted, said: str) -> None:
        """Say something in the thread of a message, once for all its deliveries."""
        thread = post.thread
        name = f"{thread.channel}:{post.ts}"
        noted = self._note(
            keys=[
                keys.idempotency_key(thread.team, thread.channel, post.ts),
                keys.pending_notice(thread.team, thread.channel, post.ts),
                self._due,
            ],
            args=[
                keys.IDEMPOTENCY_TTL_SECONDS,
                name,
                keys.NOTICE_TTL_SECONDS,
                thread.ts,
                said,
                self.lease,
            ],
        )
        self.faults.hit(Point.AFTER_NOTE)
        if noted:
            self.background.do("notice", self._say, name, first=True)

    def sweep(self) -> None:
        """Say what was left behind. Raises `RedisError`, and `bot.slack.errors.SLACK_AWAY`."""
        seconds, _ = self.redis.time()
        due: Any = self.redis.zrangebyscore(self._due, "-inf", seconds)
        for name in due:
            self._say(text(name), first=False)

    def _run(self) -> None:
        while not self._ended.wait(SWEEP):
            try:
                self.sweep()
            except (RedisError, *SLACK_AWAY) as error:
                log.warning("notices put off", why=type(error).__name__)
            except Exception:
                # One of this process's nets: later sentences must be found too.
                log.exception("notices failed")

    def _say(self, name: str, *, first: bool) -> None:
        notice = self._taken(name, first=first)
        if notice is None:
            return
        try:
            if not (notice.tried and self._stands(notice)):
                self._post(notice)
        except SLACK_AWAY as error:
            wait = put_off(error, keys.NOTICE_TTL_SECONDS)
            if wait is not None:
                seconds, _ = self.redis.time()
                self.redis.zadd(self._due, {name: seconds + wait}, xx=True)
            log.warning("notice not said", channel=notice.thread.channel, why=reason(error))
            if wait is not None or not (refused(error) or reason(error) in SHUT):
                return
        patiently(partial(self._strike, name))

    def _taken(self, name: str, *, first: bool) -> _Notice | None:
        channel, question = name.split(":")
        key = keys.pending_notice(self.team, channel, question)
        found = self._take(keys=[key, self._due], args=[name, self.lease, int(first)])
        if found is None:
            return None
        tries, thread, said = (text(part) for part in found)
        place = Thread(team=self.team, channel=channel, ts=thread)
        return _Notice(place, question, said, tried=int(tries) > 0)

    def _stands(self, notice: _Notice) -> bool:
        return bool(self.threads.posted(notice.thread, notice.question))

    def _post(self, notice: _Notice) -> None:
        payload = {"part": 1, "question": notice.question, "state": "notice"}
        self.posting.say(
            notice.thread,
            notice.text,
            metadata={"event_type": keys.METADATA_EVENT_TYPE, "event_payload": payload},
            patient=False,
        )
        self.faults.hit(Point.AFTER_NOTICE)

    def _strike(self, name: str) -> None:
        channel, question = name.split(":")
        with self.redis.pipeline() as pipe:
            pipe.delete(keys.pending_notice(self.team, channel, question))
            pipe.zrem(self._due, name)
            pipe.execute()
