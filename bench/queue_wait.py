"""Queue wait benchmark: the wait estimated at acceptance, compared with the measured one."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final

from chaos.checker.collector import collect_history
from chaos.cluster.cluster import Cluster, ClusterSpec, seeded_random
from chaos.load import QUESTIONS, LoadGenerator, Question
from chaos.recovery import PROGRESS_STATES, question_job_id
from chaos.scenario import percentile
from chaos.watcher import ReplyWatcher
from contract import queue_eta
from testing.prepared_queue import PreparedQueue

SLOTS: Final = 4
CLUSTER_CONFIG: Final = ClusterSpec(
    settings=(("STARCHAT_SLOTS", str(SLOTS)), ("STARCHAT_MAX_NEW_TOKENS", "400")),
)
WARMUP_QUESTIONS: Final = 10
"""Questions answered one by one before the first burst."""
REPLY_TIMEOUT_SECONDS: Final = 120.0
SEED: Final = 1


@dataclass(frozen=True, slots=True)
class WaitSample:
    """One question: its estimated and its actual seconds from acceptance to the first word."""

    position: int
    estimated_seconds: float
    actual_seconds: float


def main(questions: int) -> str:
    """Measure, and return the table."""
    return format_waits(measure_waits(questions))


def measure_waits(count: int) -> dict[str, list[WaitSample]]:
    """Ask bursts of `count` questions: the first after a calm time, the others back to back."""
    with Cluster(CLUSTER_CONFIG, SEED) as cluster:
        askers = _Askers(cluster)
        for number in range(WARMUP_QUESTIONS):
            askers.wait_for_replies(askers.ask_all([QUESTIONS[number % len(QUESTIONS)]]))
        samples = {}
        for burst in ("after a calm time", "after one burst", "after two", "after three"):
            # Every burst has the same questions; bursts differ in their order only.
            questions = askers.ask_all(
                [QUESTIONS[number % len(QUESTIONS)] for number in range(count)]
            )
            askers.wait_for_replies(questions)
            samples[burst] = list(_collect_samples(cluster, questions))
        return samples


def format_waits(samples: dict[str, list[WaitSample]]) -> str:
    """Return the estimates' errors as a Markdown table."""
    lines = [
        "| burst | waited | longest | estimate / actual, p50 | p10 to p90 | error, p50 | p90 |",
        "|---|---|---|---|---|---|---|",
    ]
    for burst, waits in samples.items():
        ratios = [wait.estimated_seconds / wait.actual_seconds for wait in waits]
        errors = [abs(wait.estimated_seconds - wait.actual_seconds) for wait in waits]
        lines.append(
            f"| {burst} | {len(waits)} | {max(wait.actual_seconds for wait in waits):.1f} s"
            f" | {statistics.median(ratios):.2f}"
            f" | {percentile(ratios, 10):.2f} to {percentile(ratios, 90):.2f}"
            f" | {statistics.median(errors):.1f} s | {percentile(errors, 90):.1f} s |"
        )
    return "\n".join(lines)


AskedQuestion = tuple[Question, int, float | None, float]
"""A question, its queue position, the estimated wait in seconds, and the time of acceptance."""


class _Askers:
    """Users who ask as fast as the bot accepts, each question in its own thread."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._load = LoadGenerator(cluster, SEED)
        self._rng = seeded_random(SEED, "queue wait")
        self._watcher = ReplyWatcher(cluster.workspace)

    def ask_all(self, texts: list[str]) -> list[AskedQuestion]:
        self._rng.shuffle(texts)
        with self._cluster.connect_redis() as redis:
            queue = PreparedQueue(redis)
            return [self._ask_one(number, text, queue) for number, text in enumerate(texts)]

    def _ask_one(self, number: int, text: str, queue: PreparedQueue) -> AskedQuestion:
        users, channels = self._cluster.users, self._cluster.channels
        question = self._load.ask_question(
            text,
            user=users[number % len(users)],
            channel=channels[number % len(channels)],
        )
        position = self._wait_for_acceptance(question)
        return (
            question,
            position,
            queue_eta.estimate_wait(position, queue.live_workers()),
            monotonic(),
        )

    def _wait_for_acceptance(self, question: Question) -> int:
        (bot,) = self._cluster.bots
        while True:
            event = bot.wait_for_event("question received")
            if event["job"] == question_job_id(question) and event["outcome"] == "accepted":
                return int(event["position"])

    def wait_for_replies(self, questions: Iterable[AskedQuestion]) -> None:
        unanswered = self._watcher.wait_for_replies(
            [question for question, *_ in questions], REPLY_TIMEOUT_SECONDS
        )
        assert not unanswered, f"{len(unanswered)} without a reply"  # noqa: S101


def _collect_samples(cluster: Cluster, questions: Sequence[AskedQuestion]) -> Iterable[WaitSample]:
    """Yield a sample for each question that found all slots busy."""
    started_at: dict[str, float] = {}
    for message in collect_history(cluster.workspace).messages:
        for version in message.versions:
            if version.question is not None and version.state in PROGRESS_STATES:
                earliest = started_at.get(version.question, version.at)
                started_at[version.question] = min(earliest, version.at)
    for question, position, estimate, accepted_at in questions:
        if position >= SLOTS and estimate is not None:
            yield WaitSample(position, estimate, max(started_at[question.ts] - accepted_at, 0.01))
