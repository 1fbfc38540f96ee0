"""
A row in which no two clocks agree: Slack's, Redis' with the bots', and each worker's own.

What is set wrong is Slack's, so that all of ours are an hour ahead of it, an hour behind, a day
behind. Of a worker it is what Python says of the time of day (`testing/broken_clock.py`).
"""

from typing import Final

from chaos.cluster.cluster import Cast
from chaos.load import Question
from chaos.recovery import events
from chaos.run import Trial
from chaos.scenario import Row
from chaos.scenarios.bot_failures import charged, give_up
from contract import keys
from testing.polling import until
from testing.processes import Process
from testing.worker_harness import TEAM

HOUR: Final = 3600.0
AHEAD: Final = (-HOUR, HOUR, 24 * HOUR)
"""Seconds that Slack is ahead of us: each more than the last, for timestamps only ever rise."""
WORKERS: Final = (2 * HOUR, -2 * HOUR)
"""Seconds that the workers are ahead of Redis."""
CAST: Final = Cast(bots=2, workers=len(WORKERS), ahead=AHEAD[0])


def skewed(trial: Trial) -> None:
    """Install the bots anew, let them be away until Slack has given up, and start them again."""
    stage = trial.stage
    for worker in list(stage.workers):
        stage.drop(worker)
    for ahead in WORKERS:
        stage.workers.append(_worker(trial, ahead))
    early, missed = list[Question](), list[Question]()
    for ahead in AHEAD:
        early.append(_installed(trial, ahead))
        missed += _missed(trial)
        trial.faults["clock off"] += 1
    old = sum(bool(trial.following.messages(question)) for question in early)
    if old:
        trial.broken.append(f"{old} answered that were asked before the installation")
    found = len(missed) - len(trial.following.open(missed))
    trial.notes.append(f"{found} of {len(missed)} found in the history, {old} older ones answered")
    trial.notes.append(f"attempts charged {charged(trial)}")


def _installed(trial: Trial, ahead: float) -> Question:
    """Set Slack's clock and start bots that know of no time before; return what came too early."""
    _send_bots_away(trial)
    with trial.stage.direct() as redis:
        redis.delete(keys.connected(TEAM))
    trial.stage.workspace.clock(ahead=ahead)
    early = trial.crowd.ask("Was I too early?")
    give_up(trial.stage.workspace, {early.ts})
    _start_bots(trial)
    return early


def _missed(trial: Trial) -> list[Question]:
    """Ask while no bot is there until Slack has given up, and start them again."""
    _send_bots_away(trial)
    asked = trial.ask(trial.many(30, 8))
    give_up(trial.stage.workspace, {question.ts for question in asked})
    _start_bots(trial)
    trial.settle()
    return asked


def _worker(trial: Trial, ahead: float) -> Process:
    process = Process("testing.broken_clock", str(ahead), "worker", **trial.stage.shared)
    trial.stage.processes.append(process)
    process.wait_for("model loaded", within=120)
    _check_warned(trial, process)
    return process


def _send_bots_away(trial: Trial) -> None:
    for bot in list(trial.stage.bots):
        trial.stage.drop(bot)


def _start_bots(trial: Trial) -> None:
    trial.stage.revive()
    with trial.stage.direct() as redis:
        until(lambda: redis.hget(keys.connected(TEAM), "last"), what="the first note")
    for bot in trial.stage.bots:
        _check_warned(trial, bot)


def _check_warned(trial: Trial, process: Process) -> None:
    warned = [line for line in events(process) if line.get("event") == "clock differs from slack's"]
    if len(warned) != 1:
        trial.broken.append(f"{process.room} warned {len(warned)} times of a clock that is off")


ROW: Final = Row(
    "C1", "all clocks 1 h ahead of slack's, 1 h and 1 d behind; workers' apart", skewed
)
