"""
A row in which Slack cannot be reached at all: no name, no port, no handshake, no answer.

The name is that of a resolver in each process (`testing/broken_resolver.py`). TLS itself is not
spoken: what is reset is the connection, with the first bytes of its handshake on the way.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from chaos.cluster.cluster import SPEED, Cast
from chaos.cluster.redis_proxy import CALM, Trouble
from chaos.cluster.slack_proxy import Wire
from chaos.recovery import events
from chaos.run import Trial
from chaos.scenario import Row

HURRY: Final = 150.0
"""How fast Slack's clock runs while it delivers again."""
SHORT: Final = 6.0
"""Seconds without a way to Slack, which are 90 of Slack's own here."""
STALL: Final = 12.0
"""Seconds of silence: more than any of our calls waits, less than Slack repeats itself."""
MOST_TRIES: Final = 8
"""How often a bot may try anew within each: after 1, 2, 5 and 10 seconds, or half of that."""
REJOINED: Final = 15.0
"""Seconds after which bots are connected again: the longest pause, and a call that waits."""
AWAY: Final = (
    ("name not resolved", CALM, SHORT),
    ("refused", Trouble(away=True), SHORT),
    ("reset", Trouble(reset=1.0), SHORT),
    ("stalled", Trouble(stalled=True), STALL),
)


def cut_off(trial: Trial) -> None:
    """Take Slack away in each way while people ask, for Web API and Socket Mode alike."""
    wire, workspace = trial.stage.wire, trial.stage.workspace
    assert wire is not None
    slowest, most = 0.0, 0
    for what, trouble, over in AWAY:
        trial.ask(trial.many(12, 4))
        tried = _tries(trial)
        with _cut(wire, trouble):
            trial.ask(trial.many(24, 8), over=over)
        trial.faults[what] += 1
        began = time.monotonic()
        workspace.wait_connected(within=2 * REJOINED)
        slowest = max(slowest, time.monotonic() - began)
        most = max(most, *(now - before for now, before in zip(_tries(trial), tried, strict=True)))
        # What is still to be delivered again need not keep the row waiting.
        workspace.clock(speed=HURRY)
        trial.settle()
        workspace.clock(speed=SPEED)
    if slowest > REJOINED:
        trial.broken.append(f"connected again after {slowest:.1f} s")
    if most > MOST_TRIES:
        trial.broken.append(f"{most} tries to reach slack in one outage")
    trial.notes.append(f"connected again within {slowest:.1f} s, at most {most} tries before")
    for process in (*trial.stage.bots, *trial.stage.workers):
        if process.poll() is not None:
            trial.broken.append(f"{process.room} ended by itself")


@contextmanager
def _cut(wire: Wire, trouble: Trouble) -> Iterator[None]:
    wire.trouble = trouble
    if trouble is CALM:
        wire.nameless.touch()
    if not trouble.stalled:
        wire.cut()
    try:
        yield
    finally:
        wire.nameless.unlink(missing_ok=True)
        wire.trouble = CALM


def _tries(trial: Trial) -> list[int]:
    """Return how often each bot has failed to reach Slack so far."""
    return [
        sum(line.get("event") == "slack not reached" for line in events(bot))
        for bot in trial.stage.bots
    ]


CAST: Final = Cast(bots=2, workers=2, wired=True)
ROW: Final = Row("S4", "slack without a name, refused, reset in its handshake, stalled", cut_off)
