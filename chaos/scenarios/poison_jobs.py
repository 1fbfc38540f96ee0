"""Poison jobs: questions whose worker or engine dies at every generation attempt."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Final

from redis import Redis

from chaos.checker.expectations import Bounds
from chaos.load import LONG_QUESTION, Question
from chaos.recovery import find_held_jobs, question_job_id
from chaos.run import ScenarioRun
from chaos.scenario import Scenario
from contract import keys
from testing.process_tree import find_engine, wait_until_paused
from testing.processes import Process

MAX_GENERATION_ATTEMPTS: Final = 3
"""Generation attempts that a question may have."""
MAX_ESCAPED_JOBS: Final = 5
"""Poison jobs that may be answered because their worker was killed too late."""
ATTEMPT_TIMEOUT_SECONDS: Final = 90.0
"""Time until a poison job must have another attempt or its end."""
MAX_POLLS: Final = 100
"""Polls of an attempt counter before the watcher looks for the end."""
POLL_SECONDS: Final = 0.003
"""Interval between two polls: a short reply is generated in less than 0.1 s."""
FATAL_SIGNALS: Final = (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT)
"""Signals of the OOM killer, a segmentation fault and a failed assertion."""


def kill_on_every_attempt(run: ScenarioRun) -> None:
    """Kill the worker that generates the reply to a poison job, at each attempt."""
    _run_poison_jobs(run, run.kill_worker)


def crash_engine_repeatedly(run: ScenarioRun) -> None:
    """Kill the engine by another signal at each attempt to answer a poison job."""
    signals = cycle(run.rng.sample(FATAL_SIGNALS, len(FATAL_SIGNALS)))

    def crash_engine(worker: Process) -> None:
        fatal_signal = next(signals)
        os.kill(find_engine(worker.pid), fatal_signal)
        worker.send_signal(signal.SIGCONT)
        run.faults[fatal_signal.name] += 1
        worker.wait_for_event("engine_ended")

    _run_poison_jobs(run, crash_engine)


def _run_poison_jobs(run: ScenarioRun, kill: Callable[[Process], None]) -> None:
    """
    Ask poison jobs among other questions, call `kill` at each attempt, and check their ends.

    `kill` gets a paused worker.

    On a busy machine an attempt may end before it is noticed. Such a job is answered, and another
    one is asked in its place.
    """
    poisons: list[Question] = []
    healthy: list[Question] = []
    for _ in range(run.scale_count(1) + MAX_ESCAPED_JOBS):
        healthy += run.ask_questions(run.scale_count(10, 4))
        question = run.ask_one(LONG_QUESTION)
        for worker in _iterate_writers(run, question):
            kill(worker)
            healthy += run.ask_questions(run.scale_count(7, 3))
        is_answered = run.watcher.wait_for_state(question, "final")
        (healthy if is_answered else poisons).append(question)
        if len(poisons) == run.scale_count(1):
            break
    else:
        run.failures.append("too many poison jobs were answered before their worker died")
    _check_ends(run, poisons, healthy)


def _check_ends(run: ScenarioRun, poisons: list[Question], healthy: list[Question]) -> None:
    """Check that each poison job ended with an error in time, and that no other question did."""
    run.wait_for_replies()
    without_error = [q for q in poisons if not run.watcher.wait_for_state(q, "error")]
    if without_error:
        run.failures.append(f"{len(without_error)} poison jobs without an error")
    with run.cluster.connect_redis() as redis:
        attempts = [_count_attempts(redis, question_job_id(question)) for question in poisons]
    if max(attempts, default=0) > MAX_GENERATION_ATTEMPTS:
        run.failures.append(f"a poison job had {max(attempts)} attempts")
    punished = [question for question in healthy if run.watcher.wait_for_state(question, "error")]
    if punished:
        run.failures.append(f"{len(punished)} healthy questions ended as errors")
    run.notes.append(f"{len(poisons)} poison jobs, {len(healthy)} other questions")


def _iterate_writers(run: ScenarioRun, question: Question) -> Iterator[Process]:
    """Yield the paused worker of each generation attempt until the question has ended."""
    attempts = 0
    while (writer := _wait_for_attempt(run, question, attempts)) is not None:
        attempts += 1
        yield writer


def _wait_for_attempt(run: ScenarioRun, question: Question, attempts: int) -> Process | None:
    """Return the worker of the next attempt, paused; `None` if the question has ended instead."""
    deadline = time.monotonic() + ATTEMPT_TIMEOUT_SECONDS
    with run.cluster.connect_redis() as redis:
        while time.monotonic() < deadline and run.watcher.find_open([question]):
            if (
                _has_new_attempt(redis, question, attempts)
                and (writer := _find_writer(run, question))
                and _pause_in_attempt(redis, question, writer)
            ):
                return writer
    return None


def _pause_in_attempt(redis: Redis, question: Question, worker: Process) -> bool:
    """
    Pause a worker that generates the reply to a question; return whether it still does.

    On a busy machine the attempt may have ended since it was noticed. The worker may then run
    another job's last attempt, which only that job may lose.
    """
    worker.send_signal(signal.SIGSTOP)
    wait_until_paused(worker.pid)
    others = find_held_jobs(worker) - {question_job_id(question)}
    is_over = redis.hexists(f"rq:job:{question_job_id(question)}", keys.ANSWER)
    endangers = any(_count_attempts(redis, job) >= MAX_GENERATION_ATTEMPTS for job in others)
    if is_over or endangers:
        worker.send_signal(signal.SIGCONT)
    return not (is_over or endangers)


def _has_new_attempt(redis: Redis, question: Question, attempts: int) -> bool:
    """Poll a while for more than this many generation attempts."""
    for _ in range(MAX_POLLS):
        if _count_attempts(redis, question_job_id(question)) > attempts:
            return True
        time.sleep(POLL_SECONDS)
    return False


def _find_writer(run: ScenarioRun, question: Question) -> Process | None:
    job = question_job_id(question)
    return next((worker for worker in run.cluster.workers if job in find_held_jobs(worker)), None)


def _count_attempts(redis: Redis, job: str) -> int:
    return int(redis.hget(f"rq:job:{job}", keys.ATTEMPTS) or 0)


BOUNDS: Final = Bounds(max_end_seconds=MAX_GENERATION_ATTEMPTS * ATTEMPT_TIMEOUT_SECONDS)
"""A question may lose its worker at each attempt, and waits for another one each time."""
POISON_JOBS: Final = (
    Scenario(
        "worker-killed-on-every-attempt",
        "W7",
        "poison job: its worker dies at each attempt",
        kill_on_every_attempt,
        BOUNDS,
    ),
    Scenario(
        "engine-crashes-on-every-attempt",
        "W8",
        "poison job: its engine dies by another signal at each attempt",
        crash_engine_repeatedly,
        BOUNDS,
    ),
)
