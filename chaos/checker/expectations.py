"""Pure: what must hold in every run, within which bounds, and what it means to break it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from chaos.checker.history import Resource


class Invariant(StrEnum):
    """What must hold in every run, by its number in the plan."""

    ONE_END = "I1"
    """A mention that was acknowledged ends in one reply or one clear error."""
    ONE_MESSAGE = "I2"
    """A reader sees one message for a mention; further parts of a long reply count with it."""
    RIGHT_PLACE = "I3"
    """The reply stands in the mention's own team, channel and thread."""
    ORDER = "I4"
    """Replies in a thread stand in the order in which their questions were asked."""
    NO_PING = "I5"
    """Nothing of ours notifies anybody or makes Slack fetch an address."""
    NO_LEAK = "I6"
    """Logs and metrics hold neither the text of a message nor a secret."""
    IN_TIME = "I7"
    """The end comes soon enough after the acknowledgement."""
    BOUNDED = "I8"
    """Memory, open files and Redis keys stay within bounds."""
    ACKNOWLEDGED = "I9"
    """Slack has its acknowledgement in time."""
    FINAL = "I10"
    """What was final does not change any more."""
    OWN_TENANT = "I11"
    """A word that belongs to one team, channel or thread is never shown elsewhere."""
    DELETED = "I12"
    """A question that was deleted has no reply and no copy left."""
    RETRY_AFTER = "S1"
    """A call that Slack has put off is not repeated before its `Retry-After` is over."""


MIB: Final = 2**20
MAX_RESOURCES: Final[Mapping[Resource, float]] = MappingProxyType(
    {Resource.MEMORY: 512.0 * MIB, Resource.FILES: 256.0, Resource.KEYS: 100_000.0}
)
"""How much of a resource one process may use unless a run says otherwise."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a run must keep to; seconds where nothing else is said."""

    max_end_seconds: float = 600.0
    """From the acknowledgement to the reply or the error."""
    max_overlap_seconds: float = 1.0
    """How long two messages may stand for one mention until a late writer takes its own away."""
    max_acknowledgement_seconds: float = 3.0
    """From a delivery to its acknowledgement."""
    max_acknowledgement_p99_seconds: float | None = None
    """For runs in which nothing keeps the bot from acknowledging at once."""
    order_tolerance_seconds: float = 0.0
    """A mention acknowledged up to so much later than a younger one still comes before it."""
    max_late_edits: int = 0
    """Changes after the end that are let pass; more than 0 only where workers were paused."""
    max_deletion_seconds: float = 5.0
    """From the deletion of a question until nothing of it may be seen any more."""
    deletion_news_seconds: float = 1.0
    """From the deletion of a question until all know of it: a reply that ends before may stay."""
    limit_news_seconds: float = 0.5
    """Until all processes know that Slack has put a method off."""
    max_resources: Mapping[Resource, float] = field(default_factory=lambda: MAX_RESOURCES)
    max_growth: float | None = None
    """What share more of a resource may be in use in the last third of a run than in the first."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One promise that was broken; `about` is the ts of the question or the name of a process."""

    invariant: Invariant
    subject: str
    reason: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.subject}: {self.reason}"
