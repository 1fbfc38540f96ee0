"""Recovery times: from the death of a process until its interrupted work continues."""

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from chaos.checker.history import END_STATES, History, Message, State
from chaos.load import Question
from contract.job import job_id
from testing.processes import Process
from testing.worker_harness import TEAM

END_EVENTS: Final = frozenset({"job ended", "job requeued", "job lost to another worker"})
"""Log events with which a worker ceases to hold a job."""
PROGRESS_STATES: Final = END_STATES | {State.GROWING}
"""Message states that show progress of a generation."""


@dataclass(frozen=True, slots=True)
class Death:
    """Death of a process, and the jobs that it held if it was a worker."""

    at: float
    held_jobs: frozenset[str] | None = None


def find_held_jobs(worker: Process) -> frozenset[str]:
    """Return the ids of the jobs that a worker holds, by its log."""
    jobs: set[str] = set()
    for line in parse_log(worker):
        if line.get("event") == "job claimed":
            jobs.add(line["job"])
        elif line.get("event") in END_EVENTS:
            jobs.discard(line["job"])
    return frozenset(jobs)


def parse_log(process: Process) -> Iterator[dict[str, str]]:
    """Yield a process's log lines as parsed JSON objects."""
    for line in list(process.lines):
        with contextlib.suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict):
                yield found


def question_job_id(question: Question) -> str:
    """Return the job id of a question."""
    return job_id(TEAM, question.channel, question.ts)


def measure_recoveries(
    deaths: Iterable[Death], questions: Sequence[Question], history: History
) -> list[float]:
    """Return the seconds from each death until each interrupted piece of work continued."""
    return [
        seconds
        for death in deaths
        for moments in _resumption_times(death, questions, history)
        for seconds in _first_after(death.at, moments)
    ]


def _resumption_times(
    death: Death, questions: Sequence[Question], history: History
) -> Iterator[Iterator[float]]:
    """Yield, for each piece of work that a death interrupted, the times of its progress."""
    if death.held_jobs is None:
        yield _activity_times(history)
        return
    for question in questions:
        if question_job_id(question) in death.held_jobs:
            yield _progress_times(history.messages, question)


def _first_after(after: float, moments: Iterable[float]) -> list[float]:
    later = [moment - after for moment in moments if moment > after]
    return [min(later)] if later else []


def _activity_times(history: History) -> Iterator[float]:
    for mention in history.mentions:
        yield from (d.acknowledged_at for d in mention.deliveries if d.acknowledged_at)
    for message in history.messages:
        yield from (version.at for version in message.versions)


def _progress_times(messages: Iterable[Message], question: Question) -> Iterator[float]:
    for message in messages:
        for version in message.versions:
            if version.question == question.ts and version.state in PROGRESS_STATES:
                yield version.at
