"""Worker failures: kills at failpoints and at random, and suspensions past the lease."""

import os
import signal
from typing import Final

from chaos.checker.expectations import Bounds
from chaos.cluster.cluster import LEASE_SECONDS, LOAD_TIMEOUT_SECONDS, LOADED_EVENT
from chaos.fault_loop import FaultLoop
from chaos.recovery import question_job_id
from chaos.run import DoomedProcess, ScenarioRun
from chaos.scenario import Scenario
from contract import keys
from contract.usage import REPLIES
from testing.worker_harness import TEAM
from worker.failpoints import Failpoint

MAX_RECOVERY_SECONDS: Final = LEASE_SECONDS + 5
"""Time until another worker must have continued: the lease, and five seconds."""
VICTIM_COUNT: Final = 5
"""Workers that die at a failpoint, at scale 1."""
MAX_EXTRA_ROUNDS: Final = 10
"""Extra rounds of questions at most until all victims are dead."""
DEATH_WAIT_SECONDS: Final = 2.0
"""Wait for a victim's death before more questions are asked."""
MIN_KILLS: Final = 2
"""Workers that must die in a run with random kills."""


def kill_at_failpoint(
    name: str, alias: str, moment: str, point: Failpoint, latest: int = 2
) -> Scenario:
    """
    Return the scenario in which workers die at a failpoint while one survives.

    Each dies the first to `latest`-th time that it reaches the failpoint.
    """

    def kill_workers(run: ScenarioRun) -> None:
        charged = count_charged_replies(run)
        hit_numbers = [
            run.rng.randint(1, latest) for _ in range(max(1, int(VICTIM_COUNT * run.scale)))
        ]
        victims = [
            run.cluster.start_worker(f"{point}:kill:{hit_number}") for hit_number in hit_numbers
        ]
        for victim in victims:
            victim.wait_for_event(LOADED_EVENT, timeout=LOAD_TIMEOUT_SECONDS)
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
        check_charges(run, charged)

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


def count_charged_replies(run: ScenarioRun) -> int:
    """Return how many replies were charged to the team so far."""
    with run.cluster.connect_redis() as redis:
        days = list(redis.scan_iter(f"{keys.team_usage(TEAM)}:*"))
        return sum(int(redis.hget(day, REPLIES) or 0) for day in days)


def check_charges(run: ScenarioRun, charged_before: int) -> None:
    """Fail the run unless each question was charged once, however often it was generated."""
    charged = count_charged_replies(run) - charged_before
    if charged != len(run.questions):
        run.failures.append(f"{charged} charged of {len(run.questions)} replies")


def pause_workers(run: ScenarioRun) -> None:
    """Suspend a worker for two and a half leases and resume it, several times."""
    charged = count_charged_replies(run)
    for _ in range(run.scale_count(3)):
        victim = run.rng.choice(run.cluster.workers)
        run.ask_questions(run.scale_count(20, 8))
        os.killpg(victim.pid, signal.SIGSTOP)
        run.faults["SIGSTOP"] += 1
        run.ask_questions(run.scale_count(15, 5), seconds=2.5 * LEASE_SECONDS)
        os.killpg(victim.pid, signal.SIGCONT)
        run.wait_for_replies()
    check_charges(run, charged)
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
WORKER_PAUSED: Final = Scenario(
    "worker-paused-past-lease",
    "W13",
    "worker suspended for 2.5 leases, then resumed",
    pause_workers,
    Bounds(max_end_seconds=90.0, max_late_edits=1),
)
RANDOM_KILLS: Final = Scenario(
    "workers-killed-at-random",
    "W*",
    "worker killed every 4 s",
    kill_workers_randomly,
    max_recovery_seconds=MAX_RECOVERY_SECONDS,
)
