"""Faults on demand, pure: which call or delivery goes wrong next, and how, by rule and seed."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from fakeslack.errors import Json, SlackError

Item = TypeVar("Item")


class Fault(StrEnum):
    """What can go wrong with a call."""

    RATELIMITED = "ratelimited"
    """Status 429; `retry_after` is the header's value, which may be nonsense or missing."""
    STATUS = "status"
    """Another `status` with a body that is no JSON; the call has no effect."""
    ERROR = "error"
    """Status 200, `ok` false and this `error`; the call has no effect."""
    HTML = "html"
    """Status 200 and a page instead of an answer; the call has no effect."""
    TRUNCATED = "truncated"
    """The call has its effect, half of the JSON comes back."""
    ENDLESS = "endless"
    """The call has its effect; a page names itself as the next one, again and again."""
    DROP_BEFORE = "drop_before"
    """The connection is cut before the call has its effect."""
    DROP_AFTER = "drop_after"
    """The connection is cut after the call has had its effect."""
    STATUS_AFTER = "status_after"
    """The call has its effect and another `status` comes back."""
    SLOW = "slow"
    """The answer takes `seconds`; the effect comes after the wait."""
    SLOW_AFTER = "slow_after"
    """The effect comes at once, the answer takes `seconds`."""


@dataclass(slots=True)
class Rule:
    """
    One way in which calls go wrong.

    `method` may hold wildcards; with a `channel` only calls about that one count. The rule passes
    over the first `skip` calls, then strikes each with `probability`, at most `count` times.
    `reset` cuts a connection by RST instead of FIN.
    """

    fault: Fault
    method: str = "*"
    channel: str | None = None
    count: int | None = None
    skip: int = 0
    probability: float = 1.0
    status: int = 500
    error: str = "internal_error"
    retry_after: str | float | None = None
    seconds: float = 1.0
    reset: bool = True
    struck: int = 0

    def strikes(self, method: str, channel: str, dice: random.Random) -> bool:
        """Whether this call goes wrong by this rule; counts it if so."""
        if not fnmatchcase(method, self.method) or self.channel not in {None, channel}:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.count is not None and self.struck >= self.count:
            return False
        if dice.random() >= self.probability:
            return False
        self.struck += 1
        return True


@dataclass(frozen=True, slots=True)
class Deliveries:
    """
    How deliveries go wrong: each is doubled with probability `duplicate` (`copies` more), and
    within each `reorder` of them the order is left to chance (`hold` seconds at most).
    """

    duplicate: float = 0.0
    copies: int = 1
    reorder: int = 1
    hold: float = 0.5


class Faults:
    """The rules in force; the first that strikes a call decides."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.deliveries = Deliveries()
        self._dice = random.Random(0)  # noqa: S311 - repeatable on purpose, not secret

    def replace(self, rules: Iterable[Json], deliveries: Json, seed: int) -> None:
        """Put these rules in the place of all others; raises `invalid_arguments`."""
        self.rules = [_made(Rule, {**rule, "fault": _fault(rule)}) for rule in rules]
        self.deliveries = _made(Deliveries, deliveries)
        self._dice = random.Random(seed)  # noqa: S311 - as above

    def strike(self, method: str, channel: str = "") -> Rule | None:
        """Return the rule by which this call goes wrong, None where it may work."""
        struck = (rule for rule in self.rules if rule.strikes(method, channel, self._dice))
        return next(struck, None)

    def copies(self) -> int:
        """Return how often to send the next delivery."""
        doubled = self._dice.random() < self.deliveries.duplicate
        return 1 + self.deliveries.copies * doubled

    def shuffled(self, held: Sequence[Item]) -> list[Item]:
        """Return what was held back in the order it is sent in."""
        return self._dice.sample(held, len(held))


Made = TypeVar("Made", Rule, Deliveries)


def _fault(rule: Json) -> Fault:
    try:
        return Fault(rule.get("fault", ""))
    except ValueError:
        names = ", ".join(Fault)
        raise SlackError("invalid_arguments", f"[ERROR] fault must be one of {names}") from None


def _made(kind: type[Made], given: dict[str, Any]) -> Made:
    unknown = set(given) - {field.name for field in fields(kind)}
    if unknown:
        raise SlackError("invalid_arguments", f"[ERROR] unknown: {', '.join(sorted(unknown))}")
    return kind(**given)
