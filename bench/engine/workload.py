"""What there is to do: requests as they arrive, and threads of several turns; pure Python."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

RATE: Final = 0.8
"""Requests that arrive in a second of the clock, where they come as a Poisson stream."""
IDS: Final = (1, 49152)
"""Prompts are drawn from these ids: a vocabulary without its control tokens."""
TURNS: Final = 8
MESSAGE: Final = 60
ANSWER: Final = 24
"""Tokens of each message and each reply of a thread."""


@dataclass(frozen=True, slots=True)
class Wish:
    """
    A prompt of token ids and how many tokens follow: all replies end by their length.

    It arrives `at` so many seconds of the clock. What is kept of a thread's earlier turns may be
    used where `thread` is not empty.
    """

    name: str
    prompt: tuple[int, ...]
    new: int
    at: float = 0.0
    thread: str = ""


def burst(count: int, seed: int, *, most: int = IDS[1]) -> list[Wish]:
    """
    Draw requests that all arrive at once.

    Prompts have 15 to 200 tokens (median 60), replies 8 to 48, all ids are below `most`.
    """
    dice = random.Random(seed)  # noqa: S311 - repeatable, nothing secret
    found = []
    for number in range(count):
        length = min(200, max(15, round(dice.lognormvariate(4.1, 0.7))))
        prompt = _ids(dice, length, most)
        found.append(Wish(str(number), prompt, dice.randint(8, 48)))
    return found


def poisson(count: int, seed: int, *, most: int = IDS[1]) -> list[Wish]:
    """Draw the same requests as `burst`, at moments of a Poisson stream of `RATE` a second."""
    dice = random.Random(-seed)  # noqa: S311 - repeatable, nothing secret
    at = 0.0
    found = []
    for wish in burst(count, seed, most=most):
        found.append(Wish(wish.name, wish.prompt, wish.new, at))
        at += dice.expovariate(RATE)
    return found


def messages(seed: int, *, most: int = IDS[1]) -> list[tuple[int, ...]]:
    """Draw what a person says in a thread of `TURNS` turns."""
    dice = random.Random(seed)  # noqa: S311 - repeatable, nothing secret
    return [_ids(dice, MESSAGE, most) for _ in range(TURNS)]


def tokens(wishes: Sequence[Wish]) -> int:
    """Return how many tokens all replies have together."""
    return sum(wish.new for wish in wishes)


def _ids(dice: random.Random, length: int, most: int) -> tuple[int, ...]:
    return tuple(dice.randrange(IDS[0], most) for _ in range(length))
