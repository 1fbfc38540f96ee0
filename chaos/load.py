"""People who ask: questions in threads, dealt by the dice, each with a token of its own."""

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from chaos.checker.collector import token
from chaos.cluster.cluster import Stage
from testing import memorizing_model
from testing.workspace import RefusedError

LONG: Final = " ".join([memorizing_model.ENDLESS] * 8)
"""A question whose reply goes on until it has reached its limit."""
MOMENT: Final = 0.25
"""Seconds between two questions of one person in one thread."""
QUESTIONS: Final = (
    memorizing_model.MUTEX,
    memorizing_model.REVERSE,
    memorizing_model.COUNT,
    memorizing_model.GREET,
    LONG,
)


@dataclass(frozen=True, slots=True)
class Question:
    """One mention; `thread` is the ts of its thread's root, which may be its own."""

    ts: str
    channel: str
    thread: str
    person: str
    token: str
    asked_at: float


class Crowd:
    """The people of a stage, who ask as the dice say."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self._stage = stage
        self._seed = seed
        self._numbers = count(1)

    def ask(
        self,
        text: str,
        *,
        person: str | None = None,
        channel: str | None = None,
        after: Question | None = None,
    ) -> Question:
        """Ask one question, in a thread of its own or `after` an earlier one."""
        stage = self._stage
        person = person or stage.people[0]
        channel = after.channel if after else channel or stage.channels[0]
        root = after.thread if after else None
        word = token(next(self._numbers), self._seed)
        asked_at = time.monotonic()
        ts = stage.workspace.post(person, channel, f"@StarChat {text} {word}", root)
        return Question(ts, channel, root or ts, person, word, asked_at)

    def threads(self, dice: random.Random, lengths: Sequence[int]) -> Iterator[Question]:
        """
        Let threads of these lengths grow side by side; nobody waits for a reply.

        A thread that is gone grows no further.
        """
        stage = self._stage
        places = [(dice.choice(stage.people), dice.choice(stage.channels)) for _ in lengths]
        last: dict[int, Question] = {}
        for turn in range(max(lengths, default=0)):
            growing = [number for number, length in enumerate(lengths) if turn < length]
            for number in growing:
                text, after = dice.choice(QUESTIONS), last.get(number)
                asked = self._further(text, *places[number], after)
                if asked is not None:
                    last[number] = asked
                    yield asked

    def _further(
        self, text: str, person: str, channel: str, after: Question | None
    ) -> Question | None:
        """Ask in a thread that grows; `None` where its root was deleted before anybody answered."""
        _type(after)
        try:
            return self.ask(text, person=person, channel=channel, after=after)
        except RefusedError as refusal:
            if refusal.error != "thread_not_found":
                raise
            return None


def _type(after: Question | None) -> None:
    """Take as long as a person needs at least for a further question."""
    if after is not None:
        time.sleep(max(0.0, after.asked_at + MOMENT - time.monotonic()))


def dealt(dice: random.Random, questions: int, longest: int = 3) -> Sequence[int]:
    """Return the lengths of threads that hold so many questions together."""
    lengths: list[int] = []
    while questions > 0:
        lengths.append(min(questions, dice.randint(1, longest)))
        questions -= lengths[-1]
    return lengths
