"""Run of one scenario: its questions, faults, deaths and notes, and the actions on its cluster."""

import os
import random
import select
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from bot.store.client import decode_reply
from chaos.checker.history import History
from chaos.cluster.cluster import Cluster
from chaos.load import LoadGenerator, Question, draw_thread_lengths
from chaos.recovery import Death, find_held_jobs
from chaos.watcher import ReplyWatcher
from contract import keys
from contract.job import QUEUE_NAME
from contract.slack_errors import HTTP_OK
from testing.polling import poll_until
from testing.processes import Process

UNCLAIMED_KEY: Final = f"rq:queue:{QUEUE_NAME}:intermediate"
"""RQ's list of jobs that a worker has dequeued and not yet claimed."""
CONCURRENT_THREADS: Final = 16
"""Slack threads in which users ask at the same time."""
REPLY_TIMEOUT_SECONDS: Final = 60.0
"""Maximum wait for the last reply."""
MAX_REFUSAL_SECONDS: Final = keys.NOTICE_QUIET_SECONDS + 40
"""Maximum wait for a word about refusals: the quiet period, a dead bot's lease and the sweeper."""


@dataclass(slots=True)
class ScenarioRun:
    """State of a running scenario, and what its action may do."""

    cluster: Cluster
    load: LoadGenerator
    rng: random.Random
    scale: float = 1.0
    questions: list[Question] = field(default_factory=list)
    deleted: set[str] = field(default_factory=set)
    """Timestamps of questions that their users deleted."""
    abandoned: set[str] = field(default_factory=set)
    """Timestamps of questions whose reply did not come in time."""
    excused: set[str] = field(default_factory=set)
    """Timestamps of questions that Slack lets no app answer."""
    faults: Counter[str] = field(default_factory=Counter)
    deaths: list[Death] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """Failed conditions of the scenario, beside the invariants."""
    started_at: float = field(default_factory=time.monotonic)
    watcher: ReplyWatcher = field(init=False)

    def __post_init__(self) -> None:
        self.watcher = ReplyWatcher(self.cluster.workspace)

    def scale_count(self, count: int, minimum: int = 1) -> int:
        """Return a count multiplied by the run's scale, at least `minimum`."""
        return max(minimum, round(count * self.scale))

    def ask_questions(self, count: int, *, seconds: float = 0.0) -> list[Question]:
        """Ask `count` questions in threads, spread over `seconds`."""
        asked: list[Question] = []
        lengths = draw_thread_lengths(self.rng, count)
        for lengths_slice in (
            lengths[at : at + CONCURRENT_THREADS]
            for at in range(0, len(lengths), CONCURRENT_THREADS)
        ):
            for question in self.load.ask_in_threads(self.rng, lengths_slice):
                asked.append(question)
                time.sleep(seconds / count)
        self.questions += asked
        return asked

    def ask_one(
        self, text: str, *, user: str | None = None, channel: str | None = None
    ) -> Question:
        """Ask one question in a new thread."""
        question = self.load.ask_question(text, user=user, channel=channel)
        self.questions.append(question)
        return question

    def wait_for_replies(self, timeout: float = REPLY_TIMEOUT_SECONDS) -> list[Question]:
        """Wait until every question has ended; return those that have not, and give them up."""
        unwanted = self.deleted | self.abandoned | self.excused
        wanted = [q for q in self.questions if q.ts not in unwanted]
        unanswered = self.watcher.wait_for_replies(
            wanted, min(timeout, self.cluster.spec.reply_timeout_seconds)
        )
        self.abandoned |= {question.ts for question in unanswered}
        return unanswered

    def excuse_refused_questions(self, questions: list[Question]) -> int:
        """
        Excuse the questions that the bot refused; return their number.

        A refusal is an ephemeral message, which names no question. Fail the run if the refusals of
        a user were not told, or more than once a minute.
        """
        refused: list[Question] = []
        with self.cluster.connect_redis() as redis:
            for question in questions:
                key = keys.idempotency_key(self.team, question.channel, question.ts)
                marker = poll_until(partial(redis.get, key), description="a decision")
                if decode_reply(marker) == "notice":
                    refused.append(question)
        self.excused |= {question.ts for question in refused}
        for user, channel in {(question.user, question.channel) for question in refused}:
            told = poll_until(
                partial(self.list_refusals, user, channel),
                timeout=MAX_REFUSAL_SECONDS,
                description="a word about refusals",
            )
            # A bot that dies between the post and its record leaves the word to another bot.
            allowed = (
                1 + self.faults["bot killed"] + (told[-1] - told[0]) / keys.NOTICE_QUIET_SECONDS
            )
            if len(told) > allowed:
                self.failures.append(f"{len(told)} words about refusals to {user}")
        return len(refused)

    def list_refusals(self, user: str, channel: str) -> list[float]:
        """Return when a user was told of refusals in a channel, in order."""
        calls = self.cluster.workspace.api_calls(method="chat.postEphemeral")
        return [
            call["at"]
            for call in calls
            if (call["args"].get("user"), call["args"].get("channel")) == (user, channel)
            and call["status"] == HTTP_OK
        ]

    @property
    def team(self) -> str:
        """The workspace's team id."""
        return str(self.cluster.workspace.read_state()["team"]["id"])

    def kill_worker(self, victim: Process | None = None, *, replaced: bool = True) -> None:
        """Send SIGKILL to a worker, and start another one in its place if `replaced`."""
        cluster = self.cluster
        victim = victim or self.rng.choice(cluster.workers)
        killed_at = cluster.kill_process(victim)
        self.faults["worker killed"] += 1
        self.deaths.append(Death(killed_at, find_held_jobs(victim) | self.list_unclaimed_jobs()))
        if replaced:
            cluster.start_worker()

    def list_unclaimed_jobs(self) -> frozenset[str]:
        """Return the ids of jobs that a worker has dequeued and not yet claimed."""
        with self.cluster.connect_redis() as redis:
            return frozenset(job.decode() for job in redis.lrange(UNCLAIMED_KEY, 0, -1))

    def kill_bot(self) -> None:
        """Send SIGKILL to a bot, and wait until another one is ready in its place."""
        killed_at = self.cluster.kill_process(self.rng.choice(self.cluster.bots))
        self.faults["bot killed"] += 1
        self.deaths.append(Death(killed_at))
        self.cluster.start_bot().wait_for_event("ready")

    def kill_redis(self, seconds: float = 0.0) -> None:
        """Kill the Redis server, and restart it after `seconds`."""
        self.cluster.redis.kill_server()
        self.faults["redis killed"] += 1
        time.sleep(seconds)
        self.cluster.redis.restart_server()
        self.deaths.append(Death(time.monotonic()))


