"""Rows in which workers and engines die, hang or sleep."""

import os
import signal
import time
from typing import Final

from tests.chaos.asking import LONG
from tests.chaos.havoc import Havoc
from tests.chaos.promises import Bounds
from tests.chaos.recovery import held, job_of
from tests.chaos.row import Row
from tests.chaos.stage import LEASE
from tests.chaos.trial import Trial
from tests.support.children import children, command
from tests.support.processes import Process
from worker.faults import Point

HANGS: Final = 30.0
"""Seconds without a step after which a worker takes its engine for hung."""
CAP: Final = 3
"""How often generation may begin for one question."""


def at_point(name: str, what: str, point: Point, latest: int = 4) -> Row:
    """Return the row in which two of three workers die at a point."""

    def act(trial: Trial) -> None:
        faults = [f"{point}:kill:{trial.dice.randint(1, latest)}" for _ in range(2)]
        victims = [trial.stage.worker(fault) for fault in faults]
        for victim in victims:
            victim.wait_for("model loaded", within=120)
        trial.ask(trial.many(40, 12))
        for victim in victims:
            if not trial.expect_death(victim, 20.0):
                trial.broken.append(f"no worker died at {point}")

    return Row(name, f"worker killed {what}", act)


def poison(trial: Trial) -> None:
    """Kill whichever worker generates the reply to one of two questions, as often as it tries."""
    trial.ask(trial.many(20, 6))
    poisons = [trial.say(LONG) for _ in range(trial.many(2))]
    asked = trial.ask(trial.many(40, 8), over=4)
    for question in poisons:
        for _ in range(CAP):
            if not _kill_who_writes(trial, job_of(question)):
                break
    trial.settle(90)
    ends = [trial.following.shown(question, "error", 1.0) for question in poisons]
    if not all(ends):
        trial.broken.append(f"{ends.count(False)} poisons without an error")
    punished = [q for q in asked if trial.following.shown(q, "error", 0.0)]
    if punished:
        trial.broken.append(f"{len(punished)} innocent questions ended as errors")
    trial.notes.append(f"{len(poisons)} poisons, killed {trial.faults['worker killed']} times")


def _kill_who_writes(trial: Trial, job: str) -> bool:
    """Kill the worker that has begun to write this job's reply; say whether there was one."""
    deadline = time.monotonic() + 45
    before = time.monotonic()
    while time.monotonic() < deadline:
        for worker in list(trial.stage.workers):
            if job in held(worker) and _grows(trial, job, before):
                trial.kill_worker(worker)
                return True
        time.sleep(0.05)
    return False


def _grows(trial: Trial, job: str, since: float) -> bool:
    for call in trial.stage.workspace.calls(method="chat.update"):
        said = (call["args"].get("metadata") or {}).get("event_payload") or {}
        if call["at"] > since and said.get("job") == job and said.get("state") == "growing":
            return True
    return False


def engine(trial: Trial) -> None:
    """Kill the engines under their workers, and let one hang until its worker notices."""
    for worker in list(trial.stage.workers):
        trial.ask(trial.many(16, 6))
        os.kill(engine_of(worker), signal.SIGKILL)
        trial.faults["engine killed"] += 1
        worker.wait_for("engine_ended")
    trial.settle()
    worker = trial.stage.workers[0]
    hung = engine_of(worker)
    os.kill(hung, signal.SIGSTOP)
    began = time.monotonic()
    trial.faults["engine hung"] += 1
    trial.ask(trial.many(24, 10), over=2)
    worker.wait_for("engine_hangs", within=HANGS + 20)
    trial.notes.append(f"hung engine killed after {time.monotonic() - began:.1f} s")


def engine_of(worker: Process) -> int:
    """Return the process id of a worker's engine."""
    return next(pid for pid in children(worker.pid) if "worker.engine" in command(pid))


def sleepers(trial: Trial) -> None:
    """Let one worker after the other sleep for two and a half leases, and wake up again."""
    for _ in range(trial.many(3)):
        victim = trial.dice.choice(trial.stage.workers)
        trial.ask(trial.many(20, 8))
        os.killpg(victim.pid, signal.SIGSTOP)
        trial.faults["SIGSTOP"] += 1
        trial.ask(trial.many(15, 5), over=2.5 * LEASE)
        os.killpg(victim.pid, signal.SIGCONT)
        trial.settle()
    lost = sum("job lost to another worker" in worker.log for worker in trial.stage.processes)
    trial.notes.append(f"{lost} sleepers found their jobs taken over")


def random_kills(trial: Trial) -> None:
    """Kill a worker every few seconds, whatever it does; another one starts in its place."""
    with Havoc(trial.dice, 5.0, trial.kill_worker):
        trial.ask(trial.many(150), over=15 * trial.scale)
    trial.stage.revive()


ROWS: Final = (
    at_point("W1", "right after dequeue", Point.DEQUEUED),
    at_point("W2", "before the placeholder", Point.BEFORE_PLACEHOLDER),
    at_point("W3", "between placeholder and its record", Point.AFTER_PLACEHOLDER_POST),
    at_point("W4", "while generating", Point.GENERATING, 40),
    at_point("W5", "after generation, before the final", Point.AFTER_ANSWER_SAVED),
    at_point("W6", "after the final, before its record", Point.AFTER_FINAL),
    Row("W7", "poison: its worker dies each time it is answered", poison),
    Row("W11", "engine killed under its worker, and hung", engine),
    Row(
        "W13",
        "worker asleep for 2.5 leases, then awake again",
        sleepers,
        Bounds(end=90.0, late_edits=1),
    ),
)
KILLED: Final = Row("W*", "worker killed every 5 s, whatever it does", random_kills)
