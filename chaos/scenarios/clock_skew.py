"""
Clock skew: the clocks of Slack, of Redis with the bots, and of each worker differ.

Slack's clock is set first an hour behind this machine's, then an hour and a day ahead. A worker's
wall clock is shifted in Python (`testing/broken_environment.py`).
"""

from typing import Final

from chaos.cluster.cluster import LOAD_TIMEOUT_SECONDS, LOADED_EVENT, ClusterSpec
from chaos.load import Question
from chaos.recovery import parse_log
from chaos.run import ScenarioRun
from chaos.scenario import Scenario
from chaos.scenarios.bot_failures import count_extra_attempts, exhaust_redeliveries
from contract import keys
from testing import broken_environment
from testing.polling import poll_until
from testing.processes import Process
from testing.worker_harness import TEAM

SECONDS_PER_HOUR: Final = 3600.0
SLACK_OFFSETS_SECONDS: Final = (-SECONDS_PER_HOUR, SECONDS_PER_HOUR, 24 * SECONDS_PER_HOUR)
"""Slack's clock minus this machine's. It only rises, because Slack's timestamps do."""
WORKER_OFFSETS_SECONDS: Final = (2 * SECONDS_PER_HOUR, -2 * SECONDS_PER_HOUR)
"""Each worker's wall clock minus Redis'."""
CLUSTER: Final = ClusterSpec(
    bot_count=2,
    worker_count=len(WORKER_OFFSETS_SECONDS),
    slack_clock_offset_seconds=SLACK_OFFSETS_SECONDS[0],
)


def skew_clocks(run: ScenarioRun) -> None:
    """At each offset: install the bots, let them miss all deliveries, and start them again."""
    cluster = run.cluster
    for worker in list(cluster.workers):
        cluster.kill_process(worker)
    for ahead in WORKER_OFFSETS_SECONDS:
        cluster.workers.append(_start_skewed_worker(run, ahead))
    early, missed = list[Question](), list[Question]()
    for ahead in SLACK_OFFSETS_SECONDS:
        early.append(_reinstall_bots(run, ahead))
        missed += _ask_while_away(run)
        run.faults["clock off"] += 1
    answered_early = sum(bool(run.watcher.list_messages(question)) for question in early)
    if answered_early:
        run.failures.append(f"{answered_early} questions from before the installation answered")
    found = len(missed) - len(run.watcher.find_open(missed))
    run.notes.append(
        f"{found} of {len(missed)} found by backfill, {answered_early} older ones answered"
    )
    run.notes.append(f"attempts charged {count_extra_attempts(run)}")


def _reinstall_bots(run: ScenarioRun, ahead: float) -> Question:
    """Set Slack's clock, start bots that know no earlier time, and return a question before it."""
    _stop_bots(run)
    with run.cluster.connect_redis() as redis:
        redis.delete(keys.connection_window(TEAM))
    run.cluster.workspace.set_clock(ahead=ahead)
    early = run.load.ask_question("Was I too early?")
    exhaust_redeliveries(run.cluster.workspace, {early.ts})
    _restart_bots(run)
    return early


def _ask_while_away(run: ScenarioRun) -> list[Question]:
    """Ask while no bot runs until Slack's last redelivery has failed, and start the bots again."""
    _stop_bots(run)
    asked = run.ask_questions(run.scale_count(30, 8))
    exhaust_redeliveries(run.cluster.workspace, {question.ts for question in asked})
    _restart_bots(run)
    run.wait_for_replies()
    return asked


def _start_skewed_worker(run: ScenarioRun, ahead: float) -> Process:
    process = Process(
        broken_environment.__name__, "clock", str(ahead), "worker", **run.cluster.environment
    )
    run.cluster.processes.append(process)
    process.wait_for_event(LOADED_EVENT, timeout=LOAD_TIMEOUT_SECONDS)
    _check_skew_warning(run, process)
    return process


def _stop_bots(run: ScenarioRun) -> None:
    for bot in list(run.cluster.bots):
        run.cluster.kill_process(bot)


def _restart_bots(run: ScenarioRun) -> None:
    run.cluster.restore_processes()
    with run.cluster.connect_redis() as redis:
        poll_until(
            lambda: redis.hget(keys.connection_window(TEAM), "last"),
            description="a bot's first connection time in Redis",
        )
    for bot in run.cluster.bots:
        _check_skew_warning(run, bot)


def _check_skew_warning(run: ScenarioRun, process: Process) -> None:
    warned = [
        line for line in parse_log(process) if line.get("event") == "clock differs from slack's"
    ]
    if len(warned) != 1:
        run.failures.append(f"{process.module} logged {len(warned)} warnings of clock skew")


CLOCKS_SKEWED: Final = Scenario(
    "clocks-skewed",
    "C1",
    "all clocks 1 h ahead of slack's, 1 h and 1 d behind; workers' apart",
    skew_clocks,
)
