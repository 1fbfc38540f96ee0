"""Bot failures: kills, restarts, outages, Socket Mode disruptions, duplicate events."""

import contextlib
import time
from collections import Counter
from typing import Final

from bot.failpoints import Failpoint
from chaos.cluster.cluster import CLOCK_SPEED, LOAD_TIMEOUT_SECONDS, LOADED_EVENT
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
"""Maximum time from SIGTERM to the end of a process."""
MAX_RECONNECT_SECONDS: Final = 10.0
"""Maximum time until a bot has a socket again."""
MIN_KILLS: Final = 3
"""Bots that must die in a run with random kills."""
MAX_EXTRA_ROUNDS: Final = 10
"""Extra rounds of questions at most until enough bots were killed."""
FAST_CLOCK_SPEED: Final = 2000.0
"""Speed of Slack's clock until its last redelivery has failed."""


def kill_at_failpoint(
    name: str, alias: str, moment: str, point: Failpoint, count: int = 60
) -> Scenario:
    """Return the scenario in which the only bot dies at a failpoint, several times in turn."""

    def kill_bots(run: ScenarioRun) -> None:
        rounds = run.scale_count(3)
        for bot in list(run.cluster.bots):
            run.cluster.kill_process(bot)
        for number in range(rounds):
            victim = run.cluster.start_bot(f"{point}:kill:{run.rng.randint(1, 6)}")
            doomed = DoomedProcess(run, victim)
            # It reads what the bot before it has left, and may die of that before it is ready.
            with contextlib.suppress(AssertionError):
                victim.wait_for_event("ready")
            run.ask_questions(run.scale_count(count // rounds, 4))
            if not doomed.wait_or_kill():
                run.failures.append(f"bot {number} did not die")
        run.cluster.restore_processes()

    return Scenario(name, alias, f"bot killed {moment}, one bot", kill_bots)


def kill_during_notices(run: ScenarioRun) -> None:
    """Kill the only bot before and after it posts a notice about a user's quota."""
    cluster = run.cluster
    users = iter(cluster.users)
    for bot in list(cluster.bots):
        cluster.kill_process(bot)
    for point in (Failpoint.AFTER_NOTICE_RECORD, Failpoint.AFTER_NOTICE_POST):
        # A user's refusals are recorded one by one, and told in one message.
        nth = run.rng.randint(1, 3) if point is Failpoint.AFTER_NOTICE_RECORD else 1
        victim = cluster.start_bot(f"{point}:kill:{nth}")
        victim.wait_for_event("ready")
        doomed = DoomedProcess(run, victim)
        user = next(users)
        for _ in range(run.scale_count(24, 16)):
            run.ask_one(GREET, user=user)
        if not doomed.wait_or_kill():
            run.failures.append("a bot did not die")
    cluster.restore_processes()
    declined = run.excuse_refused_questions(run.questions)
    run.wait_for_replies()
    run.notes.append(f"{declined} of {len(run.questions)} declined")


def kill_bots_randomly(run: ScenarioRun) -> None:
    """Kill one of two bots about once a second."""
    with FaultLoop(run.rng, 1.0, run.kill_bot):
        run.ask_questions(run.scale_count(150), seconds=max(14 * run.scale, 8))
        for _ in range(MAX_EXTRA_ROUNDS):
            if run.faults["bot killed"] < MIN_KILLS:
                run.ask_questions(run.scale_count(10, 4), seconds=2.0)


def restart_in_turn(run: ScenarioRun) -> None:
    """Replace every bot and every worker in turn: start a new one, then SIGTERM the old one."""
    cluster = run.cluster
    slowest = 0.0
    for process in (*cluster.bots, *cluster.workers):
        replacement = cluster.start_bot() if process in cluster.bots else cluster.start_worker()
        replacement.wait_for_event(
            "ready" if process in cluster.bots else LOADED_EVENT, timeout=LOAD_TIMEOUT_SECONDS
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
    """Return the generation attempts beyond each job's first; any is a failure of the run."""
    with run.cluster.connect_redis() as redis:
        attempts = [
            redis.hget(f"rq:job:{question_job_id(q)}", keys.ATTEMPTS) for q in run.questions
        ]
    extra = sum(int(count or 0) - 1 for count in attempts if int(count or 0) > 1)
    if extra:
        run.failures.append(f"{extra} attempts charged without a failure")
    return extra


def outlast_redeliveries(run: ScenarioRun) -> None:
    """Ask while no bot runs, until Slack's last redelivery has failed; then start the bots."""
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
    run.notes.append(f"{len(asked) - len(unanswered)} of {len(asked)} found by backfill")
    run.notes.append(
        f"bots ready after {ready_seconds:.1f} s, all answered after {answer_seconds:.1f} s"
    )


def exhaust_redeliveries(workspace: Workspace, asked: set[str]) -> None:
    """Speed Slack's clock up until its last redelivery of each question has failed."""
    workspace.set_clock(speed=FAST_CLOCK_SPEED)
    poll_until(lambda: _has_given_up(workspace, asked), description="the last deliveries")
    workspace.set_clock(speed=CLOCK_SPEED)


def _has_given_up(workspace: Workspace, asked: set[str]) -> bool:
    """Return whether Slack's last redelivery of each question has failed."""
    sent = [e for e in workspace.delivery_attempts() if e["ts"] in asked]
    last = [e for e in sent if e["attempt"] == LAST_ATTEMPT]
    return {e["ts"] for e in last} == asked and all(e["failure"] for e in last)


def disrupt_sockets(run: ScenarioRun) -> None:
    """Close, renew, silence and garble the sockets while users ask."""
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
    """Deliver half of the events up to four times, and redeliver a quarter of them later."""
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
    "bot-killed-while-posting-notices",
    "B6",
    "bot killed while it posts quota notices",
    kill_during_notices,
)
EVENTS_DUPLICATED: Final = Scenario(
    "events-duplicated",
    "S6",
    "events delivered up to four times, some redelivered later",
    duplicate_events,
)
KILL_MOMENTS: Final = (
    ("bot-killed-before-enqueue", "B1", "before it enqueues", Failpoint.BEFORE_ENQUEUE),
    (
        "bot-killed-before-acknowledgement",
        "B2",
        "between enqueue and acknowledgement",
        Failpoint.AFTER_ENQUEUE,
    ),
    ("bot-killed-before-reading", "B7", "before it reads a thread", Failpoint.BEFORE_READ),
    ("bot-killed-while-reading", "B8", "before it fills a job in", Failpoint.DURING_READ),
    ("bot-killed-after-reading", "B9", "after it has filled a job in", Failpoint.AFTER_FILL),
)
"""Name, alias, moment and failpoint of each scenario in which the only bot dies."""
ONE_BOT_SCENARIOS: Final = (
    *(kill_at_failpoint(*moment) for moment in KILL_MOMENTS),
    Scenario(
        "socket-mode-disrupted",
        "S5",
        "Socket Mode dropped, refreshed, refused, silent, garbled",
        disrupt_sockets,
    ),
    EVENTS_DUPLICATED,
    event_reordering.EVENTS_REORDERED,
)
TWO_BOT_SCENARIOS: Final = (
    Scenario(
        "bots-killed-at-random", "B3", "one of two bots killed again and again", kill_bots_randomly
    ),
    Scenario(
        "bots-down-past-last-redelivery",
        "B4",
        "both bots down past Slack's last redelivery, then started",
        outlast_redeliveries,
    ),
    Scenario(
        "rolling-restart", "B5", "rolling restart of bots and workers by SIGTERM", restart_in_turn
    ),
)
