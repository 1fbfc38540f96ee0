"""How far off the wait is that people are told: estimated as a question is accepted, then timed."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final

from bot.store.line import Line
from chaos.checker.collector import collect
from chaos.cluster.cluster import Cast, Stage, dice
from chaos.load import QUESTIONS, Crowd, Question
from chaos.recovery import AT_WORK, job_of
from chaos.scenario import percentile
from chaos.watcher import Following
from contract import queue_eta

SLOTS: Final = 4
CAST: Final = Cast(
    variables=(("STARCHAT_SLOTS", str(SLOTS)), ("STARCHAT_MAX_NEW_TOKENS", "400")),
)
CALM: Final = 10
"""Questions that are answered one by one before the first rush."""
PATIENCE: Final = 120.0
SEED: Final = 1


@dataclass(frozen=True, slots=True)
class Guess:
    """What one person was told, and how it was: seconds from acceptance to the first word."""

    place: int
    told: float
    waited: float


def run(count: int) -> dict[str, list[Guess]]:
    """Let so many questions come at once, when it has been calm and right after such rushes."""
    with Stage(CAST, SEED) as stage:
        crowd = _Crowd(stage)
        for number in range(CALM):
            crowd.ended(crowd.asked([QUESTIONS[number % len(QUESTIONS)]]))
        found = {}
        for when in ("after a calm time", "after one rush", "after two", "after three"):
            # As many of each kind in every rush: rushes differ by their order alone.
            asked = crowd.asked([QUESTIONS[number % len(QUESTIONS)] for number in range(count)])
            crowd.ended(asked)
            found[when] = list(_guesses(stage, asked))
        return found


def table(found: dict[str, list[Guess]]) -> str:
    """Return how far off the guesses were, as a Markdown table."""
    lines = [
        "| rush | had to wait | longest | told / waited, p50 | p10 to p90 | off by, p50 | p90 |",
        "|---|---|---|---|---|---|---|",
    ]
    for when, guesses in found.items():
        shares = [guess.told / guess.waited for guess in guesses]
        off = [abs(guess.told - guess.waited) for guess in guesses]
        lines.append(
            f"| {when} | {len(guesses)} | {max(guess.waited for guess in guesses):.1f} s"
            f" | {statistics.median(shares):.2f}"
            f" | {percentile(shares, 10):.2f} to {percentile(shares, 90):.2f}"
            f" | {statistics.median(off):.1f} s | {percentile(off, 90):.1f} s |"
        )
    return "\n".join(lines)


Asked = tuple[Question, int, float | None, float]
"""A question, its place in line, the wait that follows from it, and when it was accepted."""


class _Crowd:
    """People who ask as fast as the bot accepts, each in a thread of their own."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._crowd = Crowd(stage, SEED)
        self._dice = dice(SEED, "line")
        self._following = Following(stage.workspace)

    def asked(self, texts: list[str]) -> list[Asked]:
        self._dice.shuffle(texts)
        with self._stage.direct() as redis:
            line = Line(redis)
            return [self._one(number, text, line) for number, text in enumerate(texts)]

    def _one(self, number: int, text: str, line: Line) -> Asked:
        people, channels = self._stage.people, self._stage.channels
        question = self._crowd.ask(
            text,
            person=people[number % len(people)],
            channel=channels[number % len(channels)],
        )
        place = self._accepted(question)
        return question, place, queue_eta.estimate(place, line.workers()), monotonic()

    def _accepted(self, question: Question) -> int:
        (bot,) = self._stage.bots
        while True:
            turn = bot.wait_for("turn")
            if turn["job"] == job_of(question) and turn["outcome"] == "accepted":
                return int(turn["place"])

    def ended(self, asked: Iterable[Asked]) -> None:
        left = self._following.wait([question for question, *_ in asked], PATIENCE)
        assert not left, f"{len(left)} without a reply"  # noqa: S101


def _guesses(stage: Stage, asked: Sequence[Asked]) -> Iterable[Guess]:
    """Yield those that found all slots taken."""
    began: dict[str, float] = {}
    for message in collect(stage.workspace).messages:
        for version in message.versions:
            if version.question is not None and version.state in AT_WORK:
                before = began.get(version.question, version.at)
                began[version.question] = min(before, version.at)
    for question, place, told, accepted in asked:
        if place >= SLOTS and told is not None:
            yield Guess(place, told, max(began[question.ts] - accepted, 0.01))
