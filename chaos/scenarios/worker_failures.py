"""Worker and engine failures: kills at failpoints and at random, hangs, suspensions."""

import os
import signal
import time
from collections.abc import Iterator
from typing import Final

from redis import Redis

from chaos.checker.expectations import Bounds
from chaos.cluster.cluster import LEASE_SECONDS
from chaos.fault_loop import FaultLoop
from chaos.load import LONG_QUESTION, Question
from chaos.recovery import find_held_jobs, question_job_id
from chaos.run import DoomedProcess, ScenarioRun
from chaos.scenario import Scenario
from contract import keys
from testing.process_tree import list_children, read_command
from testing.processes import Process
from worker.failpoints import Failpoint

MAX_RECOVERY_SECONDS: Final = LEASE_SECONDS + 5
"""Time until another worker must have continued: the lease, and five seconds."""
HANG_SECONDS: Final = 30.0
"""Time without a step after which a worker kills its engine."""
ATTEMPT_TIMEOUT_SECONDS: Final = 45.0
"""Time until a poison job must have another attempt or its end."""
MAX_POLLS: Final = 100
"""Polls of an attempt counter before the watcher looks for the end."""
POLL_SECONDS: Final = 0.003
"""Interval between two polls: a short reply is generated in less than 0.1 s."""
VICTIM_COUNT: Final = 5
"""Workers that die at a failpoint, at scale 1."""
MAX_EXTRA_ROUNDS: Final = 10
"""Extra rounds of questions at most until all victims are dead."""
DEATH_WAIT_SECONDS: Final = 2.0
"""Wait for a victim's death before more questions are asked."""
LOADED_EVENT: Final = "model loaded"
MIN_KILLS: Final = 2
"""Workers that must die in a run with random kills."""
MAX_GENERATION_ATTEMPTS: Final = 3
"""Generation attempts that a question may have."""


def kill_at_failpoint(
    name: str, alias: str, moment: str, point: Failpoint, latest: int = 2
) -> Scenario:
    """
    Return the scenario in which workers die at a failpoint while one survives.

    Each dies the first to `latest`-th time that it reaches the failpoint.
    """

    def kill_workers(run: ScenarioRun) -> None:
        hit_numbers = [
            run.rng.randint(1, latest) for _ in range(max(1, int(VICTIM_COUNT * run.scale)))
        ]
        victims = [
            run.cluster.start_worker(f"{point}:kill:{hit_number}") for hit_number in hit_numbers
        ]
        for victim in victims:
            victim.wait_for_event("model loaded", timeout=120)
        doomed = [DoomedProcess(run, victim) for victim in victims]
        run.ask_questions(run.scale_count(40, 16))
        for _ in range(MAX_EXTRA_ROUNDS):
            if all(doomed_process.wait_for_death(DEATH_WAIT_SECONDS) for doomed_process in doomed):
                break
            run.ask_questions(run.scale_count(10, 4))
        alive = [one for one in doomed if not one.wait_or_kill()]
        if alive:
            run.failures.append(f"{len(alive)} workers did not die at {point}")
        run.wait_for_replies()
        check_retry_notices(run)

    return Scenario(
        name,
        alias,
        f"worker killed {moment}",
        kill_workers,
        max_recovery_seconds=MAX_RECOVERY_SECONDS,
    )


def check_retry_notices(run: ScenarioRun) -> None:
    """Fail the run unless each question with a second attempt showed the retry notice."""
    with run.cluster.connect_redis() as redis:
        attempts = {
            q: redis.hget(f"rq:job:{question_job_id(q)}", keys.ATTEMPTS) for q in run.questions
        }
    retried = [question for question, count in attempts.items() if int(count or 0) > 1]
    unannounced = [question for question in retried if not run.watcher.saw_retry_notice(question)]
    if unannounced:
        run.failures.append(
            f"{len(unannounced)} of {len(retried)} restarted without an explanation"
        )
    run.notes.append(f"{len(retried)} restarted with an explanation")


def kill_on_every_attempt(run: ScenarioRun) -> None:
    """Kill the worker that generates the reply to a poison job, at each attempt."""
    healthy: list[Question] = []
    poisons: list[Question] = []
    for _ in range(run.scale_count(1)):
        healthy += run.ask_questions(run.scale_count(10, 4))
        poisons.append(run.ask_one(LONG_QUESTION))
        for worker in iterate_writers(run, poisons[-1]):
            run.kill_worker(worker)
            healthy += run.ask_questions(run.scale_count(10, 4))
    run.wait_for_replies()
    ended = [run.watcher.wait_for_state(question, "error") for question in poisons]
    if not all(ended):
        run.failures.append(f"{ended.count(False)} poison jobs without an error")
    punished = [question for question in healthy if run.watcher.wait_for_state(question, "error")]
    if punished:
        run.failures.append(f"{len(punished)} healthy questions ended as errors")
    if run.faults["worker killed"] > MAX_GENERATION_ATTEMPTS * len(poisons):
        run.failures.append("a poison job had too many attempts")
    run.notes.append(f"{len(poisons)} poisons")


