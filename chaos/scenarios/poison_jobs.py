"""Poison jobs: questions whose worker or engine dies at every generation attempt."""

import os
import signal
import time
from collections.abc import Iterator
from itertools import cycle
from typing import Final

from redis import Redis

from chaos.load import LONG_QUESTION, Question
from chaos.recovery import find_held_jobs, question_job_id
from chaos.run import ScenarioRun
from chaos.scenario import Scenario
from contract import keys
from testing.process_tree import find_engine
from testing.processes import Process

MAX_GENERATION_ATTEMPTS: Final = 3
"""Generation attempts that a question may have."""
ATTEMPT_TIMEOUT_SECONDS: Final = 45.0
"""Time until a poison job must have another attempt or its end."""
MAX_POLLS: Final = 100
"""Polls of an attempt counter before the watcher looks for the end."""
POLL_SECONDS: Final = 0.003
"""Interval between two polls: a short reply is generated in less than 0.1 s."""
FATAL_SIGNALS: Final = (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT)
"""Signals of the OOM killer, a segmentation fault and a failed assertion."""


def kill_on_every_attempt(run: ScenarioRun) -> None:
    """Kill the worker that generates the reply to a poison job, at each attempt."""
    healthy: list[Question] = []
    poisons: list[Question] = []
    for _ in range(run.scale_count(1)):
        healthy += run.ask_questions(run.scale_count(10, 4))
        poisons.append(run.ask_one(LONG_QUESTION))
        for worker in _iterate_writers(run, poisons[-1]):
            run.kill_worker(worker)
            healthy += run.ask_questions(run.scale_count(10, 4))
    _check_poisons(run, poisons, healthy)


def _iterate_writers(run: ScenarioRun, question: Question) -> Iterator[Process]:
    """Yield the worker of each generation attempt until the question is answered or failed."""
    attempts = 0
    while (writer := _wait_for_attempt(run, question, attempts)) is not None:
        attempts += 1
        yield writer


def _wait_for_attempt(run: ScenarioRun, question: Question, attempts: int) -> Process | None:
    """Return the worker of the next attempt, `None` if the question has ended instead."""
    deadline = time.monotonic() + ATTEMPT_TIMEOUT_SECONDS
    with run.cluster.connect_redis() as redis:
        while time.monotonic() < deadline and run.watcher.find_open([question]):
            if _has_new_attempt(redis, question, attempts) and (
                writer := _find_writer(run, question)
            ):
                return writer
    return None


def _has_new_attempt(redis: Redis, question: Question, attempts: int) -> bool:
    """Poll a while for more than this many generation attempts."""
    key = f"rq:job:{question_job_id(question)}"
    for _ in range(MAX_POLLS):
        if int(redis.hget(key, keys.ATTEMPTS) or 0) > attempts:
            return True
        time.sleep(POLL_SECONDS)
    return False


def _find_writer(run: ScenarioRun, question: Question) -> Process | None:
    job = question_job_id(question)
    return next((worker for worker in run.cluster.workers if job in find_held_jobs(worker)), None)


def crash_engine_repeatedly(run: ScenarioRun) -> None:
    """Kill the engine by another signal at each attempt to answer a poison job."""
    signals = cycle(run.rng.sample(FATAL_SIGNALS, len(FATAL_SIGNALS)))
    healthy: list[Question] = []
    poisons: list[Question] = []
    for _ in range(run.scale_count(1)):
        healthy += run.ask_questions(run.scale_count(10, 4))
        poisons.append(run.ask_one(LONG_QUESTION))
        for worker in _iterate_writers(run, poisons[-1]):
            fatal_signal = next(signals)
            os.kill(find_engine(worker.pid), fatal_signal)
            run.faults[fatal_signal.name] += 1
            worker.wait_for_event("engine_ended")
            healthy += run.ask_questions(run.scale_count(4, 2))
    _check_poisons(run, poisons, healthy)


def _check_poisons(run: ScenarioRun, poisons: list[Question], healthy: list[Question]) -> None:
    """Check that each poison job ended with an error in time, and that no other question did."""
    run.wait_for_replies()
    without_error = [q for q in poisons if not run.watcher.wait_for_state(q, "error")]
    if without_error:
        run.failures.append(f"{len(without_error)} poison jobs without an error")
    if run.faults.total() > MAX_GENERATION_ATTEMPTS * len(poisons):
        run.failures.append("a poison job had too many attempts")
    punished = [question for question in healthy if run.watcher.wait_for_state(question, "error")]
    if punished:
        run.failures.append(f"{len(punished)} healthy questions ended as errors")
    run.notes.append(f"{len(poisons)} poison jobs, {len(healthy)} other questions")


POISON_JOBS: Final = (
    Scenario(
        "worker-killed-on-every-attempt",
        "W7",
        "poison job: its worker dies at each attempt",
        kill_on_every_attempt,
    ),
    Scenario(
        "engine-crashes-on-every-attempt",
        "W8",
        "poison job: its engine dies by another signal at each attempt",
        crash_engine_repeatedly,
    ),
)
