"""One row while it is played: who asks, what breaks, and what became of it."""

import os
import random
import select
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Final

from chaos.checker.history import History
from chaos.cluster.cluster import Stage
from chaos.load import Crowd, Question, dealt
from chaos.recovery import Death, held
from chaos.watcher import Following
from contract.job import QUEUE
from testing.processes import Process

UNCLAIMED: Final = f"rq:queue:{QUEUE}:intermediate"
SIDE: Final = 16
"""Threads that grow side by side."""
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
    excused: set[str] = field(default_factory=set)
    """Questions that nobody may answer, as Slack has it."""
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

    def ask(self, count: int, *, over: float = 0.0) -> list[Question]:
        """Let people ask so many questions in threads, spread over so many seconds."""
        asked: list[Question] = []
        lengths = dealt(self.dice, count)
        for some in (lengths[at : at + SIDE] for at in range(0, len(lengths), SIDE)):
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
        unwanted = self.deleted | self.silent | self.excused
        wanted = [q for q in self.questions if q.ts not in unwanted]
        left = self.following.wait(wanted, min(within, self.stage.cast.patience))
        self.silent |= {question.ts for question in left}
        return left

    def kill_worker(self, victim: Process | None = None, *, replaced: bool = True) -> None:
        """Kill a worker at once; another one starts in its place."""
        stage = self.stage
        victim = victim or self.dice.choice(stage.workers)
        at = stage.drop(victim)
        self.faults["worker killed"] += 1
        self.deaths.append(Death(at, held(victim) | self.unclaimed()))
        if replaced:
            stage.worker()

    def unclaimed(self) -> frozenset[str]:
        """Return the jobs that a worker has taken from the list and not claimed yet."""
        with self.stage.direct() as redis:
            return frozenset(job.decode() for job in redis.lrange(UNCLAIMED, 0, -1))

    def kill_bot(self) -> None:
        """Kill a bot at once; return when another one is there in its place."""
        at = self.stage.drop(self.dice.choice(self.stage.bots))
        self.faults["bot killed"] += 1
        self.deaths.append(Death(at))
        self.stage.bot().wait_for("ready")

    def kill_redis(self, away: float = 0.0) -> None:
        """Kill the Redis server; it starts again after so many seconds."""
        self.stage.redis.kill()
        self.faults["redis killed"] += 1
        time.sleep(away)
        self.stage.redis.restart()
        self.deaths.append(Death(time.monotonic()))


class Doomed:
    """A process that will die by a fault of its own; notes when, and what it held then."""

    def __init__(self, trial: Trial, victim: Process) -> None:
        """Watch from now on."""
        self._trial = trial
        self._victim = victim
        self._end = os.pidfd_open(victim.pid)
        self._watch = threading.Thread(target=self._wait, name="doomed", daemon=True)
        self._watch.start()

    def dead(self, within: float = 0.0) -> bool:
        """Wait for the death and say whether it came; where it did not, the process goes on."""
        self._watch.join(within)
        return not self._watch.is_alive()

    def died(self, within: float = 30.0) -> bool:
        """Wait for the death; end the process where it does not come. Say whether it came."""
        dead = self.dead(within)
        self._trial.stage.drop(self._victim)
        self._watch.join()
        if not dead:
            self._trial.deaths.pop()
        return dead

    def _wait(self) -> None:
        # Its children may live a little longer, and with them its log.
        select.select([self._end], [], [])
        os.close(self._end)
        trial, victim, at = self._trial, self._victim, time.monotonic()
        of_worker = victim.room == trial.stage.cast.worker
        jobs = trial.unclaimed() if of_worker else None
        trial.stage.drop(victim)
        trial.deaths.append(Death(at, held(victim) | jobs if jobs is not None else None))
        trial.faults[f"{victim.room} killed"] += 1


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
