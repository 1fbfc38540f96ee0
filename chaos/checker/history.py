"""
Pure: what happened in one run, as a reader of Slack and an operator saw it.

Times are seconds on the machine's monotonic clock, the same for all processes. No text of a
message is kept: `words` of a version are there to find the words a test has planted.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """How far a message of ours is."""

    PLACEHOLDER = "placeholder"
    GROWING = "growing"
    FINAL = "final"
    ERROR = "error"
    NOTICE = "notice"
    """A notice of the bot's own: the question was not taken in, and the person was told."""


END_STATES: Final = frozenset({State.FINAL, State.ERROR, State.NOTICE})
"""States of a message that does not change any more."""


class Resource(StrEnum):
    """What a process may use too much of."""

    MEMORY = "memory"
    """Bytes."""
    FILES = "files"
    """Open descriptors."""
    KEYS = "keys"
    """Keys in Redis."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a message stands; the root of a thread stands in its own thread."""

    team: str
    channel: str
    thread: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to tell the app of a mention; `event` is `app_mention` or `message`."""

    event: str
    sent_at: float
    acknowledged_at: float | None = None
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Mention:
    """A question of a person; `token` is a word that no other question has."""

    ts: str
    place: Place
    token: str
    asked_at: float
    deliveries: tuple[Delivery, ...] = ()
    deleted_at: float | None = None
    edited_at: float | None = None
    """When its words were first changed: its reply may change from then on."""

    @property
    def acknowledged_at(self) -> float | None:
        """
        When Slack had all acknowledgements it was waiting for.

        Slack tells of a mention by twin events. A bot may pass over one of them, so that only
        both together are a promise.
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
    A message of ours as readers saw it from `at` on; `look` is equal where it looks the same.

    `question` is the ts that our metadata names, None where a message has no such metadata.
    `words` are the words that its text and blocks show.
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
    """A message of ours over time, from its first version to its deletion."""

    ts: str
    place: Place
    versions: tuple[Version, ...]
    deleted_at: float | None = None

    @property
    def last_version(self) -> Version:
        """What a reader saw in the end."""
        return self.versions[-1]

    @property
    def ended_at(self) -> float | None:
        """When it first was what does not change any more."""
        return next((version.at for version in self.versions if version.state in END_STATES), None)


@dataclass(frozen=True, slots=True)
class ApiCall:
    """A call of Slack's Web API; `target` is what it acts on, equal for a repetition."""

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
    """A line that a process of ours has logged, or shown as a metric."""

    process: str
    text: str


@dataclass(frozen=True, slots=True)
class ResourceSample:
    """How much of something a process used at one moment."""

    at: float
    process: str
    resource: Resource
    amount: float


@dataclass(frozen=True, slots=True)
class Canary:
    """A word that belongs to one team, to one channel of it or to one thread there."""

    word: str
    team: str
    channel: str | None = None
    thread: str | None = None

    def belongs_to(self, place: Place) -> bool:
        """Whether the word may be shown there."""
        own_scope = (self.team, self.channel, self.thread)
        place_scope = (place.team, place.channel, place.thread)
        return all(own in {None, other} for own, other in zip(own_scope, place_scope, strict=True))


@dataclass(frozen=True, slots=True)
class LeakFinding:
    """A planted word that was found outside Slack and logs, such as in a Redis key."""

    at: float
    word: str
    where: str


@dataclass(frozen=True, slots=True)
class History:
    """Everything that happened in one run, until `ended_at`."""

    mentions: tuple[Mention, ...] = ()
    messages: tuple[Message, ...] = ()
    calls: tuple[ApiCall, ...] = ()
    lines: tuple[LogLine, ...] = ()
    samples: tuple[ResourceSample, ...] = ()
    canaries: tuple[Canary, ...] = ()
    finds: tuple[LeakFinding, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)
    ended_at: float = 0.0
