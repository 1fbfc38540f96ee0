"""One row while it is played: who asks, what breaks, and what became of it."""

import contextlib
import random
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Final

from tests.chaos.asking import Crowd, Question, dealt
from tests.chaos.following import Following
from tests.chaos.history import History
from tests.chaos.recovery import Death, held
from tests.chaos.stage import Stage
from tests.support.processes import Process

LONGEST: Final = 60.0
"""Seconds that a row waits for its last reply."""


@dataclass(slots=True)
class Trial:
    """What a row may do to its stage, and what it has done."""

    stage: Stage
    crowd: Crowd
    dice: random.Random
    scale: float = 1.0
    questions: list[Question] = field(default_factory=list)
    deleted: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    faults: Counter[str] = field(default_factory=Counter)
    deaths: list[Death] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """What a row itself found wrong, beside the invariants."""
    began: float = field(default_factory=time.monotonic)
    following: Following = field(init=False)

    def __post_init__(self) -> None:
        self.following = Following(self.stage.workspace)

    def many(self, count: int, least: int = 1) -> int:
        """Return a count at this run's scale."""
        return max(least, round(count * self.scale))

    def ask(self, count: int, *, over: float = 0.0, together: int = 16) -> list[Question]:
        """
        Let people ask so many questions in threads, spread over so many seconds.

        So many threads grow `together`: a person needs a moment between two questions.
        """
        asked: list[Question] = []
        lengths = dealt(self.dice, count)
        for some in (lengths[at : at + together] for at in range(0, len(lengths), together)):
            for question in self.crowd.threads(self.dice, some):
                asked.append(question)
                time.sleep(over / count)
        self.questions += asked
        return asked

    def say(self, text: str, *, person: str | None = None, channel: str | None = None) -> Question:
        """Let somebody ask one question."""
        question = self.crowd.ask(text, person=person, channel=channel)
        self.questions.append(question)
        return question

    def settle(self, within: float = LONGEST) -> list[Question]:
        """Wait until every question has its end; return those that have none and never will."""
        wanted = [q for q in self.questions if not {q.ts} & (self.deleted | self.silent)]
        left = self.following.wait(wanted, min(within, self.stage.cast.patience))
        self.silent |= {question.ts for question in left}
        return left

    def kill_worker(self, victim: Process | None = None, *, replaced: bool = True) -> None:
        """Kill a worker at once; another one starts in its place."""
        stage = self.stage
        victim = victim or self.dice.choice(stage.workers)
        at = stage.drop(victim)
        self.faults["worker killed"] += 1
        self.deaths.append(Death(at, held(victim)))
        if replaced:
            stage.worker()

    def kill_bot(self) -> None:
        """Kill a bot at once; another one starts in its place."""
        at = self.stage.drop(self.dice.choice(self.stage.bots))
        self.faults["bot killed"] += 1
        self.deaths.append(Death(at))
        self.stage.bot()

    def kill_redis(self, away: float = 0.0) -> None:
        """Kill the Redis server; it starts again after so many seconds."""
        self.stage.redis.kill()
        self.faults["redis killed"] += 1
        time.sleep(away)
        self.stage.redis.restart()
        self.deaths.append(Death(time.monotonic()))

    def expect_death(self, victim: Process, within: float = 60.0) -> bool:
        """Wait until a process dies by a fault of its own; say whether it did."""
        with contextlib.suppress(Exception):
            victim.wait(within)
            at = self.stage.drop(victim)
            self.faults["worker killed" if victim.room != "bot" else "bot killed"] += 1
            self.deaths.append(Death(at, held(victim) if victim.room != "bot" else None))
            return True
        self.stage.drop(victim)
        return False


def restricted(history: History, trial: Trial) -> History:
    """Return the part of a stage's history that belongs to one row."""
    asked = {question.ts for question in trial.questions}
    threads = {(question.channel, question.thread) for question in trial.questions}
    return replace(
        history,
        mentions=tuple(m for m in history.mentions if m.ts in asked),
        messages=tuple(m for m in history.messages if (m.place.channel, m.place.thread) in threads),
        calls=tuple(call for call in history.calls if call.at >= trial.began),
    )
