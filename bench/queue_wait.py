"""How far off the wait is that people are told: estimated as a question is accepted, then timed."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final

from bot.store.line import QueueStatus
from chaos.checker.collector import collect_history
from chaos.cluster.cluster import Cluster, ClusterSpec, seeded_random
from chaos.load import QUESTIONS, LoadGenerator, Question
from chaos.recovery import PROGRESS_STATES, question_job_id
from chaos.scenario import percentile
from chaos.watcher import ReplyWatcher
from contract import queue_eta

SLOTS: Final = 4
CLUSTER_CONFIG: Final = ClusterSpec(
    settings=(("STARCHAT_SLOTS", str(SLOTS)), ("STARCHAT_MAX_NEW_TOKENS", "400")),
)
WARMUP_QUESTIONS: Final = 10
"""Questions that are answered one by one before the first rush."""
REPLY_TIMEOUT_SECONDS: Final = 120.0
SEED: Final = 1


@dataclass(frozen=True, slots=True)
class WaitSample:
    """What one person was told, and how it was: seconds from acceptance to the first word."""

    position: int
    estimated_seconds: float
    actual_seconds: float


def measure_waits(count: int) -> dict[str, list[WaitSample]]:
    """Let so many questions come at once, when it has been calm and right after such rushes."""
    with Cluster(CLUSTER_CONFIG, SEED) as cluster:
        askers = _Askers(cluster)
        for number in range(WARMUP_QUESTIONS):
            askers.wait_for_replies(askers.ask_all([QUESTIONS[number % len(QUESTIONS)]]))
        samples = {}
        for burst in ("after a calm time", "after one rush", "after two", "after three"):
            # As many of each kind in every rush: rushes differ by their order alone.
            questions = askers.ask_all(
                [QUESTIONS[number % len(QUESTIONS)] for number in range(count)]
            )
            askers.wait_for_replies(questions)
            samples[burst] = list(_collect_samples(cluster, questions))
        return samples


def format_waits(samples: dict[str, list[WaitSample]]) -> str:
    """Return how far off the guesses were, as a Markdown table."""
    lines = [
        "| rush | had to wait | longest | told / waited, p50 | p10 to p90 | off by, p50 | p90 |",
        "|---|---|---|---|---|---|---|",
    ]
    for burst, waits in samples.items():
        ratios = [guess.estimated_seconds / guess.actual_seconds for guess in waits]
        errors = [abs(guess.estimated_seconds - guess.actual_seconds) for guess in waits]
        lines.append(
            f"| {burst} | {len(waits)} | {max(guess.actual_seconds for guess in waits):.1f} s"
            f" | {statistics.median(ratios):.2f}"
            f" | {percentile(ratios, 10):.2f} to {percentile(ratios, 90):.2f}"
            f" | {statistics.median(errors):.1f} s | {percentile(errors, 90):.1f} s |"
        )
    return "\n".join(lines)


AskedQuestion = tuple[Question, int, float | None, float]
"""A question, its place in line, the wait that follows from it, and when it was accepted."""


class _Askers:
    """People who ask as fast as the bot accepts, each in a thread of their own."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._crowd = LoadGenerator(cluster, SEED)
        self._rng = seeded_random(SEED, "line")
        self._watcher = ReplyWatcher(cluster.workspace)

    def ask_all(self, texts: list[str]) -> list[AskedQuestion]:
        self._rng.shuffle(texts)
        with self._cluster.connect_redis() as redis:
            line = QueueStatus(redis)
            return [self._ask_one(number, text, line) for number, text in enumerate(texts)]

    def _ask_one(self, number: int, text: str, line: QueueStatus) -> AskedQuestion:
        people, channels = self._cluster.users, self._cluster.channels
        question = self._crowd.ask_question(
            text,
            user=people[number % len(people)],
            channel=channels[number % len(channels)],
        )
        position = self._wait_for_acceptance(question)
        return (
            question,
            position,
            queue_eta.estimate_wait(position, line.live_workers()),
            monotonic(),
        )

    def _wait_for_acceptance(self, question: Question) -> int:
        (bot,) = self._cluster.bots
        while True:
            turn = bot.wait_for_event("question received")
            if turn["job"] == question_job_id(question) and turn["outcome"] == "accepted":
                return int(turn["position"])

    def wait_for_replies(self, questions: Iterable[AskedQuestion]) -> None:
        unanswered = self._watcher.wait_for_replies(
            [question for question, *_ in questions], REPLY_TIMEOUT_SECONDS
        )
        assert not unanswered, f"{len(unanswered)} without a reply"  # noqa: S101


def _collect_samples(cluster: Cluster, questions: Sequence[AskedQuestion]) -> Iterable[WaitSample]:
    """Yield those that found all slots taken."""
    started_at: dict[str, float] = {}
    for message in collect_history(cluster.workspace).messages:
        for version in message.versions:
            if version.question is not None and version.state in PROGRESS_STATES:
                earliest = started_at.get(version.question, version.at)
                started_at[version.question] = min(earliest, version.at)
    for question, position, estimate, accepted_at in questions:
        if position >= SLOTS and estimate is not None:
            yield WaitSample(position, estimate, max(started_at[question.ts] - accepted_at, 0.01))
