"""Retention of asked questions: drops old ones that ran for no one, and those without the rule."""

import time
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog
from redis.exceptions import RedisError

from bot.handlers.job_builder import Source
from bot.handlers.rules.rule_reader import RuleReader
from bot.handlers.sweeper import Sweeper
from bot.records.asked_questions import (
    drop_channel_questions,
    drop_unanswered_questions,
    list_asked_channels,
)
from bot.records.database import Records, RecordsUnavailableError
from bot.records.engine import LONG_USE_SECONDS
from bot.rules.versions import RulesUnreadableError
from contract.keys import THREAD_MODE_TTL_SECONDS

log = structlog.get_logger()

INTERVAL_SECONDS: Final = 3600.0
SWEEP_INTERVAL_SECONDS: Final = 60.0
RETENTION_SECONDS: Final = THREAD_MODE_TTL_SECONDS
"""Seconds within which someone has to mark an answer; the bot follows a thread that long."""


@dataclass(slots=True)
class QuestionRetention:
    """Retention of one team's questions."""

    team: str
    records: Records
    rules: RuleReader
    _due_at: float = field(init=False, default=0.0)
    _without_rule: set[str] = field(init=False, default_factory=set)
    """Channels without the rule at the last pass: during a rollout, other bots may have it on."""

    def build_question_sweeper(self) -> Sweeper:
        """Build a thread for it: a slow database delays no other one."""
        return Sweeper("questions", (self.drop_due,), (RedisError,), SWEEP_INTERVAL_SECONDS)

    def drop_due(self) -> None:
        """Drop questions once in an hour, and soon after the start. Raises `RedisError`."""
        if time.monotonic() < self._due_at:
            return
        try:
            dropped = self._drop_questions()
        except (RecordsUnavailableError, RulesUnreadableError, ConnectionError) as error:
            log.warning("old questions not dropped", why=type(error).__name__)
            dropped = 0
        self._due_at = time.monotonic() + INTERVAL_SECONDS
        if dropped:
            log.info("old questions dropped", questions=dropped)

    def _drop_questions(self) -> int:
        oldest = f"{time.time() - RETENTION_SECONDS:.6f}"
        drop_old = partial(drop_unanswered_questions, before_ts=oldest)
        dropped = self.records.write(drop_old, LONG_USE_SECONDS)
        # The channels file may have switched the rule off while no bot ran.
        asked = self.records.read(partial(list_asked_channels, team=self.team))
        without_rule = {channel for channel in asked if not self._has_rule(channel)}
        due, self._without_rule = without_rule & self._without_rule, without_rule
        for channel in due:
            drop = partial(drop_channel_questions, team=self.team, channel=channel)
            dropped += self.records.write(drop, LONG_USE_SECONDS)
        return dropped

    def _has_rule(self, channel: str) -> bool:
        """Return whether a channel takes part; one whose rules cannot be read keeps its rows."""
        try:
            return self.rules.read_rules(channel, Source.SLACK).asked_before
        except (RulesUnreadableError, ConnectionError) as error:
            log.warning("rules not read", channel=channel, why=type(error).__name__)
            return True
