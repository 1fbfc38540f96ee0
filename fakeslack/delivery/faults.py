"""Fault injection rules: choose which call or delivery fails next, by rule and seed. Pure."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from fakeslack.errors import Json, SlackError

Item = TypeVar("Item")


class FaultKind(StrEnum):
    """The ways in which a call can fail."""

    RATELIMITED = "ratelimited"
    """Status 429; the Retry-After header is `retry_after`, which may be malformed or missing."""
    STATUS = "status"
    """`status` with a body that is not JSON; the method does not run."""
    ERROR = "error"
    """Status 200 with `ok` false and `error`; the method does not run."""
    HTML = "html"
    """Status 200 with an HTML page; the method does not run."""
    TRUNCATED = "truncated"
    """The method runs; half of the JSON response is sent."""
    ENDLESS = "endless"
    """The method runs; the response's cursor leads to the same page again."""
    DROP_BEFORE = "drop_before"
    """The connection is closed before the method runs."""
    DROP_AFTER = "drop_after"
    """The connection is closed after the method has run."""
    STATUS_AFTER = "status_after"
    """The method runs; the response has another `status`."""
    SLOW = "slow"
    """The method runs after a delay of `seconds`."""
    SLOW_AFTER = "slow_after"
    """The method runs at once; the response is delayed by `seconds`."""


@dataclass(slots=True)
class FaultRule:
    """
    One way in which calls fail.

    `method` may hold wildcards. A `channel` restricts the rule to calls about that channel. The
    rule skips its first `skip` calls. It then fails each call with `probability`, at most `count`
    times. `reset` closes a connection by RST instead of FIN.
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
        """Whether this call fails by this rule; count the call if so."""
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
    Faults of deliveries: duplicates and reordering.

    Each delivery is sent `copies` more times with probability `duplicate`. Groups of `reorder`
    deliveries are shuffled, after at most `hold` seconds.
    """

    duplicate: float = 0.0
    copies: int = 1
    reorder: int = 1
    hold: float = 0.5


class FaultInjector:
    """The active rules; the first rule that matches a call applies."""

    def __init__(self) -> None:
        self.rules: list[FaultRule] = []
        self.delivery_faults = DeliveryFaults()
        self._rng = random.Random(0)  # noqa: S311 - seeded for repeatable runs, not a secret

    def replace_rules(self, rules: Iterable[Json], delivery_faults: Json, seed: int) -> None:
        """Replace all rules and delivery faults. Raises `invalid_arguments` if one is malformed."""
        self.rules = [
            _build_model(FaultRule, {**rule, "fault": _parse_fault(rule)}) for rule in rules
        ]
        self.delivery_faults = _build_model(DeliveryFaults, delivery_faults)
        self._rng = random.Random(seed)  # noqa: S311 - as above

    def match_rule(self, method: str, channel: str = "") -> FaultRule | None:
        """Return the rule by which this call fails, or None if it succeeds."""
        matching_rules = (
            rule for rule in self.rules if rule.matches_call(method, channel, self._rng)
        )
        return next(matching_rules, None)

    def draw_copies(self) -> int:
        """Return the number of times to send the next delivery."""
        is_duplicated = self._rng.random() < self.delivery_faults.duplicate
        return 1 + self.delivery_faults.copies * is_duplicated

    def shuffle_deliveries(self, deliveries: Sequence[Item]) -> list[Item]:
        """Return the buffered deliveries in random order."""
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
