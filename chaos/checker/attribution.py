"""
Pure: which message of ours answers which mention.

Our own metadata says so. Where a bot has none, the question's token in the reply does, and a
message without a token belongs to the youngest mention above it in its thread.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from chaos.checker.history import ENDS, History, Mention, Message, Place

HEAD = "1"
"""The part that every reply has."""


@dataclass(frozen=True, slots=True)
class Case:
    """A mention and all that was ever said to it."""

    mention: Mention
    messages: tuple[Message, ...]

    @property
    def heads(self) -> tuple[Message, ...]:
        """The first parts: one for each time that the mention was answered."""
        return tuple(message for message in self.messages if message.last.part == HEAD)

    @property
    def ends(self) -> tuple[Message, ...]:
        """The replies and errors that still stand in the end."""
        left = (head for head in self.heads if head.deleted_at is None)
        return tuple(head for head in left if head.last.state in ENDS)

    @property
    def wanted(self) -> bool:
        """Whether the question still stands."""
        return self.mention.deleted_at is None


@dataclass(frozen=True, slots=True)
class Attribution:
    """All cases by the time of the question, and the messages that answer no mention."""

    cases: tuple[Case, ...]
    strays: tuple[Message, ...]


class Mentions:
    """The mentions of a run, to be found by what a message says of itself."""

    def __init__(self, mentions: Iterable[Mention]) -> None:
        self.ordered = sorted(mentions, key=lambda mention: float(mention.ts))
        self._by_ts = {mention.ts: mention for mention in self.ordered}
        self._by_token = {mention.token: mention for mention in self.ordered}
        self._by_place: defaultdict[Place, list[Mention]] = defaultdict(list)
        for mention in self.ordered:
            self._by_place[mention.place].append(mention)

    def answered(self, message: Message) -> Mention | None:
        """Return the mention that a message answers, None where there is none."""
        return self._named(message) or self._quoted(message) or self._above(message)

    def _named(self, message: Message) -> Mention | None:
        names = (version.question for version in message.versions)
        return next((self._by_ts[ts] for ts in names if ts in self._by_ts), None)

    def _quoted(self, message: Message) -> Mention | None:
        for version in message.versions:
            quoted = [self._by_token[word] for word in version.words if word in self._by_token]
            if quoted:
                return max(quoted, key=lambda m: (m.place == message.place, float(m.ts)))
        return None

    def _above(self, message: Message) -> Mention | None:
        there = self._by_place.get(message.place, [])
        above = bisect_left(there, float(message.ts), key=lambda mention: float(mention.ts))
        return there[above - 1] if above else None


def attributed(history: History) -> Attribution:
    """Give every message of ours to the mention that it answers."""
    mentions = Mentions(history.mentions)
    given: defaultdict[str | None, list[Message]] = defaultdict(list)
    for message in sorted(history.messages, key=lambda message: float(message.ts)):
        mention = mentions.answered(message)
        given[None if mention is None else mention.ts].append(message)
    cases = tuple(Case(mention, tuple(given[mention.ts])) for mention in mentions.ordered)
    return Attribution(cases, tuple(given[None]))
