"""Sampling distribution of the whole engine, against transformers' own processors."""

import math
from collections import Counter
from collections.abc import Callable

import pytest
import torch

from testing.in_process_engine import EngineFactory, reference_probabilities, run_requests
from worker.engine import Request, SamplingParams
from worker.engine.loading.loader import LoadedModel

Models = Callable[[str], LoadedModel]

NUM_SEEDS = 2000
PROMPT = (5, 6, 7) * 8


def next_token_probabilities(
    network: torch.nn.Module, ids: tuple[int, ...], sampling: SamplingParams
) -> dict[int, float]:
    """Return the probability of each id that may follow `ids`, by transformers' own processors."""
    network.set_attn_implementation("sdpa")  # type: ignore[operator]
    try:
        with torch.inference_mode():
            logits = network(torch.tensor([ids])).logits[0, -1].double()
    finally:
        network.set_attn_implementation("starchat_slots")  # type: ignore[operator]
    chances = reference_probabilities(logits, sampling)
    return {int(n): float(chances[n]) for n in chances.nonzero()[0]}


def chi_square_deviation(seen: Counter[int], chances: dict[int, float]) -> float:
    """
    Return how many standard deviations the chi-square statistic is above its mean.

    Ids that are expected less than five times count as one. By Wilson and Hilferty (1931) the cube
    root of chi-square over its degrees of freedom is normal.
    """
    assert set(seen) <= set(chances)
    total = seen.total()
    rare = {n for n, chance in chances.items() if chance * total < 5}
    cells = [(seen[n], chance * total) for n, chance in chances.items() if n not in rare]
    if rare:
        cells.append((sum(seen[n] for n in rare), total * sum(chances[n] for n in rare)))
    free = len(cells) - 1
    assert free > 1
    statistic: float = sum((count - wanted) ** 2 / wanted for count, wanted in cells if wanted)
    spread = 2 / (9 * free)
    return (math.cbrt(statistic / free) - (1 - spread)) / math.sqrt(spread)


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [(1.0, 12, 1.0), (1.0, 0, 0.6), (1.5, 20, 0.8)],
    ids=["top_k", "top_p", "both"],
)
def test_sampled_tokens_match_transformers(
    models: Models, new_engine: EngineFactory, temperature: float, top_k: int, top_p: float
) -> None:
    """
    2,000 seeds continue one prompt by two tokens, 48 at once, with most of the prompt cached.

    Checks the first token, and the second after the most frequent first one. Power: an error of
    0.08 in total variation has a non-centrality of at least 2,000 · (2 · 0.08)² = 51. The test
    rejects it with a probability above 0.98 at 20 degrees of freedom or fewer. It rejects a correct
    engine with 0.001; the seeds are fixed, and it doesn't. Drafts change no token
    (`test_speculative_replies.py`).
    """
    network = models("bigcode").network
    requests = [
        Request(str(seed), PROMPT, SamplingParams(2, temperature, top_k, top_p, seed), scope="T1")
        for seed in range(NUM_SEEDS)
    ]
    engine = new_engine(slots=48, max_step_tokens=400)

    said = [reply.ids for reply in run_requests(engine, requests).values()]

    firsts = Counter(ids[0] for ids in said)
    sampling = requests[0].sampling
    assert chi_square_deviation(firsts, next_token_probabilities(network, PROMPT, sampling)) < 3.09
    [(likeliest, _)] = firsts.most_common(1)
    seconds = Counter(ids[1] for ids in said if ids[0] == likeliest)
    assert (
        chi_square_deviation(
            seconds, next_token_probabilities(network, (*PROMPT, likeliest), sampling)
        )
        < 3.09
    )
