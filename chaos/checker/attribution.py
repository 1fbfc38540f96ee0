"""
Attribution: the mention that each of the app's messages answers.

The message's metadata names it. Without metadata, it is the question whose token the message
repeats, else the youngest mention above the message in its thread. Pure functions.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from chaos.checker.history import END_STATES, History, Mention, Message, Place

FIRST_PART = "1"
"""Number of the part that every reply has."""


@dataclass(frozen=True, slots=True)
class Case:
    """A mention and all messages that answered it."""

    mention: Mention
    messages: tuple[Message, ...]

    @property
    def first_parts(self) -> tuple[Message, ...]:
        """First parts: one for each time that the mention was answered."""
        return tuple(
            message for message in self.messages if message.last_version.part == FIRST_PART
        )

    @property
    def final_parts(self) -> tuple[Message, ...]:
        """First parts of replies, errors and notices that are visible at the end."""
        visible = (head for head in self.first_parts if head.deleted_at is None)
        return tuple(head for head in visible if head.last_version.state in END_STATES)

    @property
    def expects_reply(self) -> bool:
        """Whether the question was not deleted."""
        return self.mention.deleted_at is None


@dataclass(frozen=True, slots=True)
class Attribution:
    """All cases in the order of their questions, and the messages that answer no mention."""

    cases: tuple[Case, ...]
    strays: tuple[Message, ...]


class MentionIndex:
    """Index of a run's mentions by timestamp, token and thread."""

    def __init__(self, mentions: Iterable[Mention]) -> None:
        self.ordered = sorted(mentions, key=lambda mention: float(mention.ts))
        self._by_ts = {mention.ts: mention for mention in self.ordered}
        self._by_token = {mention.token: mention for mention in self.ordered}
        self._by_place: defaultdict[Place, list[Mention]] = defaultdict(list)
        for mention in self.ordered:
            self._by_place[mention.place].append(mention)

    def find_mention(self, message: Message) -> Mention | None:
        """Return the mention that a message answers, `None` if it answers none."""
        return (
            self._find_by_metadata(message)
            or self._find_by_token(message)
            or self._find_above(message)
        )

    def _find_by_metadata(self, message: Message) -> Mention | None:
        question_ids = (version.question for version in message.versions)
        return next((self._by_ts[ts] for ts in question_ids if ts in self._by_ts), None)

    def _find_by_token(self, message: Message) -> Mention | None:
        for version in message.versions:
            candidates = [self._by_token[word] for word in version.words if word in self._by_token]
            if candidates:
                return max(candidates, key=lambda m: (m.place == message.place, float(m.ts)))
        return None

    def _find_above(self, message: Message) -> Mention | None:
        in_place = self._by_place.get(message.place, [])
        above = bisect_left(in_place, float(message.ts), key=lambda mention: float(mention.ts))
        return in_place[above - 1] if above else None


def attribute_messages(history: History) -> Attribution:
    """Assign each of the app's messages to the mention that it answers."""
    mentions = MentionIndex(history.mentions)
    messages_by_mention: defaultdict[str | None, list[Message]] = defaultdict(list)
    for message in sorted(history.messages, key=lambda message: float(message.ts)):
        mention = mentions.find_mention(message)
        messages_by_mention[None if mention is None else mention.ts].append(message)
    cases = tuple(
        Case(mention, tuple(messages_by_mention[mention.ts])) for mention in mentions.ordered
    )
    return Attribution(cases, tuple(messages_by_mention[None]))
