"""Rows in which bots die, and in which Slack's sockets and events misbehave."""

import time
from collections import Counter
from typing import Final

from bot.failpoints import Point
from chaos.cluster.cluster import SPEED
from chaos.fault_loop import Havoc
from chaos.recovery import job_of
from chaos.run import Doomed, Trial
from chaos.scenario import Row
from chaos.scenarios import event_reordering
from contract import keys
from testing.memorizing_model import GREET
from testing.polling import until
from testing.workspace import LAST_ATTEMPT, Workspace

EXIT: Final = 10.0
"""Seconds in which a process ends after SIGTERM."""
RECONNECTED: Final = 10.0
KILLS: Final = 3
MORE: Final = 10
"""How often some more questions are asked at most until so many bots were killed."""
HURRY: Final = 2000.0
"""How fast Slack's clock runs until it has given up."""


def at_point(point: Point, count: int) -> Row:
    """Return the row in which the only bot dies at a point, again and again."""

    def act(trial: Trial) -> None:
        rounds = trial.many(3)
        for bot in list(trial.stage.bots):
            trial.stage.drop(bot)
        for number in range(rounds):
            victim = trial.stage.bot(f"{point}:kill:{trial.dice.randint(1, 6)}")
            victim.wait_for("ready")
            doomed = Doomed(trial, victim)
            trial.ask(trial.many(count // rounds, 4))
            if not doomed.died():
                trial.broken.append(f"bot {number} did not die")
        trial.stage.revive()

    name = {Point.BEFORE_ACCEPT: "B1", Point.AFTER_ACCEPT: "B2"}[point]
    what = {
        Point.BEFORE_ACCEPT: "before it persists",
        Point.AFTER_ACCEPT: "between persist and ack",
    }
    return Row(name, f"bot killed {what[point]}, one bot", act)


def notices(trial: Trial) -> None:
    """Kill the only bot before and after it tells people that they ask too much."""
    stage = trial.stage
    people = iter(stage.people)
    for bot in list(stage.bots):
        stage.drop(bot)
    for point in (Point.AFTER_NOTE, Point.AFTER_NOTICE):
        victim = stage.bot(f"{point}:kill:{trial.dice.randint(1, 3)}")
        victim.wait_for("ready")
        doomed = Doomed(trial, victim)
        person = next(people)
        for _ in range(trial.many(24, 16)):
            trial.say(GREET, person=person)
        if not doomed.died():
            trial.broken.append("a bot did not die")
    stage.revive()
    trial.settle()
    declined = len(trial.following.refused(trial.questions))
    trial.notes.append(f"{declined} of {len(trial.questions)} declined")


def random_kills(trial: Trial) -> None:
    """Kill one of two bots every now and then."""
    with Havoc(trial.dice, 1.0, trial.kill_bot):
        trial.ask(trial.many(150), over=max(14 * trial.scale, 8))
        for _ in range(MORE):
            if trial.faults["bot killed"] < KILLS:
                trial.ask(trial.many(10, 4), over=2.0)


def rolling(trial: Trial) -> None:
    """Restart every bot and every worker by SIGTERM, one after the other."""
    stage = trial.stage
    slowest = 0.0
    for process in (*stage.bots, *stage.workers):
        fresh = stage.bot() if process in stage.bots else stage.worker()
        fresh.wait_for("ready" if process in stage.bots else "model loaded", within=120)
        trial.ask(trial.many(20, 6))
        began = time.monotonic()
        if process.stop() != 0:
            trial.broken.append(f"{process.room} did not end with 0")
        slowest = max(slowest, time.monotonic() - began)
        stage.drop(process)
        trial.faults["SIGTERM"] += 1
    trial.settle()
    if slowest > EXIT:
        trial.broken.append(f"took {slowest:.1f} s to end")
    trial.notes.append(f"slowest end {slowest:.1f} s, attempts charged {charged(trial)}")


def charged(trial: Trial) -> int:
    """Return how often a job has begun to generate more than once; a fault of the row if so."""
    with trial.stage.direct() as redis:
        attempts = [redis.hget(f"rq:job:{job_of(q)}", keys.ATTEMPTS) for q in trial.questions]
    again = sum(int(count or 0) - 1 for count in attempts if int(count or 0) > 1)
    if again:
        trial.broken.append(f"{again} attempts charged for nothing")
    return again


def away(trial: Trial) -> None:
    """Let all bots be away until Slack has given up on what was asked, then start them."""
    workspace = trial.stage.workspace
    for bot in list(trial.stage.bots):
        trial.stage.drop(bot)
        trial.faults["bot killed"] += 1
    asked = {question.ts for question in trial.ask(trial.many(60, 10))}
    give_up(workspace, asked)
    began = time.monotonic()
    trial.stage.revive()
    ready = time.monotonic() - began
    left = trial.settle()
    took = time.monotonic() - began
    trial.notes.append(f"{len(asked) - len(left)} of {len(asked)} found in the history")
    trial.notes.append(f"bots ready after {ready:.1f} s, all answered after {took:.1f} s")


def give_up(workspace: Workspace, asked: set[str]) -> None:
    """Let Slack's clock run until it delivers none of these any more."""
    workspace.clock(speed=HURRY)
    until(lambda: _given_up(workspace, asked), what="the last deliveries")
    workspace.clock(speed=SPEED)


def _given_up(workspace: Workspace, asked: set[str]) -> bool:
    """Say whether Slack has tried for the last time to deliver each of these."""
    sent = [e for e in workspace.envelopes() if e["ts"] in asked]
    last = [e for e in sent if e["attempt"] == LAST_ATTEMPT]
    return {e["ts"] for e in last} == asked and all(e["failure"] for e in last)


def sockets(trial: Trial) -> None:
    """Close, renew and garble the sockets while people ask."""
    slowest = 0.0
    workspace = trial.stage.workspace
    for action in ("drop", "refresh_requested", "too_many_websockets", "warning", "drop", "mute"):
        trial.ask(trial.many(8, 2))
        workspace.sockets(action)
        trial.faults[action] += 1
        began = time.monotonic()
        trial.ask(trial.many(8, 2))
        workspace.wait_connected(within=30)
        slowest = max(slowest, time.monotonic() - began)
        workspace.sockets("enable")
    for frame in ("{", '{"type": "hello"', "[]", '{"envelope_id": 1}', "\u0000"):
        workspace.sockets("say", frame=frame)
        trial.faults["garbage"] += 1
        trial.ask(trial.many(4, 1))
    workspace.sockets("stale_tickets", count=1)
    workspace.sockets("drop")
    trial.ask(trial.many(8, 2))
    if slowest > RECONNECTED:
        trial.broken.append(f"reconnected after {slowest:.1f} s")
    trial.notes.append(f"slowest reconnection {slowest:.1f} s")


def duplicates(trial: Trial) -> None:
    """Deliver many events twice to four times, and some again later."""
    workspace = trial.stage.workspace
    workspace.faults(deliveries={"duplicate": 0.5, "copies": 3}, seed=trial.dice.randint(0, 999))
    asked = trial.ask(trial.many(80))
    again = trial.dice.sample(asked, len(asked) // 4)
    trial.settle()
    for question in again:
        workspace.redeliver(question.ts)
    trial.faults["redelivered"] += len(again)
    sent = Counter((e["ts"], e["event_type"]) for e in workspace.envelopes())
    copies = [sent[q.ts, kind] - 1 for q in asked for kind in ("message", "app_mention")]
    trial.faults["duplicates"] += sum(copies)


NOTICES: Final = Row("B6", "bot killed while it tells people that they ask too much", notices)
DUPLICATES: Final = Row("S6", "events delivered up to four times, some again later", duplicates)
ONE_BOT: Final = (
    at_point(Point.BEFORE_ACCEPT, 60),
    at_point(Point.AFTER_ACCEPT, 60),
    Row("S5", "sockets dropped, refreshed, refused, muted, garbled", sockets),
    DUPLICATES,
    event_reordering.ROW,
)
TWO_BOTS: Final = (
    Row("B3", "one of two bots killed again and again", random_kills),
    Row("B4", "both bots away until Slack has given up, then started", away),
    Row("B5", "rolling restart of bots and workers by SIGTERM", rolling),
)
