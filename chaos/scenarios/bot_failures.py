"""Rows in which bots die, and in which Slack's sockets and events misbehave."""

import time
from collections import Counter
from typing import Final

from bot.failpoints import Failpoint
from chaos.cluster.cluster import CLOCK_SPEED
from chaos.fault_loop import FaultLoop
from chaos.recovery import question_job_id
from chaos.run import DoomedProcess, ScenarioRun
from chaos.scenario import Scenario
from chaos.scenarios import event_reordering
from contract import keys
from testing.memorizing_model import GREET
from testing.polling import poll_until
from testing.workspace import LAST_ATTEMPT, Workspace

MAX_EXIT_SECONDS: Final = 10.0
"""Seconds in which a process ends after SIGTERM."""
MAX_RECONNECT_SECONDS: Final = 10.0
MIN_KILLS: Final = 3
MAX_EXTRA_ROUNDS: Final = 10
"""How often some more questions are asked at most until so many bots were killed."""
FAST_CLOCK_SPEED: Final = 2000.0
"""How fast Slack's clock runs until it has given up."""


def kill_at_failpoint(point: Failpoint, count: int) -> Scenario:
    """Return the row in which the only bot dies at a point, again and again."""

    def kill_bots(run: ScenarioRun) -> None:
        rounds = run.scale_count(3)
        for bot in list(run.cluster.bots):
            run.cluster.kill_process(bot)
        for number in range(rounds):
            victim = run.cluster.start_bot(f"{point}:kill:{run.rng.randint(1, 6)}")
            victim.wait_for_event("ready")
            doomed = DoomedProcess(run, victim)
            run.ask_questions(run.scale_count(count // rounds, 4))
            if not doomed.wait_or_kill():
                run.failures.append(f"bot {number} did not die")
        run.cluster.restore_processes()

    name = {Failpoint.BEFORE_ENQUEUE: "B1", Failpoint.AFTER_ENQUEUE: "B2"}[point]
    moment = {
        Failpoint.BEFORE_ENQUEUE: "before it persists",
        Failpoint.AFTER_ENQUEUE: "between persist and ack",
    }
    return Scenario(name, f"bot killed {moment[point]}, one bot", kill_bots)


def kill_during_notices(run: ScenarioRun) -> None:
    """Kill the only bot before and after it tells people that they ask too much."""
    cluster = run.cluster
    users = iter(cluster.users)
    for bot in list(cluster.bots):
        cluster.kill_process(bot)
    for point in (Failpoint.AFTER_NOTICE_RECORD, Failpoint.AFTER_NOTICE_POST):
        victim = cluster.start_bot(f"{point}:kill:{run.rng.randint(1, 3)}")
        victim.wait_for_event("ready")
        doomed = DoomedProcess(run, victim)
        user = next(users)
        for _ in range(run.scale_count(24, 16)):
            run.ask_one(GREET, user=user)
        if not doomed.wait_or_kill():
            run.failures.append("a bot did not die")
    cluster.restore_processes()
    run.wait_for_replies()
    declined = len(run.watcher.find_refusals(run.questions))
    run.notes.append(f"{declined} of {len(run.questions)} declined")


def kill_bots_randomly(run: ScenarioRun) -> None:
    """Kill one of two bots every now and then."""
    with FaultLoop(run.rng, 1.0, run.kill_bot):
        run.ask_questions(run.scale_count(150), seconds=max(14 * run.scale, 8))
        for _ in range(MAX_EXTRA_ROUNDS):
            if run.faults["bot killed"] < MIN_KILLS:
                run.ask_questions(run.scale_count(10, 4), seconds=2.0)


def restart_in_turn(run: ScenarioRun) -> None:
    """Restart every bot and every worker by SIGTERM, one after the other."""
    cluster = run.cluster
    slowest = 0.0
    for process in (*cluster.bots, *cluster.workers):
        replacement = cluster.start_bot() if process in cluster.bots else cluster.start_worker()
        replacement.wait_for_event(
            "ready" if process in cluster.bots else "model loaded", timeout=120
        )
        run.ask_questions(run.scale_count(20, 6))
        started_at = time.monotonic()
        if process.stop_process() != 0:
            run.failures.append(f"{process.module} did not end with 0")
        slowest = max(slowest, time.monotonic() - started_at)
        cluster.kill_process(process)
        run.faults["SIGTERM"] += 1
    run.wait_for_replies()
    if slowest > MAX_EXIT_SECONDS:
        run.failures.append(f"took {slowest:.1f} s to end")
    run.notes.append(f"slowest end {slowest:.1f} s, attempts charged {count_extra_attempts(run)}")


def count_extra_attempts(run: ScenarioRun) -> int:
    """Return how often a job has begun to generate more than once; a fault of the row if so."""
    with run.cluster.connect_redis() as redis:
        attempts = [
            redis.hget(f"rq:job:{question_job_id(q)}", keys.ATTEMPTS) for q in run.questions
        ]
    extra = sum(int(count or 0) - 1 for count in attempts if int(count or 0) > 1)
    if extra:
        run.failures.append(f"{extra} attempts charged for nothing")
    return extra


def outlast_redeliveries(run: ScenarioRun) -> None:
    """Let all bots be away until Slack has given up on what was asked, then start them."""
    workspace = run.cluster.workspace
    for bot in list(run.cluster.bots):
        run.cluster.kill_process(bot)
        run.faults["bot killed"] += 1
    asked = {question.ts for question in run.ask_questions(run.scale_count(60, 10))}
    exhaust_redeliveries(workspace, asked)
    started_at = time.monotonic()
    run.cluster.restore_processes()
    ready_seconds = time.monotonic() - started_at
    unanswered = run.wait_for_replies()
    answer_seconds = time.monotonic() - started_at
    run.notes.append(f"{len(asked) - len(unanswered)} of {len(asked)} found in the history")
    run.notes.append(
        f"bots ready after {ready_seconds:.1f} s, all answered after {answer_seconds:.1f} s"
    )


def exhaust_redeliveries(workspace: Workspace, asked: set[str]) -> None:
    """Let Slack's clock run until it delivers none of these any more."""
    workspace.set_clock(speed=FAST_CLOCK_SPEED)
    poll_until(lambda: _has_given_up(workspace, asked), description="the last deliveries")
    workspace.set_clock(speed=CLOCK_SPEED)


def _has_given_up(workspace: Workspace, asked: set[str]) -> bool:
    """Say whether Slack has tried for the last time to deliver each of these."""
    sent = [e for e in workspace.delivery_attempts() if e["ts"] in asked]
    last = [e for e in sent if e["attempt"] == LAST_ATTEMPT]
    return {e["ts"] for e in last} == asked and all(e["failure"] for e in last)


def disrupt_sockets(run: ScenarioRun) -> None:
    """Close, renew and garble the sockets while people ask."""
    slowest = 0.0
    workspace = run.cluster.workspace
    for action in (
        "drop",
        "refresh_requested",
        "too_many_websockets",
        "warning",
        "drop",
        "ignore_pings",
    ):
        run.ask_questions(run.scale_count(8, 2))
        workspace.control_sockets(action)
        run.faults[action] += 1
        started_at = time.monotonic()
        run.ask_questions(run.scale_count(8, 2))
        workspace.wait_until_connected(timeout=30)
        slowest = max(slowest, time.monotonic() - started_at)
        workspace.control_sockets("enable")
    for frame in ("{", '{"type": "hello"', "[]", '{"envelope_id": 1}', "\u0000"):
        workspace.control_sockets("send_frame", frame=frame)
        run.faults["garbage"] += 1
        run.ask_questions(run.scale_count(4, 1))
    workspace.control_sockets("stale_tickets", count=1)
    workspace.control_sockets("drop")
    run.ask_questions(run.scale_count(8, 2))
    if slowest > MAX_RECONNECT_SECONDS:
        run.failures.append(f"reconnected after {slowest:.1f} s")
    run.notes.append(f"slowest reconnection {slowest:.1f} s")


def duplicate_events(run: ScenarioRun) -> None:
    """Deliver many events twice to four times, and some again later."""
    workspace = run.cluster.workspace
    workspace.set_faults(deliveries={"duplicate": 0.5, "copies": 3}, seed=run.rng.randint(0, 999))
    asked = run.ask_questions(run.scale_count(80))
    again = run.rng.sample(asked, len(asked) // 4)
    run.wait_for_replies()
    for question in again:
        workspace.redeliver_events(question.ts)
    run.faults["redelivered"] += len(again)
    sent = Counter((e["ts"], e["event_type"]) for e in workspace.delivery_attempts())
    copies = [sent[q.ts, kind] - 1 for q in asked for kind in ("message", "app_mention")]
    run.faults["duplicates"] += sum(copies)


NOTICES_INTERRUPTED: Final = Scenario(
    "B6", "bot killed while it tells people that they ask too much", kill_during_notices
)
EVENTS_DUPLICATED: Final = Scenario(
    "S6", "events delivered up to four times, some again later", duplicate_events
)
ONE_BOT_SCENARIOS: Final = (
    kill_at_failpoint(Failpoint.BEFORE_ENQUEUE, 60),
    kill_at_failpoint(Failpoint.AFTER_ENQUEUE, 60),
    Scenario("S5", "sockets dropped, refreshed, refused, muted, garbled", disrupt_sockets),
    EVENTS_DUPLICATED,
    event_reordering.EVENTS_REORDERED,
)
TWO_BOT_SCENARIOS: Final = (
    Scenario("B3", "one of two bots killed again and again", kill_bots_randomly),
    Scenario("B4", "both bots away until Slack has given up, then started", outlast_redeliveries),
    Scenario("B5", "rolling restart of bots and workers by SIGTERM", restart_in_turn),
)
