"""Expectations: invariants of every run, their bounds, and violations of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from chaos.checker.history import Resource


class Invariant(StrEnum):
    """Invariant of every run. Violations are sorted in this order."""

    ONE_END = "one-end"
    """An acknowledged mention ends with one reply, error or notice."""
    ONE_MESSAGE = "one-message"
    """Each part of a reply is visible once."""
    RIGHT_PLACE = "right-place"
    """A reply is in the team, channel and thread of its mention."""
    ORDER = "order"
    """Replies in a thread are in the order of their questions."""
    NO_PING = "no-ping"
    """No message of the app notifies a user or makes Slack unfurl an address."""
    NO_LEAK = "no-leak"
    """Logs and metrics hold neither the text of a message nor a secret."""
    IN_TIME = "in-time"
    """A mention ends within a maximum time after its acknowledgement."""
    BOUNDED = "bounded"
    """Memory, open files and Redis keys stay within bounds."""
    ACKNOWLEDGED = "acknowledged"
    """Each delivery is acknowledged in time."""
    FINAL = "final"
    """A final message neither changes nor disappears."""
    OWN_TENANT = "own-tenant"
    """A word that belongs to one team, channel or thread is shown nowhere else."""
    DELETED = "deleted"
    """A deleted question leaves no reply and no copy."""
    RETRY_AFTER = "retry-after"
    """A rate-limited call is not repeated before its `Retry-After` has passed."""


MIB: Final = 2**20
MAX_RESOURCES: Final[Mapping[Resource, float]] = MappingProxyType(
    {Resource.MEMORY: 512.0 * MIB, Resource.FILES: 256.0, Resource.KEYS: 100_000.0}
)
"""Default bounds of a process: memory in bytes, open files, Redis keys."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of a run's invariants."""

    max_end_seconds: float = 600.0
    """From the acknowledgement to the end."""
    max_overlap_seconds: float = 1.0
    """Time for which a part may be visible twice, until a late writer deletes its own."""
    max_acknowledgement_seconds: float = 3.0
    """From a delivery to its acknowledgement."""
    max_acknowledgement_p99_seconds: float | None = None
    """99th percentile, for runs that do not disturb the bot."""
    order_tolerance_seconds: float = 0.0
    """Order is required if the older mention is acknowledged at most this much later."""
    max_late_edits: int = 0
    """Edits of final messages that are allowed: a suspended worker may complete one."""
    max_deletion_seconds: float = 5.0
    """From the deletion of a question to that of its reply and copies."""
    deletion_news_seconds: float = 1.0
    """Time until a deletion is known: a reply that ends before may stay."""
    limit_news_seconds: float = 0.5
    """Time until all processes know of a rate limit."""
    max_resources: Mapping[Resource, float] = field(default_factory=lambda: MAX_RESOURCES)
    """Maximum use of each resource by a process."""
    max_growth: float | None = None
    """Relative growth of a resource's use from the first third of a run to the last."""


@dataclass(frozen=True, slots=True)
class Violation:
    """Violated invariant; `subject` is the timestamp of a question or the name of a process."""

    invariant: Invariant
    subject: str
    reason: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.subject}: {self.reason}"
