"""Agent sessions that must end: a worker may die before it has ended the one of its reply."""

import re
from dataclasses import dataclass
from typing import Any, Final

import structlog
from redis import Redis

from bot.handlers.personal_notices import retry_delay
from bot.slack.client import CALL_ERRORS, error_name, is_refusal
from bot.slack.poster import Poster
from bot.store.client import decode_reply, read_clock
from contract import keys
from contract.job import SLACK_ID_PATTERN, TIMESTAMP_PATTERN, Thread

log = structlog.get_logger()

RECHECK_SECONDS: Final = 30.0
"""Seconds until a session is looked at again whose thread has a job."""
MAX_DUE_SESSIONS: Final = 100
"""Sessions of one look at the schedule."""


@dataclass(frozen=True, slots=True)
class SessionSweeper:
    """Ends the sessions of threads without a job. Methods raise `RedisError`."""

    redis: Redis
    team: str
    poster: Poster

    def check_soon(self, thread: Thread) -> None:
        """Look at a session at the next sweep."""
        member = keys.session_member(thread.channel, thread.ts)
        self.redis.zadd(keys.session_schedule(self.team), {member: read_clock(self.redis)})

    def end_due(self) -> None:
        """End the sessions that are due, if no job of their thread is left."""
        schedule = keys.session_schedule(self.team)
        now = read_clock(self.redis)
        due: Any = self.redis.zrangebyscore(schedule, "-inf", now, 0, MAX_DUE_SESSIONS)
        for member in map(decode_reply, due):
            thread = _parse_member(self.team, member)
            delay = None if thread is None else self._end_session(thread)
            if delay is None:
                self.redis.zrem(schedule, member)
            else:
                self.redis.zadd(schedule, {member: now + delay}, xx=True)

    def _end_session(self, thread: Thread) -> float | None:
        """End a session; return the seconds until the next look, `None` if it has ended."""
        if self.redis.llen(keys.thread_queue(thread.team, thread.channel, thread.ts)):
            return RECHECK_SECONDS
        try:
            self.poster.end_session(thread)
        except CALL_ERRORS as error:
            log.warning("session not ended", channel=thread.channel, why=error_name(error))
            delay = retry_delay(error)
            return None if delay is None and is_refusal(error) else delay or RECHECK_SECONDS
        return None


def _parse_member(team: str, member: str) -> Thread | None:
    """Return the thread of a member of the schedule; `None` if it is malformed."""
    channel, _, ts = member.partition(":")
    is_valid = re.fullmatch(SLACK_ID_PATTERN, channel) and re.fullmatch(TIMESTAMP_PATTERN, ts)
    return Thread(team=team, channel=channel, ts=ts) if is_valid else None
