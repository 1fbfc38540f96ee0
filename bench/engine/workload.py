"""What there is to do: requests as they arrive, and threads of several turns; pure Python."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ARRIVALS_PER_SECOND: Final = 0.8
"""Requests that arrive in a second of the clock, where they come as a Poisson stream."""
TOKEN_ID_RANGE: Final = (1, 49152)
"""Prompts are drawn from these ids: a vocabulary without its control tokens."""
NUM_TURNS: Final = 8
MESSAGE_TOKENS: Final = 60
ANSWER_TOKENS: Final = 24
"""Tokens of each message and each reply of a thread."""


@dataclass(frozen=True, slots=True)
class RequestSpec:
    """
    A prompt of token ids and how many tokens follow: all replies end by their length.

    It arrives `at` so many seconds of the clock. What is kept of a thread's earlier turns may be
    used where `thread` is not empty.
    """

    request_id: str
    prompt_ids: tuple[int, ...]
    max_new_tokens: int
    arrival_seconds: float = 0.0
    thread_id: str = ""


def draw_burst(count: int, seed: int, *, most: int = TOKEN_ID_RANGE[1]) -> list[RequestSpec]:
    """
    Draw requests that all arrive at once.

    Prompts have 15 to 200 tokens (median 60), replies 8 to 48, all ids are below `most`.
    """
    rng = random.Random(seed)  # noqa: S311 - repeatable, nothing secret
    requests = []
    for number in range(count):
        length = min(200, max(15, round(rng.lognormvariate(4.1, 0.7))))
        prompt = _draw_token_ids(rng, length, most)
        requests.append(RequestSpec(str(number), prompt, rng.randint(8, 48)))
    return requests


def draw_poisson_stream(
    count: int, seed: int, *, most: int = TOKEN_ID_RANGE[1]
) -> list[RequestSpec]:
    """Draw the same requests as `burst`, at moments of a Poisson stream of `RATE` a second."""
    rng = random.Random(-seed)  # noqa: S311 - repeatable, nothing secret
    arrival_seconds = 0.0
    requests = []
    for request in draw_burst(count, seed, most=most):
        requests.append(
            RequestSpec(
                request.request_id, request.prompt_ids, request.max_new_tokens, arrival_seconds
            )
        )
        arrival_seconds += rng.expovariate(ARRIVALS_PER_SECOND)
    return requests


def draw_thread_messages(seed: int, *, most: int = TOKEN_ID_RANGE[1]) -> list[tuple[int, ...]]:
    """Draw what a person says in a thread of `TURNS` turns."""
    rng = random.Random(seed)  # noqa: S311 - repeatable, nothing secret
    return [_draw_token_ids(rng, MESSAGE_TOKENS, most) for _ in range(NUM_TURNS)]


def count_reply_tokens(requests: Sequence[RequestSpec]) -> int:
    """Return how many tokens all replies have together."""
    return sum(wish.max_new_tokens for wish in requests)


def _draw_token_ids(rng: random.Random, length: int, token_id_limit: int) -> tuple[int, ...]:
    return tuple(rng.randrange(TOKEN_ID_RANGE[0], token_id_limit) for _ in range(length))
