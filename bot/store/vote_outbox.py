"""
Outbox of votes: presses and deletions that are in Redis before the bots' database has them.

A bot that dies loses none, and a database that is away delays them. Applying an entry twice changes
nothing, so several bots may read the outbox at once.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from redis import Redis
from redis.commands.core import Script

from bot.messages.votes.entries import VERSION_PATTERN, CastVote, OutboxEntry
from bot.store.client import decode_reply, read_clock
from bot.store.scripts import load_script
from contract import keys
from contract.job import SLACK_ID_PATTERN, TIMESTAMP_PATTERN

MAX_WAITING_VOTES: Final = 10_000
"""Votes that wait for the database, 300 bytes each; further ones are refused."""
ENTRIES_PER_PAGE: Final = 200
JOIN_SECONDS: Final = 2.0
"""Delay of an edit, which joins the votes of so many seconds."""
LINE_LEASE_SECONDS: Final = 40
"""Lease of an edit: longer than its calls."""
MAX_DUE_LINES: Final = 20


@dataclass(frozen=True, slots=True)
class DueLine:
    """Line of a reply to edit, leased by `owner`; `found_at` is its time in the schedule (s)."""

    channel: str
    message_ts: str
    version: str
    found_at: float
    owner: str

    @property
    def member(self) -> str:
        """Member of the schedule."""
        return f"{self.channel}:{self.message_ts}:{self.version}"


@dataclass(slots=True)
class VoteOutbox:
    """Outbox of one team. Methods raise `redis.exceptions.RedisError`."""

    redis: Redis
    team: str
    _push_script: Script = field(init=False)
    _finish_script: Script = field(init=False)

    def __post_init__(self) -> None:
        self._push_script = self.redis.register_script(load_script("push_vote"))
        self._finish_script = self.redis.register_script(load_script("finish_ran_line"))

    def push_entry(self, entry: OutboxEntry) -> str | None:
        """Append an entry; return it as stored, or `None` if the outbox is full of votes."""
        encoded = entry.model_dump_json(exclude={"queued_at"}, exclude_none=False)
        bound = MAX_WAITING_VOTES if isinstance(entry, CastVote) else 0
        stored = self._push_script(
            keys=[keys.vote_outbox(self.team)], args=[encoded.removesuffix("}"), bound]
        )
        return None if stored is None else decode_reply(stored)

    def read_page(self, start: int) -> list[bytes | str]:
        """Return entries as they are stored, in the order of acceptance, from a position on."""
        end = start + ENTRIES_PER_PAGE - 1
        found: Any = self.redis.lrange(keys.vote_outbox(self.team), start, end)
        return list(found)

    def remove_entry(self, stored: bytes | str) -> None:
        """Remove an entry that the database has, or refuses."""
        value: Any = stored
        self.redis.lrem(keys.vote_outbox(self.team), 1, value)

    def schedule_line(self, channel: str, message_ts: str, version: str) -> None:
        """Have the line of a reply edited soon; an edit in progress does not cover this."""
        due = read_clock(self.redis) + JOIN_SECONDS
        member = f"{channel}:{message_ts}:{version}"
        self.redis.zadd(keys.ran_line_schedule(self.team), {member: due})

    def lease_due_lines(self) -> list[DueLine]:
        """Lease the lines that are due. Malformed members are removed."""
        schedule, now = keys.ran_line_schedule(self.team), read_clock(self.redis)
        due: Any = self.redis.zrangebyscore(schedule, "-inf", now, 0, MAX_DUE_LINES)
        leased = (self._lease_line(member) for member in map(decode_reply, due))
        return [line for line in leased if line is not None]

    def finish_line(self, line: DueLine, retry_seconds: float | None = None) -> None:
        """End the edit of a line, or try again in some seconds. A newer vote keeps it due."""
        schedule = keys.ran_line_schedule(self.team)
        retry_at = "" if retry_seconds is None else read_clock(self.redis) + retry_seconds
        lease = keys.ran_line_lease(self.team, line.channel, line.message_ts)
        self._finish_script(
            keys=[schedule, lease], args=[line.member, line.found_at, line.owner, retry_at]
        )

    def _lease_line(self, member: str) -> DueLine | None:
        schedule, owner = keys.ran_line_schedule(self.team), uuid4().hex
        try:
            channel, message_ts, version = member.split(":")
            _check_address(channel, message_ts, version)
        except ValueError:
            self.redis.zrem(schedule, member)
            return None
        lease = keys.ran_line_lease(self.team, channel, message_ts)
        if not self.redis.set(lease, owner, nx=True, ex=LINE_LEASE_SECONDS):
            return None
        # After the lease: a vote that the database gets from here on moves this time.
        found_at: Any = self.redis.zscore(schedule, member)
        return DueLine(channel, message_ts, version, float(found_at or 0.0), owner)


def _check_address(channel: str, message_ts: str, version: str) -> None:
    """Raise `ValueError` if a member of the schedule names no version of a reply."""
    patterns = (
        (SLACK_ID_PATTERN, channel),
        (TIMESTAMP_PATTERN, message_ts),
        (VERSION_PATTERN, version),
    )
    if not all(re.fullmatch(pattern, text) for pattern, text in patterns):
        raise ValueError("not a version of a reply")
