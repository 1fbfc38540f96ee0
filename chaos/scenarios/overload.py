"""Rows in which too many ask at once, or one asks far too much."""

import time
from typing import Final

from bot.store.client import text
from chaos.load import Question
from chaos.run import Trial
from chaos.scenario import Row, percentile
from contract import keys
from contract.job import job_id
from testing.memorizing_model import GREET
from testing.process_tree import resident

ACK_P99: Final = 1.0
BOT_MIB: Final = 512
REDIS_MIB: Final = 64
WAIT_RATIO: Final = 2.0
MEBIBYTE: Final = 2**20
PATIENCE: Final = 60.0
PACE: Final = 40.0
"""
Mentions a second in a rush: 80 deliveries, where Slack sends an app 30,000 an hour and team at most
(https://docs.slack.dev/apis/events-api, "Rate limiting"), which is 8.3 a second.
"""
LOOK: Final = 0.5
"""Seconds between two looks at thousands of deliveries."""
TICK: Final = 0.5
"""Seconds of wait that the machine's own unrest may cost."""


def rush(trial: Trial) -> None:
    """Ask ten times as fast as Slack would let a team, twenty questions a thread."""
    count = trial.many(2000, 100)
    began = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, began + number / PACE - time.monotonic()))
        _ask(trial, number, count // 20)
    took, late = _taken_in(trial)
    p99 = percentile(took, 99)
    if p99 > ACK_P99:
        trial.broken.append(f"ack p99 {p99:.1f} s")
    if late:
        trial.broken.append(f"{late} deliveries not acknowledged in three seconds")


def flood(trial: Trial) -> None:
    """Ask as fast as the workspace takes it: late acknowledgements may be, losses not."""
    count = trial.many(800, 100)
    for number in range(count):
        _ask(trial, number, count // 20)
    _, late = _taken_in(trial)
    trial.notes.append(f"{late} deliveries came again, because three seconds were over")


def _ask(trial: Trial, number: int, threads: int) -> None:
    stage, person = trial.stage, trial.dice.choice(trial.stage.people)
    after = trial.questions[number % threads] if number >= threads else None
    channel = None if after else stage.channels[number % len(stage.channels)]
    trial.questions.append(trial.crowd.ask(GREET, person=person, channel=channel, after=after))


def _taken_in(trial: Trial) -> tuple[list[float], int]:
    """Wait until all is said; return the times to the acknowledgement, and how many came late."""
    stage, count = trial.stage, len(trial.questions)
    took, late = _acknowledged(trial)
    with stage.direct() as redis:
        pending = {text(job) for job in redis.zrange(keys.PENDING, 0, -1)}
        memory = int(redis.info("memory")["used_memory"]) / MEBIBYTE
    team = stage.workspace.state()["team"]["id"]
    accepted = sum(job_id(team, q.channel, q.ts) in pending for q in trial.questions)
    bot = max(resident(process.pid) for process in stage.bots)
    limits = {"bot MiB": (bot, BOT_MIB), "redis MiB": (memory, REDIS_MIB)}
    trial.broken += [
        f"{what} {found:.1f}" for what, (found, most) in limits.items() if found > most
    ]
    if accepted < count:
        trial.broken.append(f"{count - accepted} not accepted")
    threads = len({question.thread for question in trial.questions})
    trial.notes.append(
        f"ack p50 {percentile(took, 50) * 1000:.0f} ms, p99 {percentile(took, 99) * 1000:.0f} ms;"
        f" bot {bot:.0f} MiB, redis {memory:.0f} MiB; {accepted} accepted in {threads} threads"
    )
    return took, late


def _acknowledged(trial: Trial) -> tuple[list[float], int]:
    """Wait until Slack waits for nothing any more; return the times, and how often it gave up."""
    asked = {question.ts for question in trial.questions}
    deadline = time.monotonic() + PATIENCE
    while True:
        sent = [e for e in trial.stage.workspace.envelopes() if e["ts"] in asked]
        if all(e["acked_at"] or e["failure"] for e in sent) or time.monotonic() > deadline:
            took = [e["acked_at"] - e["sent_at"] for e in sent if e["acked_at"]]
            return took, len(sent) - len(took)
        time.sleep(LOOK)


def abuser(trial: Trial) -> None:
    """Let twenty people ask, twice alone, then again while one person sends a flood."""
    flooding, *others = trial.stage.people
    _waits(trial, [trial.crowd.ask(GREET, person=person) for person in others])
    alone = _waits(trial, [trial.crowd.ask(GREET, person=person) for person in others])
    flood = [trial.crowd.ask(GREET, person=flooding) for _ in range(trial.many(600, 10))]
    asked: list[Question] = []
    for person in others:
        asked.append(trial.crowd.ask(GREET, person=person))
        more = trial.many(56, 2)
        flood += [trial.crowd.ask(GREET, person=flooding) for _ in range(more)]
    beside = _waits(trial, asked)
    trial.settle()
    before, after = percentile(alone, 95), percentile(beside, 95)
    refused = len(trial.following.refused(flood))
    trial.faults["flood"] += len(flood)
    trial.notes.append(
        f"p95 alone {before:.2f} s, beside {len(flood)} questions {after:.2f} s;"
        f" {refused} of the flood declined"
    )
    if after > max(WAIT_RATIO * before, before + TICK):
        trial.broken.append(f"p95 wait grew from {before:.2f} to {after:.2f} s")
    trial.questions += flood
    silent = trial.following.wait(flood, 60)
    if silent:
        trial.broken.append(f"{len(silent)} of the flood were told nothing")


def _waits(trial: Trial, asked: list[Question]) -> list[float]:
    """Return how long each of these questions waited for its end."""
    trial.questions += asked
    trial.following.wait(asked, 60)
    return [trial.following.waited(question) for question in asked]


def _one(some: list[str], number: int) -> str:
    return some[number % len(some)]


RUSH: Final = Row("L1", "ten times what Slack sends, no worker yet", rush, answered=False)
FLOOD: Final = Row("L1f", "mentions as fast as they go, no worker yet", flood, answered=False)
ABUSER: Final = Row("L3", "one person floods, twenty others ask", abuser)
