"""Rows in which workers and engines die, hang or sleep."""

import os
import signal
import time
from collections.abc import Iterator
from typing import Final

from redis import Redis

from chaos.checker.expectations import Bounds
from chaos.cluster.cluster import LEASE
from chaos.fault_loop import Havoc
from chaos.load import LONG, Question
from chaos.recovery import held, job_of
from chaos.run import Doomed, Trial
from chaos.scenario import Row
from contract import keys
from testing.process_tree import children, command
from testing.processes import Process
from worker.failpoints import Point

RECOVERED: Final = LEASE + 5
"""Seconds after which another worker must be at it."""
HANGS: Final = 30.0
"""Seconds without a step after which a worker takes its engine for hung."""
PATIENCE: Final = 45.0
"""Seconds in which a poison must have another try, or its end."""
LOOKS: Final = 100
LOOK: Final = 0.003
"""Seconds between two looks: a short reply is generated in less than 0.1 s."""
VICTIMS: Final = 5
"""Workers that die at each point, at scale 1."""
MORE: Final = 10
"""How often some more questions are asked at most until all of them are dead."""
PAUSE: Final = 2.0
"""Seconds in which a worker may die before more is asked."""
LOADED: Final = "model loaded"
KILLS: Final = 2
"""Deaths in the row in which they come by chance."""
CAP: Final = 3
"""How often generation may begin for one question."""


def at_point(name: str, what: str, point: Point, latest: int = 2) -> Row:
    """Return the row in which workers die at a point, one after the other, beside one alive."""

    def act(trial: Trial) -> None:
        nths = [trial.dice.randint(1, latest) for _ in range(max(1, int(VICTIMS * trial.scale)))]
        victims = [trial.stage.worker(f"{point}:kill:{nth}") for nth in nths]
        for victim in victims:
            victim.wait_for("model loaded", within=120)
        doomed = [Doomed(trial, victim) for victim in victims]
        trial.ask(trial.many(40, 16))
        for _ in range(MORE):
            if all(one.dead(PAUSE) for one in doomed):
                break
            trial.ask(trial.many(10, 4))
        alive = [one for one in doomed if not one.died()]
        if alive:
            trial.broken.append(f"{len(alive)} workers did not die at {point}")
        trial.settle()
        check_told(trial)

    return Row(name, f"worker killed {what}", act, recovery=RECOVERED)


def check_told(trial: Trial) -> None:
    """Whoever's reply was begun anew must have read that we try again."""
    with trial.stage.direct() as redis:
        tried = {q: redis.hget(f"rq:job:{job_of(q)}", keys.ATTEMPTS) for q in trial.questions}
    again = [question for question, count in tried.items() if int(count or 0) > 1]
    silent = [question for question in again if not trial.following.retried(question)]
    if silent:
        trial.broken.append(f"{len(silent)} of {len(again)} begun anew without a word")
    trial.notes.append(f"{len(again)} begun anew, and said so")


def poison(trial: Trial) -> None:
    """Kill whichever worker generates the reply to a poison, as often as one tries."""
    healthy: list[Question] = []
    poisons: list[Question] = []
    for _ in range(trial.many(1)):
        healthy += trial.ask(trial.many(10, 4))
        poisons.append(trial.say(LONG))
        for worker in writers(trial, poisons[-1]):
            trial.kill_worker(worker)
            healthy += trial.ask(trial.many(10, 4))
    trial.settle()
    ended = [trial.following.shown(question, "error") for question in poisons]
    if not all(ended):
        trial.broken.append(f"{ended.count(False)} poisons without an error")
    punished = [question for question in healthy if trial.following.shown(question, "error")]
    if punished:
        trial.broken.append(f"{len(punished)} healthy questions ended as errors")
    if trial.faults["worker killed"] > CAP * len(poisons):
        trial.broken.append("a poison was tried too often")
    trial.notes.append(f"{len(poisons)} poisons")


def writers(trial: Trial, question: Question) -> Iterator[Process]:
    """Yield whichever worker begins to generate, again and again until the question has its end."""
    tried = 0
    while (writer := _begins(trial, question, tried)) is not None:
        tried += 1
        yield writer


def _begins(trial: Trial, question: Question, tried: int) -> Process | None:
    """Wait for the worker that begins once more; `None` where the question has its end."""
    deadline = time.monotonic() + PATIENCE
    with trial.stage.direct() as redis:
        while time.monotonic() < deadline and trial.following.open([question]):
            if _tries_again(redis, question, tried) and (writer := _writer(trial, question)):
                return writer
    return None


def _tries_again(redis: Redis, question: Question, tried: int) -> bool:
    """Look for a while whether generation has begun more often than it was `tried`."""
    key = f"rq:job:{job_of(question)}"
    for _ in range(LOOKS):
        if int(redis.hget(key, keys.ATTEMPTS) or 0) > tried:
            return True
        time.sleep(LOOK)
    return False


def _writer(trial: Trial, question: Question) -> Process | None:
    job = job_of(question)
    return next((worker for worker in trial.stage.workers if job in held(worker)), None)


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
    """Kill a worker every few seconds, whatever it does, as long as another one could go on."""
    stage = trial.stage

    def kill() -> None:
        # Whoever takes a dead one's jobs over must have its model: a start costs what a machine
        # has to do beside it, and is no time of the protocol's.
        ready = [worker for worker in stage.workers if LOADED in worker.log]
        if len(ready) > 1:
            trial.kill_worker(trial.dice.choice(ready))

    with Havoc(trial.dice, 4.0, kill):
        trial.ask(trial.many(150), over=max(20 * trial.scale, 12))
        for _ in range(MORE):
            if trial.faults["worker killed"] < KILLS:
                trial.ask(trial.many(10, 4), over=2.0)
    trial.stage.revive()
    trial.settle()
    check_told(trial)


AT_POINTS: Final = (
    at_point("W1", "right after dequeue", Point.DEQUEUED),
    at_point("W2", "before the placeholder", Point.BEFORE_PLACEHOLDER),
    at_point("W3", "between placeholder and its record", Point.AFTER_PLACEHOLDER_POST),
    at_point("W4", "while generating", Point.GENERATING, 9),
    at_point("W5", "after generation, before the final", Point.AFTER_ANSWER_SAVED),
    at_point("W6", "after the final, before its record", Point.AFTER_FINAL),
)
ROWS: Final = (
    Row("W7", "poison: its worker dies each time it is answered", poison),
    Row("W11", "engine killed under its worker, and hung", engine),
    Row(
        "W13",
        "worker asleep for 2.5 leases, then awake again",
        sleepers,
        Bounds(end=90.0, late_edits=1),
    ),
)
KILLED: Final = Row(
    "W*", "worker killed every 4 s, whatever it does", random_kills, recovery=RECOVERED
)
