"""
Purge of workspaces that have removed the app: durable, because Slack tells a bot only once.

A mark in Redis, outside of the keys of the team, says what is left to delete. Any bot of the team
deletes it, also one whose token Slack refuses by now. Repeating it changes nothing.
"""

from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog
from redis import Redis
from redis.exceptions import RedisError

from bot.handlers.sweeper import Sweeper
from bot.messages.message import read_slack_id
from bot.records.database import Records, RecordsUnavailableError
from bot.records.purge import PurgeScope
from bot.store.client import decode_reply
from bot.store.purge import Purge
from contract import keys

log = structlog.get_logger()

ALL: Final = "all"
RECORDS: Final = "records"
"""What is left of a team: all, or its rows in the database and the rules cached from them since."""
PURGE_ERRORS: Final = (RedisError, RecordsUnavailableError)


@dataclass(frozen=True, slots=True)
class TeamPurge:
    """Deletes what is stored of teams. Methods raise `PURGE_ERRORS` unless they say otherwise."""

    redis: Redis
    records: Records

    def build_purge_sweeper(self, team: str) -> Sweeper:
        """Build the thread that purges a team once it is marked."""
        return Sweeper("purge", (partial(self.finish_purge, team),), PURGE_ERRORS)

    def mark_team(self, team: str) -> None:
        """Record that the data of a team must be deleted. Raises `RedisError`."""
        with self.redis.pipeline() as pipeline:
            pipeline.hset(keys.UNINSTALLED_TEAMS, team, ALL)
            pipeline.expire(keys.UNINSTALLED_TEAMS, keys.UNINSTALLED_TTL_SECONDS)
            pipeline.execute()

    def finish_purge(self, team: str) -> None:
        """Delete the data of a team if it is marked, and remove the mark."""
        if self._delete_marked(team):
            self.redis.hdel(keys.UNINSTALLED_TEAMS, team)
            log.info("team forgotten", team=team)

    def try_at_start(self, team: str | None) -> None:
        """
        Continue the purge of a team, or of all if Slack refuses to tell the team. Logs errors.

        Then the marks stay: another bot's database may have the rows of a team.
        """
        try:
            if team is not None:
                self.finish_purge(team)
                return
            for marked in map(decode_reply, self.redis.hkeys(keys.UNINSTALLED_TEAMS)):
                if read_slack_id(marked):
                    self._delete_marked(marked)
        except PURGE_ERRORS as error:
            log.warning("purge postponed", why=type(error).__name__)

    def _delete_marked(self, team: str) -> bool:
        """Delete the data of a team; return whether it was marked."""
        left = self.redis.hget(keys.UNINSTALLED_TEAMS, team)
        if left is None:
            return False
        try:
            rows = self.records.purge(PurgeScope(team))
        except RecordsUnavailableError:
            if decode_reply(left) != RECORDS:
                self._drop_keys(team)
                self.redis.hset(keys.UNINSTALLED_TEAMS, team, RECORDS)
            raise
        # After the rows: until then, the cache of rules may be filled from them.
        if decode_reply(left) == RECORDS:
            # The team may have installed the app again: its new questions stay.
            self.redis.delete(keys.channel_rules(team))
            Purge(self.redis).rewrite_log()
        else:
            self._drop_keys(team)
        log.info("records forgotten", team=team, rows=rows)
        return True

    def _drop_keys(self, team: str) -> None:
        purge = Purge(self.redis)
        log.info("keys forgotten", team=team, keys=purge.drop_team(team))
        purge.rewrite_log()
