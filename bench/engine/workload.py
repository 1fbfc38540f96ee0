"""Workloads: requests with arrival times, and threads of several turns. Pure Python."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ARRIVALS_PER_SECOND: Final = 0.8
"""Rate of the Poisson stream in requests per second."""
TOKEN_ID_RANGE: Final = (1, 49152)
"""Range of the token ids in prompts: the vocabulary without its control tokens."""
NUM_TURNS: Final = 8
MESSAGE_TOKENS: Final = 60
ANSWER_TOKENS: Final = 24
"""Tokens of each message and each reply of a thread."""


@dataclass(frozen=True, slots=True)
class RequestSpec:
    """
    A prompt of token ids and the exact number of tokens to generate.

    `arrival_seconds` count from the start of the run. If `thread_id` is not empty, the engine may
    use the cached prefix of the thread's earlier turns.
    """

    request_id: str
    prompt_ids: tuple[int, ...]
    max_new_tokens: int
    arrival_seconds: float = 0.0
    thread_id: str = ""


def draw_burst(
    count: int, seed: int, *, token_id_limit: int = TOKEN_ID_RANGE[1]
) -> list[RequestSpec]:
    """
    Draw requests that all arrive at once.

    Prompts have 15 to 200 tokens (median 60), replies 8 to 48. All ids are below `token_id_limit`.
    """
    rng = random.Random(seed)  # noqa: S311 - repeatable, nothing secret
    requests = []
    for number in range(count):
        length = min(200, max(15, round(rng.lognormvariate(4.1, 0.7))))
        prompt = _draw_token_ids(rng, length, token_id_limit)
        requests.append(RequestSpec(str(number), prompt, rng.randint(8, 48)))
    return requests


def draw_poisson_stream(
    count: int, seed: int, *, token_id_limit: int = TOKEN_ID_RANGE[1]
) -> list[RequestSpec]:
    """Draw the requests of `draw_burst` with the arrival times of a Poisson stream."""
    rng = random.Random(-seed)  # noqa: S311 - repeatable, nothing secret
    arrival_seconds = 0.0
    requests = []
    for request in draw_burst(count, seed, token_id_limit=token_id_limit):
        requests.append(
            RequestSpec(
                request.request_id, request.prompt_ids, request.max_new_tokens, arrival_seconds
            )
        )
        arrival_seconds += rng.expovariate(ARRIVALS_PER_SECOND)
    return requests


def draw_thread_messages(
    seed: int, *, token_id_limit: int = TOKEN_ID_RANGE[1]
) -> list[tuple[int, ...]]:
    """Draw the user's messages in a thread of `NUM_TURNS` turns."""
    rng = random.Random(seed)  # noqa: S311 - repeatable, nothing secret
    return [_draw_token_ids(rng, MESSAGE_TOKENS, token_id_limit) for _ in range(NUM_TURNS)]


def count_reply_tokens(requests: Sequence[RequestSpec]) -> int:
    """Return the total number of tokens of all replies."""
    return sum(request.max_new_tokens for request in requests)


def _draw_token_ids(rng: random.Random, length: int, token_id_limit: int) -> tuple[int, ...]:
    return tuple(rng.randrange(TOKEN_ID_RANGE[0], token_id_limit) for _ in range(length))
