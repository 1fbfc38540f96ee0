"""Rows in which Redis dies, stands still, is slow or loses replies."""

import os
import signal
import time
from typing import Final

from tests.chaos.havoc import Havoc
from tests.chaos.proxy import CALM, Trouble
from tests.chaos.row import Row
from tests.chaos.rows_bot import charged
from tests.chaos.trial import Trial

AWAY: Final = 20.0
"""Seconds that Redis is gone, which is longer than any lease."""


def killed(trial: Trial) -> None:
    """Kill Redis every two seconds; its file keeps what it has acknowledged."""
    with Havoc(trial.dice, 2.0, trial.kill_redis):
        trial.ask(trial.many(100), over=12 * trial.scale)


def gone(trial: Trial) -> None:
    """Take Redis away for longer than a lease while replies are being generated."""
    trial.ask(trial.many(30, 10))
    trial.stage.redis.kill()
    trial.faults["redis gone"] += 1
    trial.ask(trial.many(10, 4), over=AWAY * max(trial.scale, 0.4))
    trial.stage.redis.restart()
    back = time.monotonic()
    trial.settle()
    trial.notes.append(f"all answered {time.monotonic() - back:.1f} s after it was back")
    trial.notes.append(f"generated twice {charged(trial)}")


def wire(trial: Trial) -> None:
    """Make the wire slow, break it before and after the effect, and stop it."""
    proxy = trial.stage.proxy
    assert proxy is not None
    for trouble, over in (
        (Trouble(latency=0.3), 4.0),
        (Trouble(reset=0.05, lose=0.05), 6.0),
        (Trouble(stalled=True), 4.0),
        (Trouble(away=True), 3.0),
    ):
        proxy.trouble = trouble
        if trouble.away:
            proxy.cut()
        trial.ask(trial.many(20, 6), over=over)
        trial.faults["redis wire"] += 1
        proxy.trouble = CALM
    os.kill(trial.stage.redis.pid, signal.SIGSTOP)
    trial.faults["redis asleep"] += 1
    trial.ask(trial.many(10, 4), over=5.0)
    os.kill(trial.stage.redis.pid, signal.SIGCONT)


def slow(trial: Trial) -> None:
    """Let Redis answer so late that the bot cannot acknowledge in time."""
    proxy = trial.stage.proxy
    assert proxy is not None
    for latency in (0.8, 2.5, 3.5):
        proxy.trouble = Trouble(latency=latency)
        trial.faults[f"{latency} s late"] += 1
        trial.ask(trial.many(8, 3), over=3.0)
        proxy.trouble = CALM
        trial.settle()


ROWS: Final = (
    Row("R1", "redis killed every 2 s, append-only file", killed),
    Row("R1g", "redis gone for 20 s", gone),
    Row("R2", "wire to redis slow, broken before and after, stalled, refused; redis asleep", wire),
    Row("S8", "redis answers 0.8, 2.5 and 3.5 s late", slow),
)
