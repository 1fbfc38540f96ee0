"""Asked questions: where a user's questions of the week are that have a reply. No text is kept."""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from redis import Redis

from bot.store.client import decode_reply, read_clock
from contract import keys
from contract.job import SLACK_ID_PATTERN, TIMESTAMP_PATTERN, Thread

LISTED_SECONDS: Final = 7 * 24 * 3600
SCORE_TOLERANCE_SECONDS: Final = 0.001
"""Redis' scores are floating-point numbers, and Slack's times have six decimals."""


class _ChannelEntry(NamedTuple):
    member: str
    thread_ts: str
    ts: str
    user: str


class AskedQuestions:
    """Lists of one team, which the workers write. Methods raise `RedisError`."""

    def __init__(self, redis: Redis, team: str) -> None:
        self._redis = redis
        self._team = team

    def list_recent(self, user: str, max_questions: int) -> list[tuple[Thread, str]]:
        """Return thread and `ts` of a user's questions of the last seven days, newest first."""
        since = read_clock(self._redis) - LISTED_SECONDS
        name = keys.user_questions(self._team, user)
        found: Any = self._redis.zrevrangebyscore(name, "+inf", since, start=0, num=max_questions)
        parsed = (self._parse_question(decode_reply(member)) for member in found)
        return [question for question in parsed if question is not None]

    def drop_user(self, user: str) -> None:
        """Delete the list of a user."""
        name = keys.user_questions(self._team, user)
        found: Any = self._redis.zrange(name, 0, -1)
        parsed = (self._parse_question(decode_reply(member)) for member in found)
        with self._redis.pipeline() as pipe:
            for thread, ts in filter(None, parsed):
                listed = keys.channel_questions(self._team, thread.channel)
                pipe.zrem(listed, f"{thread.ts}:{ts}:{user}")
            pipe.unlink(name)
            pipe.execute()

    def drop_question(self, channel: str, ts: str) -> None:
        """Delete the question at `ts` from all lists."""
        score = float(ts)
        found: Any = self._redis.zrangebyscore(
            keys.channel_questions(self._team, channel),
            score - SCORE_TOLERANCE_SECONDS,
            score + SCORE_TOLERANCE_SECONDS,
        )
        self._drop_entries(channel, found, lambda entry: entry.ts == ts)

    def drop_thread(self, channel: str, thread_ts: str) -> None:
        """Delete the questions of a thread from all lists."""
        found = self._redis.zrange(keys.channel_questions(self._team, channel), 0, -1)
        self._drop_entries(channel, found, lambda entry: entry.thread_ts == thread_ts)

    def drop_channel(self, channel: str) -> None:
        """Delete the questions of a channel from all lists."""
        found = self._redis.zrange(keys.channel_questions(self._team, channel), 0, -1)
        self._drop_entries(channel, found, lambda _: True)

    def _drop_entries(
        self, channel: str, found: Any, is_chosen: Callable[[_ChannelEntry], bool]
    ) -> None:
        parts = ((member, *member.split(":")) for member in map(decode_reply, found))
        entries = [
            _ChannelEntry(*part) for part in parts if len(part) == len(_ChannelEntry._fields)
        ]
        chosen = [entry for entry in entries if is_chosen(entry)]
        if not chosen:
            return
        with self._redis.pipeline() as pipe:
            for entry in chosen:
                listed = keys.user_questions(self._team, entry.user)
                pipe.zrem(listed, f"{channel}:{entry.thread_ts}:{entry.ts}")
            pipe.zrem(keys.channel_questions(self._team, channel), *(e.member for e in chosen))
            pipe.execute()

    def _parse_question(self, member: str) -> tuple[Thread, str] | None:
        channel, _, rest = member.partition(":")
        thread_ts, _, ts = rest.partition(":")
        is_valid = re.fullmatch(SLACK_ID_PATTERN, channel) and all(
            re.fullmatch(TIMESTAMP_PATTERN, part) for part in (thread_ts, ts)
        )
        return (Thread(team=self._team, channel=channel, ts=thread_ts), ts) if is_valid else None
