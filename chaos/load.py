"""Load generator: random questions in threads, each with a unique token."""

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from chaos.checker.collector import make_token
from chaos.cluster.cluster import Cluster
from testing import memorizing_model
from testing.workspace import RefusedError

LONG_QUESTION: Final = " ".join([memorizing_model.ENDLESS] * 8)
"""Question whose reply ends only at the token limit."""
MIN_TYPING_SECONDS: Final = 0.25
"""Minimum time between two questions in a thread."""
QUESTIONS: Final = (
    memorizing_model.MUTEX,
    memorizing_model.REVERSE,
    memorizing_model.COUNT,
    memorizing_model.GREET,
    LONG_QUESTION,
)


@dataclass(frozen=True, slots=True)
class Question:
    """Mention of the bot. `thread` is the timestamp of its thread's root, which may be its own."""

    ts: str
    channel: str
    thread: str
    user: str
    token: str
    asked_at: float


class LoadGenerator:
    """Users of a cluster's workspace, who ask random questions."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self._cluster = cluster
        self._seed = seed
        self._numbers = count(1)

    def ask_question(
        self,
        text: str,
        *,
        user: str | None = None,
        channel: str | None = None,
        previous: Question | None = None,
        token: str | None = None,
    ) -> Question:
        """
        Ask one question, in a new thread or in that of the `previous` question.

        Questions with one `token` and text are identical.
        """
        cluster = self._cluster
        user = user or cluster.users[0]
        channel = previous.channel if previous else channel or cluster.channels[0]
        root = previous.thread if previous else None
        question_token = token or make_token(next(self._numbers), self._seed)
        asked_at = time.monotonic()
        ts = cluster.workspace.post_message(
            user, channel, f"@StarChat {text} {question_token}", root
        )
        return Question(ts, channel, root or ts, user, question_token, asked_at)

    def ask_in_threads(self, rng: random.Random, lengths: Sequence[int]) -> Iterator[Question]:
        """
        Ask in several threads at the same time, without waiting for replies; yield the questions.

        A thread whose root is deleted ends early.
        """
        cluster = self._cluster
        starters = [(rng.choice(cluster.users), rng.choice(cluster.channels)) for _ in lengths]
        last_questions: dict[int, Question] = {}
        for round_index in range(max(lengths, default=0)):
            open_threads = [index for index, length in enumerate(lengths) if round_index < length]
            for number in open_threads:
                text, previous = rng.choice(QUESTIONS), last_questions.get(number)
                question = self._ask_follow_up(text, *starters[number], previous)
                if question is not None:
                    last_questions[number] = question
                    yield question

    def _ask_follow_up(
        self, text: str, user: str, channel: str, previous: Question | None
    ) -> Question | None:
        """Ask the next question of a thread, `None` if its root was deleted without a reply."""
        _wait_while_typing(previous)
        try:
            return self.ask_question(text, user=user, channel=channel, previous=previous)
        except RefusedError as refusal:
            if refusal.error != "thread_not_found":
                raise
            return None


def _wait_while_typing(previous: Question | None) -> None:
    """Wait the minimum time that a user needs to type the next question."""
    if previous is not None:
        time.sleep(max(0.0, previous.asked_at + MIN_TYPING_SECONDS - time.monotonic()))


def draw_thread_lengths(rng: random.Random, questions: int, max_length: int = 3) -> Sequence[int]:
    """Return random thread lengths that add up to `questions`."""
    lengths: list[int] = []
    while questions > 0:
        lengths.append(min(questions, rng.randint(1, max_length)))
        questions -= lengths[-1]
    return lengths
