"""Faults on demand, pure: which call or delivery goes wrong next, and how, by rule and seed."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from fakeslack.errors import Json, SlackError

Item = TypeVar("Item")


class FaultKind(StrEnum):
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
class FaultRule:
    """
    One way in which calls go wrong.

    `method` may hold wildcards; with a `channel` only calls about that one count. The rule passes
    over the first `skip` calls, then strikes each with `probability`, at most `count` times.
    `reset` cuts a connection by RST instead of FIN.
    """

    fault: FaultKind
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
    times_applied: int = 0

    def matches_call(self, method: str, channel: str, rng: random.Random) -> bool:
        """Whether this call goes wrong by this rule; counts it if so."""
        if not fnmatchcase(method, self.method) or self.channel not in {None, channel}:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.count is not None and self.times_applied >= self.count:
            return False
        if rng.random() >= self.probability:
            return False
        self.times_applied += 1
        return True


@dataclass(frozen=True, slots=True)
class DeliveryFaults:
    """
    How deliveries go wrong: each is doubled with probability `duplicate` (`copies` more), and
    within each `reorder` of them the order is left to chance (`hold` seconds at most).
    """

    duplicate: float = 0.0
    copies: int = 1
    reorder: int = 1
    hold: float = 0.5


class FaultInjector:
    """The rules in force; the first that strikes a call decides."""

    def __init__(self) -> None:
        self.rules: list[FaultRule] = []
        self.delivery_faults = DeliveryFaults()
        self._rng = random.Random(0)  # noqa: S311 - repeatable on purpose, not secret

    def replace_rules(self, rules: Iterable[Json], delivery_faults: Json, seed: int) -> None:
        """Put these rules in the place of all others; raises `invalid_arguments`."""
        self.rules = [
            _build_model(FaultRule, {**rule, "fault": _parse_fault(rule)}) for rule in rules
        ]
        self.delivery_faults = _build_model(DeliveryFaults, delivery_faults)
        self._rng = random.Random(seed)  # noqa: S311 - as above

    def match_rule(self, method: str, channel: str = "") -> FaultRule | None:
        """Return the rule by which this call goes wrong, None where it may work."""
        matching_rules = (
            rule for rule in self.rules if rule.matches_call(method, channel, self._rng)
        )
        return next(matching_rules, None)

    def draw_copies(self) -> int:
        """Return how often to send the next delivery."""
        is_duplicated = self._rng.random() < self.delivery_faults.duplicate
        return 1 + self.delivery_faults.copies * is_duplicated

    def shuffle_deliveries(self, deliveries: Sequence[Item]) -> list[Item]:
        """Return what was held back in the order it is sent in."""
        return self._rng.sample(deliveries, len(deliveries))


FaultModel = TypeVar("FaultModel", FaultRule, DeliveryFaults)


def _parse_fault(rule: Json) -> FaultKind:
    try:
        return FaultKind(rule.get("fault", ""))
    except ValueError:
        names = ", ".join(FaultKind)
        raise SlackError("invalid_arguments", f"[ERROR] fault must be one of {names}") from None


def _build_model(model: type[FaultModel], values: dict[str, Any]) -> FaultModel:
    unknown = set(values) - {field.name for field in fields(model)}
    if unknown:
        raise SlackError("invalid_arguments", f"[ERROR] unknown: {', '.join(sorted(unknown))}")
    return model(**values)
