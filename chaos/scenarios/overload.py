"""Overload: more mentions than Slack sends, and one user who floods the queue."""

import time
from typing import Final

from bot.store.client import decode_reply
from chaos.load import Question
from chaos.run import ScenarioRun
from chaos.scenario import Scenario, percentile
from contract import keys
from contract.job import job_id
from testing.memorizing_model import GREET
from testing.process_tree import resident_mib

MAX_ACK_P99_SECONDS: Final = 1.0
"""99th percentile of acknowledgement times in a rush."""
MAX_BOT_MIB: Final = 512
MAX_REDIS_MIB: Final = 64
MAX_WAIT_RATIO: Final = 2.0
"""Factor by which a flood may lengthen other users' waits."""
BYTES_PER_MIB: Final = 2**20
ACK_TIMEOUT_SECONDS: Final = 60.0
"""Maximum wait for all acknowledgements."""
MENTIONS_PER_SECOND: Final = 40.0
"""
Mentions a second in a rush, each delivered by two events.

Slack sends an app at most 30,000 events an hour and workspace, which is 8.3 a second
(https://docs.slack.dev/apis/events-api, "Rate limiting").
"""
POLL_SECONDS: Final = 0.5
"""Interval between two reads of thousands of deliveries."""
WAIT_TOLERANCE_SECONDS: Final = 0.5
"""Extra wait that other load on the machine may cause."""


def rush_mentions(run: ScenarioRun) -> None:
    """Ask at ten times Slack's maximum rate, twenty questions a thread."""
    count = run.scale_count(2000, 100)
    started_at = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, started_at + number / MENTIONS_PER_SECOND - time.monotonic()))
        _ask_next(run, number, count // 20)
    ack_seconds, late = _measure_intake(run)
    p99 = percentile(ack_seconds, 99)
    if p99 > MAX_ACK_P99_SECONDS:
        run.failures.append(f"ack p99 {p99:.1f} s")
    if late:
        run.failures.append(f"{late} deliveries not acknowledged in three seconds")


def flood_mentions(run: ScenarioRun) -> None:
    """Ask as fast as fakeslack accepts posts; acknowledgements may be late."""
    count = run.scale_count(800, 100)
    for number in range(count):
        _ask_next(run, number, count // 20)
    _, late = _measure_intake(run)
    run.notes.append(f"{late} redeliveries, after the 3 s limit")


def _ask_next(run: ScenarioRun, number: int, threads: int) -> None:
    cluster, user = run.cluster, run.rng.choice(run.cluster.users)
    previous = run.questions[number % threads] if number >= threads else None
    channel = None if previous else cluster.channels[number % len(cluster.channels)]
    run.questions.append(
        run.load.ask_question(GREET, user=user, channel=channel, previous=previous)
    )


def _measure_intake(run: ScenarioRun) -> tuple[list[float], int]:
    """Check that all questions were accepted; return acknowledgement times and late deliveries."""
    cluster, count = run.cluster, len(run.questions)
    ack_seconds, late = _wait_for_acks(run)
    with cluster.connect_redis() as redis:
        pending = {decode_reply(job) for job in redis.zrange(keys.PENDING_JOBS, 0, -1)}
        memory = int(redis.info("memory")["used_memory"]) / BYTES_PER_MIB
    team = cluster.workspace.read_state()["team"]["id"]
    accepted = sum(job_id(team, q.channel, q.ts) in pending for q in run.questions)
    bot = max(resident_mib(process.pid) for process in cluster.bots)
    limits = {"bot MiB": (bot, MAX_BOT_MIB), "redis MiB": (memory, MAX_REDIS_MIB)}
    run.failures += [
        f"{name} {amount:.1f}" for name, (amount, maximum) in limits.items() if amount > maximum
    ]
    if accepted < count:
        run.failures.append(f"{count - accepted} not accepted")
    threads = len({question.thread for question in run.questions})
    run.notes.append(
        f"ack p50 {percentile(ack_seconds, 50) * 1000:.0f} ms,"
        f" p99 {percentile(ack_seconds, 99) * 1000:.0f} ms;"
        f" bot {bot:.0f} MiB, redis {memory:.0f} MiB; {accepted} accepted in {threads} threads"
    )
    return ack_seconds, late


def _wait_for_acks(run: ScenarioRun) -> tuple[list[float], int]:
    """Return each acknowledgement time in seconds, and the number of deliveries without one."""
    asked = {question.ts for question in run.questions}
    deadline = time.monotonic() + ACK_TIMEOUT_SECONDS
    while True:
        sent = [e for e in run.cluster.workspace.delivery_attempts() if e["ts"] in asked]
        if all(e["acked_at"] or e["failure"] for e in sent) or time.monotonic() > deadline:
            ack_seconds = [e["acked_at"] - e["sent_at"] for e in sent if e["acked_at"]]
            return ack_seconds, len(sent) - len(ack_seconds)
        time.sleep(POLL_SECONDS)


def flood_from_one_user(run: ScenarioRun) -> None:
    """Let nineteen users ask, first alone, then while another one floods the queue."""
    flooding, *others = run.cluster.users
    _measure_waits(run, [run.load.ask_question(GREET, user=user) for user in others])
    alone = _measure_waits(run, [run.load.ask_question(GREET, user=person) for person in others])
    flood = [run.load.ask_question(GREET, user=flooding) for _ in range(run.scale_count(600, 10))]
    asked: list[Question] = []
    for person in others:
        asked.append(run.load.ask_question(GREET, user=person))
        more = run.scale_count(56, 2)
        flood += [run.load.ask_question(GREET, user=flooding) for _ in range(more)]
    beside = _measure_waits(run, asked)
    run.questions += flood
    refused = run.excuse_refused_questions(flood)
    run.wait_for_replies()
    before, after = percentile(alone, 95), percentile(beside, 95)
    run.faults["flood"] += len(flood)
    run.notes.append(
        f"p95 alone {before:.2f} s, beside {len(flood)} questions {after:.2f} s;"
        f" {refused} of the flood declined"
    )
    if after > max(MAX_WAIT_RATIO * before, before + WAIT_TOLERANCE_SECONDS):
        run.failures.append(f"p95 wait grew from {before:.2f} to {after:.2f} s")


def _measure_waits(run: ScenarioRun, asked: list[Question]) -> list[float]:
    """Return the seconds from each question to its reply."""
    run.questions += asked
    run.watcher.wait_for_replies(asked, 60)
    return [run.watcher.measure_wait(question) for question in asked]


RUSH: Final = Scenario(
    "mention-rush-without-worker",
    "L1",
    "ten times Slack's maximum rate, no worker",
    rush_mentions,
    expects_answers=False,
)
FLOOD: Final = Scenario(
    "mention-flood-without-worker",
    "L1f",
    "mentions at full speed, no worker",
    flood_mentions,
    expects_answers=False,
)
ONE_USER_FLOODS: Final = Scenario(
    "one-user-floods", "L3", "one user floods, twenty others ask", flood_from_one_user
)
