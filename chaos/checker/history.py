"""
History of a run: mentions, messages, API calls, log lines and resource samples.

All times are seconds on the machine's monotonic clock, which the processes share. Message texts
are not kept, only their words, in which the checker looks for planted ones.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """State of one of the app's messages."""

    PLACEHOLDER = "placeholder"
    GROWING = "growing"
    FINAL = "final"
    ERROR = "error"
    NOTICE = "notice"
    """Notice of the bot: the question was declined."""
    POINTER = "pointer"
    """Reply that points to an earlier answer."""


END_STATES: Final = frozenset({State.FINAL, State.ERROR, State.NOTICE, State.POINTER})
"""States after which a message does not change."""


class Resource(StrEnum):
    """Resource whose use is bounded."""

    MEMORY = "memory"
    """Bytes."""
    FILES = "files"
    """Open file descriptors."""
    KEYS = "keys"
    """Keys in Redis."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Team, channel and thread of a message; a root belongs to its own thread."""

    team: str
    channel: str
    thread: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery of a mention to the app; `event` is `app_mention` or `message`."""

    event: str
    sent_at: float
    acknowledged_at: float | None = None
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Mention:
    """Question of a user; `token` is a word that no other question has."""

    ts: str
    place: Place
    token: str
    asked_at: float
    deliveries: tuple[Delivery, ...] = ()
    deleted_at: float | None = None
    edited_at: float | None = None
    """Time of the first edit: the reply may change from then on."""

    @property
    def acknowledged_at(self) -> float | None:
        """
        Time at which Slack had the acknowledgements of both events.

        Slack delivers a mention as two events. A bot may ignore one of them, so only both
        acknowledgements together promise a reply.
        """
        first: dict[str, float | None] = {}
        for delivery in sorted(self.deliveries, key=lambda delivery: delivery.attempt):
            if first.get(delivery.event) is None:
                first[delivery.event] = delivery.acknowledged_at
        times = [time for time in first.values() if time is not None]
        return max(times) if times and len(times) == len(first) else None


@dataclass(frozen=True, slots=True)
class Version:
    """
    One of the app's messages as readers saw it from `at` on.

    `look` is a hash, equal if two versions look the same. `question` is the timestamp in the
    metadata, `None` without metadata. `words` are the words of text and blocks.
    """

    at: float
    state: State
    look: str = ""
    words: frozenset[str] = frozenset()
    question: str | None = None
    part: str = "1"
    pings: int = 0
    unfurls: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """One of the app's messages with all its versions, until its deletion."""

    ts: str
    place: Place
    versions: tuple[Version, ...]
    deleted_at: float | None = None

    @property
    def last_version(self) -> Version:
        """The version that readers saw last."""
        return self.versions[-1]

    @property
    def ended_at(self) -> float | None:
        """Time of the first final state."""
        return next((version.at for version in self.versions if version.state in END_STATES), None)


@dataclass(frozen=True, slots=True)
class ApiCall:
    """Call of Slack's Web API; `target` is the message or reply it acts on, equal for a retry."""

    at: float
    method: str
    channel: str = ""
    target: str = ""
    seconds: float = 0.0
    status: int = 200
    error: str | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    """Line that a process has logged or shown as a metric."""

    process: str
    text: str


@dataclass(frozen=True, slots=True)
class ResourceSample:
    """Use of a resource by a process at one moment."""

    at: float
    process: str
    resource: Resource
    amount: float


@dataclass(frozen=True, slots=True)
class Canary:
    """Planted word that may be shown in one team, channel or thread only."""

    word: str
    team: str
    channel: str | None = None
    thread: str | None = None

    def belongs_to(self, place: Place) -> bool:
        """Return whether the word may be shown there."""
        own_scope = (self.team, self.channel, self.thread)
        place_scope = (place.team, place.channel, place.thread)
        return all(own in {None, other} for own, other in zip(own_scope, place_scope, strict=True))


@dataclass(frozen=True, slots=True)
class LeakFinding:
    """Planted word that was found outside Slack and the logs, such as in a Redis key."""

    at: float
    word: str
    where: str


@dataclass(frozen=True, slots=True)
class History:
    """All records of one run, until `ended_at`."""

    mentions: tuple[Mention, ...] = ()
    messages: tuple[Message, ...] = ()
    calls: tuple[ApiCall, ...] = ()
    lines: tuple[LogLine, ...] = ()
    samples: tuple[ResourceSample, ...] = ()
    canaries: tuple[Canary, ...] = ()
    finds: tuple[LeakFinding, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)
    ended_at: float = 0.0