class DoomedProcess:
    """Process with a failpoint that kills it; records its death and the jobs that it held."""

    def __init__(self, run: ScenarioRun, victim: Process) -> None:
        """Watch `victim` from now on."""
        self._run = run
        self._victim = victim
        self._pidfd = os.pidfd_open(victim.pid)
        self._watcher = threading.Thread(
            target=self._record_death, name="death watcher", daemon=True
        )
        self._watcher.start()

    def wait_for_death(self, timeout: float = 0.0) -> bool:
        """Wait up to `timeout` seconds for the death; return whether it came."""
        self._watcher.join(timeout)
        return not self._watcher.is_alive()

    def wait_or_kill(self, timeout: float = 30.0) -> bool:
        """Wait for the death, or kill the process at the timeout; return whether it came."""
        dead = self.wait_for_death(timeout)
        self._run.cluster.kill_process(self._victim)
        self._watcher.join()
        if not dead:
            self._run.deaths.pop()
        return dead

    def _record_death(self) -> None:
        # A pidfd, because children of the victim may keep its log open.
        select.select([self._pidfd], [], [])
        os.close(self._pidfd)
        run, victim, at = self._run, self._victim, time.monotonic()
        of_worker = victim.module == run.cluster.spec.worker_module
        jobs = run.list_unclaimed_jobs() if of_worker else None
        run.cluster.kill_process(victim)
        run.deaths.append(Death(at, find_held_jobs(victim) | jobs if jobs is not None else None))
        run.faults[f"{victim.module} killed"] += 1


def restrict_history(history: History, run: ScenarioRun) -> History:
    """Return the part of a cluster's history that belongs to one run."""
    asked = {question.ts for question in run.questions}
    threads = {(question.channel, question.thread) for question in run.questions}
    return replace(
        history,
        mentions=tuple(m for m in history.mentions if m.ts in asked),
        messages=tuple(m for m in history.messages if (m.place.channel, m.place.thread) in threads),
        calls=tuple(call for call in history.calls if call.at >= run.started_at),
    )
