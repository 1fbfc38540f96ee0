"""Rows in which too many ask at once, or one asks far too much."""

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
MAX_BOT_MIB: Final = 512
MAX_REDIS_MIB: Final = 64
MAX_WAIT_RATIO: Final = 2.0
BYTES_PER_MIB: Final = 2**20
ACK_TIMEOUT_SECONDS: Final = 60.0
MENTIONS_PER_SECOND: Final = 40.0
"""
Mentions a second in a rush: 80 deliveries, where Slack sends an app 30,000 an hour and team at most
(https://docs.slack.dev/apis/events-api, "Rate limiting"), which is 8.3 a second.
"""
POLL_SECONDS: Final = 0.5
"""Seconds between two looks at thousands of deliveries."""
WAIT_TOLERANCE_SECONDS: Final = 0.5
"""Seconds of wait that the machine's own unrest may cost."""


def rush_mentions(run: ScenarioRun) -> None:
    """Ask ten times as fast as Slack would let a team, twenty questions a thread."""
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
    """Ask as fast as the workspace takes it: late acknowledgements may be, losses not."""
    count = run.scale_count(800, 100)
    for number in range(count):
        _ask_next(run, number, count // 20)
    _, late = _measure_intake(run)
    run.notes.append(f"{late} deliveries came again, because three seconds were over")


def _ask_next(run: ScenarioRun, number: int, threads: int) -> None:
    cluster, user = run.cluster, run.rng.choice(run.cluster.users)
    previous = run.questions[number % threads] if number >= threads else None
    channel = None if previous else cluster.channels[number % len(cluster.channels)]
    run.questions.append(
        run.load.ask_question(GREET, user=user, channel=channel, previous=previous)
    )


def _measure_intake(run: ScenarioRun) -> tuple[list[float], int]:
    """Wait until all is said; return the times to the acknowledgement, and how many came late."""
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
    """Wait until Slack waits for nothing any more; return the times, and how often it gave up."""
    asked = {question.ts for question in run.questions}
    deadline = time.monotonic() + ACK_TIMEOUT_SECONDS
    while True:
        sent = [e for e in run.cluster.workspace.delivery_attempts() if e["ts"] in asked]
        if all(e["acked_at"] or e["failure"] for e in sent) or time.monotonic() > deadline:
            ack_seconds = [e["acked_at"] - e["sent_at"] for e in sent if e["acked_at"]]
            return ack_seconds, len(sent) - len(ack_seconds)
        time.sleep(POLL_SECONDS)


def flood_from_one_user(run: ScenarioRun) -> None:
    """Let twenty people ask, twice alone, then again while one person sends a flood."""
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
    run.wait_for_replies()
    before, after = percentile(alone, 95), percentile(beside, 95)
    refused = len(run.watcher.find_refusals(flood))
    run.faults["flood"] += len(flood)
    run.notes.append(
        f"p95 alone {before:.2f} s, beside {len(flood)} questions {after:.2f} s;"
        f" {refused} of the flood declined"
    )
    if after > max(MAX_WAIT_RATIO * before, before + WAIT_TOLERANCE_SECONDS):
        run.failures.append(f"p95 wait grew from {before:.2f} to {after:.2f} s")
    run.questions += flood
    silent = run.watcher.wait_for_replies(flood, 60)
    if silent:
        run.failures.append(f"{len(silent)} of the flood were told nothing")


def _measure_waits(run: ScenarioRun, asked: list[Question]) -> list[float]:
    """Return how long each of these questions waited for its end."""
    run.questions += asked
    run.watcher.wait_for_replies(asked, 60)
    return [run.watcher.measure_wait(question) for question in asked]


def _pick_cyclic(some: list[str], number: int) -> str:
    return some[number % len(some)]


RUSH: Final = Scenario(
    "L1", "ten times what Slack sends, no worker yet", rush_mentions, expects_answers=False
)
FLOOD: Final = Scenario(
    "L1f", "mentions as fast as they go, no worker yet", flood_mentions, expects_answers=False
)
ONE_USER_FLOODS: Final = Scenario("L3", "one person floods, twenty others ask", flood_from_one_user)
