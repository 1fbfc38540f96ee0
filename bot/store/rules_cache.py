"""
Rules cache: the rules of all channels of a team in Redis, so that a question reads no database.

It is a hash of channel to `stamp version JSON`. The field `*` says that it is complete, and when it
was last compared with the database (s, Redis' clock). It has no time limit: while the database is
away, no rules can change.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from redis import Redis
from redis.commands.core import Script

from bot.rules.channel_rules import DEFAULT_RULES
from bot.rules.versions import RulesUnreadableError, VersionedRules, parse_rules
from bot.store.client import NotCachedError, decode_reply, read_clock
from bot.store.scripts import load_script
from contract import keys

COMPARED_AT_PATTERN: Final = r"[0-9]{1,12}(\.[0-9]{1,9})?"
MOVE: Final = re.compile(r"([A-Za-z0-9]{1,64}) ([A-Za-z0-9]{1,64})")
MAX_MOVES: Final = 1000
"""Moves that one comparison with the database takes with it."""
COMPLETE: Final = "*"
"""Field that says that the hash holds all channels with rules."""


@dataclass(slots=True)
class RulesCache:
    """Cached rules of one team. Methods raise `redis.exceptions.RedisError`."""

    redis: Redis
    team: str
    _key: str = field(init=False)
    _merge_script: Script = field(init=False)
    _move_script: Script = field(init=False)

    def __post_init__(self) -> None:
        self._key = keys.channel_rules(self.team)
        self._merge_script = self.redis.register_script(load_script("merge_channel_rules"))
        self._move_script = self.redis.register_script(load_script("move_channel_rules"))

    def get_rules(self, channel: str) -> VersionedRules:
        """
        Return the rules of a channel.

        Raises `NotCachedError` if the cache is incomplete, and `RulesUnreadableError`.
        """
        complete, stored = self.redis.hmget(self._key, [COMPLETE, channel])
        if complete is None:
            raise NotCachedError
        if stored is None:
            return VersionedRules(DEFAULT_RULES)
        _, version, rules = [*decode_reply(stored).split(" ", 2), "", ""][:3]
        if not version.isdecimal():
            raise RulesUnreadableError
        return VersionedRules(parse_rules(rules), int(version))

    def is_complete(self) -> bool:
        """Return whether the rules of all channels are cached."""
        return bool(self.redis.hexists(self._key, COMPLETE))

    def find_comparison_time(self) -> float | None:
        """Return when the cache was last compared with the database (s, Redis' clock)."""
        found = self.redis.hget(self._key, COMPLETE)
        text = "" if found is None else decode_reply(found)
        return float(text) if re.fullmatch(COMPARED_AT_PATTERN, text) else None

    def read_clock(self) -> float:
        """Return Redis' time (s), which `replace_rules` needs from before the database was read."""
        return read_clock(self.redis)

    def replace_rules(self, stored: Mapping[str, tuple[int, str]], read_at: float) -> None:
        """Keep the version and JSON of all channels' rules, as the database had them."""
        fields = [part for channel, found in stored.items() for part in (channel, *found)]
        self._merge_script(keys=[self._key], args=[f"{read_at:.6f}", *fields])

    def put_rules(self, channel: str, rules: VersionedRules) -> None:
        """Keep the rules of one channel, unless newer ones are cached."""
        encoded = rules.rules.model_dump_json()
        self._merge_script(keys=[self._key], args=["", channel, rules.version, encoded])

    def record_move(self, old: str, new: str) -> None:
        """Give the rules of a channel to its new id, here at once and in the database later."""
        self._move_script(keys=[self._key, keys.channel_moves(self.team)], args=[old, new])

    def list_moves(self) -> list[tuple[str, str]]:
        """Return former and new ids that the database may not know yet, in order of the events."""
        found: Any = self.redis.lrange(keys.channel_moves(self.team), 0, MAX_MOVES - 1)
        matches = (MOVE.fullmatch(decode_reply(move)) for move in found)
        return [(match[1], match[2]) for match in matches if match]

    def drop_moves(self, moves: Iterable[tuple[str, str]]) -> None:
        """Forget moves that the database has."""
        for old, new in moves:
            self.redis.lrem(keys.channel_moves(self.team), 0, f"{old} {new}")
