"""
How the next token is chosen: temperature, then top_k, then top_p, by the request's own seed.

Works on the largest logits of a row (`MOST` of them come from the device) and asks for the whole
row where those cannot decide.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from worker.engine import SamplingParams

TOP_LOGITS: Final = 65
"""How many of a row's largest logits are looked at first: 64, and one more to see a tie."""

Logits = NDArray[np.float64]
Ids = NDArray[np.int64]


class InvalidLogitsError(Exception):
    """The largest logit is no finite number, so nothing can be chosen."""


def sort_logits(logits: NDArray[np.floating], ids: Ids) -> tuple[Logits, Ids]:
    """Sort by falling logit and, among equals, by id, whatever order the device gave them."""
    logits64 = logits.astype(np.float64)
    if not np.isfinite(logits64.max()):
        raise InvalidLogitsError
    order = np.lexsort((ids, -logits64))
    return logits64[order], ids[order]


def needs_full_row(logits: Logits, sampling: SamplingParams) -> bool:
    """
    Say whether a row's largest logits (in falling order) are too few for `sampling`.

    The last one may tie with others that were left out; a tie at the k-th place counts as inside.
    """
    if sampling.temperature == 0:
        return bool(logits[0] == logits[-1])
    if not 0 < sampling.top_k < logits.size:
        return True
    return bool(logits[sampling.top_k - 1] == logits[-1])


def filter_probabilities(logits: Logits, sampling: SamplingParams) -> Logits:
    """Return the probabilities of logits in falling order after all three filters."""
    if sampling.temperature == 0:
        one_hot: Logits = np.zeros(logits.size)
        one_hot[0] = 1.0
        return one_hot
    with np.errstate(over="ignore"):
        scaled: Logits = (logits - logits[0]) / sampling.temperature
    if 0 < sampling.top_k < scaled.size:
        scaled = np.where(scaled < scaled[sampling.top_k - 1], -np.inf, scaled)
    weights: Logits = np.exp(scaled)
    weights /= weights.sum()
    if sampling.top_p < 1:
        suffix_sums = np.cumsum(weights[::-1])[::-1]
        keep = suffix_sums > 1 - sampling.top_p
        keep[0] = True
        weights = np.where(keep, weights, 0.0)
        weights /= weights.sum()
    return weights


def sample_from(logits: Logits, ids: Ids, sampling: SamplingParams, random_number: float) -> int:
    """Return the id at `at` (in [0, 1)) of the filtered distribution."""
    cumulative = np.cumsum(filter_probabilities(logits, sampling))
    index = int(np.searchsorted(cumulative, random_number * cumulative[-1], side="right"))
    return int(ids[min(index, ids.size - 1)])


def draw_uniform(sampling: SamplingParams, reply_index: int) -> float:
    """
    Return the random number in [0, 1) for the token at `place` of a reply.

    It depends on nothing but the seed and the place, so a reply that is begun again goes on alike.
    """
    return float(
        np.random.Generator(np.random.Philox(key=sampling.seed, counter=reply_index)).random()
    )
