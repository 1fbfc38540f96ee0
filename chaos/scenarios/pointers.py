"""Pointers to earlier answers, and *Answer anyway*, beside the deaths of a worker."""

from collections.abc import Sequence
from typing import Final

from chaos.checker.history import State
from chaos.load import Question
from chaos.run import DoomedProcess, ScenarioRun
from chaos.scenario import Scenario
from chaos.scenarios.reworks import (
    BOUNDS,
    END_SECONDS,
    press_button,
    read_reply,
    read_versions,
    wait_for_end,
)
from testing import memorizing_model
from testing.earlier_answers import name_earlier_answer
from testing.polling import poll_until
from testing.queue_inspector import find_job
from worker.failpoints import Failpoint

POINTS: Final = (
    (Failpoint.AFTER_ANSWER_SAVED, Failpoint.GENERATING),
    (Failpoint.AFTER_FINAL, Failpoint.AFTER_FINAL),
)
"""Steps at which the worker dies: of a pointer, and of the answer that replaces it."""


def kill_worker_around_pointers(run: ScenarioRun) -> None:
    """Kill the worker at steps of a pointer, and of the answer that takes its place."""
    for at_pointer, at_answer in POINTS:
        _stop_workers(run)
        questions = _ask_again(run, run.scale_count(4, 2))
        _die_once(run, at_pointer)
        run.wait_for_replies()
        wait_for_end(run, questions, State.POINTER)
        _stop_workers(run)
        for question in questions:
            press_button(run, question, "anyway_reply")
            press_button(run, question, "anyway_reply", may_fail=True)
        _die_once(run, at_answer)
        wait_for_end(run, questions)
        _check_replies(run, questions)


def _stop_workers(run: ScenarioRun) -> None:
    for worker in list(run.cluster.workers):
        run.cluster.kill_process(worker)


def _ask_again(run: ScenarioRun, count: int) -> list[Question]:
    """Ask questions whose jobs name an earlier answer before a worker takes them."""
    asked = []
    for _ in range(count):
        user, channel = run.rng.choice(run.cluster.users), run.rng.choice(run.cluster.channels)
        question = run.ask_one(memorizing_model.GREET, user=user, channel=channel)
        with run.cluster.connect_redis() as redis:
            job = poll_until(
                lambda question=question, redis=redis: find_job(  # type: ignore[misc]
                    redis, question.channel, question.ts
                ),
                description="the job",
            )
            name_earlier_answer(redis, job.id)
        asked.append(question)
    return asked


def _die_once(run: ScenarioRun, point: Failpoint) -> None:
    """Let one worker die at a point, and others complete its work."""
    doomed = DoomedProcess(run, run.cluster.start_worker(f"{point}:kill:1"))
    if not doomed.wait_or_kill(END_SECONDS):
        run.failures.append(f"no worker died at {point}")
    run.cluster.restore_processes()


def _check_replies(run: ScenarioRun, questions: Sequence[Question]) -> None:
    """Fail the run unless each reply has one message, and one version, which is no pointer."""
    with run.cluster.connect_redis() as redis:
        kept = [read_versions(run, redis, question) for question in questions]
    if not all(present and not previous for present, previous in kept):
        run.failures.append("a reply has not one version")
    if any(len(read_reply(run, question)) != 1 for question in questions):
        run.failures.append("a reply has not one message")


POINTERS: Final = Scenario(
    "worker-killed-around-pointers",
    "V6",
    "worker killed while replies point to earlier answers, and after *Answer anyway*",
    kill_worker_around_pointers,
    BOUNDS,
)
