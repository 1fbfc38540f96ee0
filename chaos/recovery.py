"""Pure but for reading logs: how long it took until what had died was going on again."""

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from chaos.checker.history import ENDS, History, Message, State
from chaos.load import Question
from contract.job import job_id
from testing.processes import Process
from testing.worker_harness import TEAM

OVER: Final = frozenset({"job ended", "job given back", "job lost to another worker"})
AT_WORK: Final = ENDS | {State.GROWING}


@dataclass(frozen=True, slots=True)
class Death:
    """When something died; of a worker, also the jobs that it held."""

    at: float
    held: frozenset[str] | None = None


def held(worker: Process) -> frozenset[str]:
    """Return the jobs that a worker had taken and not let go, by its log."""
    jobs: set[str] = set()
    for line in events(worker):
        if line.get("event") == "job taken":
            jobs.add(line["job"])
        elif line.get("event") in OVER:
            jobs.discard(line["job"])
    return frozenset(jobs)


def events(process: Process) -> Iterator[dict[str, str]]:
    """Yield what a process has logged."""
    for line in list(process.lines):
        with contextlib.suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict):
                yield found


def job_of(question: Question) -> str:
    """Return the id of the job that a question becomes."""
    return job_id(TEAM, question.channel, question.ts)


def recoveries(
    deaths: Iterable[Death], questions: Sequence[Question], history: History
) -> list[float]:
    """Return after how many seconds each thing that a death had stopped went on again."""
    return [
        seconds
        for death in deaths
        for moments in _stopped(death, questions, history)
        for seconds in _first(death.at, moments)
    ]


def _stopped(
    death: Death, questions: Sequence[Question], history: History
) -> Iterator[Iterator[float]]:
    """Yield, for each thing that stopped with this death, the moments at which it went on."""
    if death.held is None:
        yield _moments(history)
        return
    for question in questions:
        if job_of(question) in death.held:
            yield _work(history.messages, question)


def _first(after: float, moments: Iterable[float]) -> list[float]:
    later = [moment - after for moment in moments if moment > after]
    return [min(later)] if later else []


def _moments(history: History) -> Iterator[float]:
    for mention in history.mentions:
        yield from (d.acknowledged_at for d in mention.deliveries if d.acknowledged_at)
    for message in history.messages:
        yield from (version.at for version in message.versions)


def _work(messages: Iterable[Message], question: Question) -> Iterator[float]:
    for message in messages:
        for version in message.versions:
            if version.question == question.ts and version.state in AT_WORK:
                yield version.at