def iterate_writers(run: ScenarioRun, question: Question) -> Iterator[Process]:
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


def kill_and_hang_engines(run: ScenarioRun) -> None:
    """Kill each worker's engine, then hang one until its worker kills it."""
    for worker in list(run.cluster.workers):
        run.ask_questions(run.scale_count(16, 6))
        os.kill(engine_pid(worker), signal.SIGKILL)
        run.faults["engine killed"] += 1
        worker.wait_for_event("engine_ended")
    run.wait_for_replies()
    worker = run.cluster.workers[0]
    hung = engine_pid(worker)
    os.kill(hung, signal.SIGSTOP)
    started_at = time.monotonic()
    run.faults["engine hung"] += 1
    run.ask_questions(run.scale_count(24, 10), seconds=2)
    worker.wait_for_event("engine_hangs", timeout=HANG_SECONDS + 20)
    run.notes.append(f"hung engine killed after {time.monotonic() - started_at:.1f} s")


def engine_pid(worker: Process) -> int:
    """Return the process id of a worker's engine."""
    return next(pid for pid in list_children(worker.pid) if "worker.engine" in read_command(pid))


def pause_workers(run: ScenarioRun) -> None:
    """Suspend a worker for two and a half leases and resume it, several times."""
    for _ in range(run.scale_count(3)):
        victim = run.rng.choice(run.cluster.workers)
        run.ask_questions(run.scale_count(20, 8))
        os.killpg(victim.pid, signal.SIGSTOP)
        run.faults["SIGSTOP"] += 1
        run.ask_questions(run.scale_count(15, 5), seconds=2.5 * LEASE_SECONDS)
        os.killpg(victim.pid, signal.SIGCONT)
        run.wait_for_replies()
    lost = sum("job lost to another worker" in worker.log_text for worker in run.cluster.processes)
    run.notes.append(f"{lost} resumed workers found their jobs taken over")


def kill_workers_randomly(run: ScenarioRun) -> None:
    """Kill a random worker every four seconds while another one has its model loaded."""
    cluster = run.cluster

    def kill_ready_worker() -> None:
        # The survivor must have its model: loading one depends on the machine's load and would
        # count as recovery time.
        ready = [worker for worker in cluster.workers if LOADED_EVENT in worker.log_text]
        if len(ready) > 1:
            run.kill_worker(run.rng.choice(ready))

    with FaultLoop(run.rng, 4.0, kill_ready_worker):
        run.ask_questions(run.scale_count(150), seconds=max(20 * run.scale, 12))
        for _ in range(MAX_EXTRA_ROUNDS):
            if run.faults["worker killed"] < MIN_KILLS:
                run.ask_questions(run.scale_count(10, 4), seconds=2.0)
    run.cluster.restore_processes()
    run.wait_for_replies()
    check_retry_notices(run)


FAILPOINT_SCENARIOS: Final = (
    kill_at_failpoint(
        "worker-killed-after-dequeue", "W1", "right after dequeue", Failpoint.DEQUEUED
    ),
    kill_at_failpoint(
        "worker-killed-before-placeholder",
        "W2",
        "before the placeholder",
        Failpoint.BEFORE_PLACEHOLDER,
    ),
    kill_at_failpoint(
        "worker-killed-after-placeholder",
        "W3",
        "between placeholder and its record",
        Failpoint.AFTER_PLACEHOLDER_POST,
    ),
    kill_at_failpoint(
        "worker-killed-while-generating", "W4", "while generating", Failpoint.GENERATING, 9
    ),
    kill_at_failpoint(
        "worker-killed-before-final-post",
        "W5",
        "after generation, before the final",
        Failpoint.AFTER_ANSWER_SAVED,
    ),
    kill_at_failpoint(
        "worker-killed-after-final-post",
        "W6",
        "after the final, before its record",
        Failpoint.AFTER_FINAL,
    ),
)
WORKER_FAILURES: Final = (
    Scenario(
        "worker-killed-on-every-attempt",
        "W7",
        "poison job: its worker dies at each attempt",
        kill_on_every_attempt,
    ),
    Scenario(
        "engine-killed-or-hung",
        "W11",
        "engine killed under its worker, and hung",
        kill_and_hang_engines,
    ),
    Scenario(
        "worker-paused-past-lease",
        "W13",
        "worker suspended for 2.5 leases, then resumed",
        pause_workers,
        Bounds(max_end_seconds=90.0, max_late_edits=1),
    ),
)
RANDOM_KILLS: Final = Scenario(
    "workers-killed-at-random",
    "W*",
    "worker killed every 4 s",
    kill_workers_randomly,
    max_recovery_seconds=MAX_RECOVERY_SECONDS,
)
