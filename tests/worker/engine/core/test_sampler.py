"""Sampler: temperature, top_k and top_p as in transformers, seeded by the request."""

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from testing.in_process_engine import reference_probabilities
from worker.engine import Request, SamplingParams
from worker.engine.core.request_state import RequestState, ScheduledRequest
from worker.engine.core.sampler import (
    TOP_LOGITS,
    InvalidLogitsError,
    draw_uniform,
    filter_probabilities,
    needs_full_row,
    sample_from,
    sample_step,
    sort_logits,
)

VOCABULARY = 300

samplings = st.builds(
    SamplingParams,
    temperature=st.floats(0.05, 3),
    top_k=st.integers(0, VOCABULARY + 20),
    top_p=st.floats(0.01, 1),
)
rows = st.integers(0, 10_000).map(
    lambda seed: np.random.default_rng(seed).normal(0, 4, VOCABULARY).astype(np.float32)
)


def expected_probabilities(
    row: NDArray[np.float32], sampling: SamplingParams
) -> NDArray[np.float64]:
    """Return the probabilities of all ids after transformers' own processors."""
    return reference_probabilities(torch.from_numpy(row).double(), sampling)


def engine_probabilities(row: NDArray[np.float32], sampling: SamplingParams) -> NDArray[np.float64]:
    """Return the probabilities of all ids after the engine's filters."""
    largest = torch.from_numpy(row).topk(min(TOP_LOGITS, row.size))
    logits, ids = sort_logits(largest.values.numpy(), largest.indices.numpy())
    if needs_full_row(logits, sampling):
        logits, ids = sort_logits(row, np.arange(row.size))
    found = np.zeros(row.size)
    found[ids] = filter_probabilities(logits, sampling)
    return found


@given(rows, samplings)
@example(np.arange(VOCABULARY, dtype=np.float32), SamplingParams())
@example(np.zeros(VOCABULARY, np.float32), SamplingParams(temperature=1, top_k=50, top_p=1))
@example(np.arange(VOCABULARY, dtype=np.float32), SamplingParams(top_p=1e-300))
def test_filtered_probabilities_equal_transformers(
    row: NDArray[np.float32], sampling: SamplingParams
) -> None:
    """The same ids survive the three filters, with the same probabilities."""
    assert np.allclose(
        engine_probabilities(row, sampling), expected_probabilities(row, sampling), atol=1e-9
    )


def test_temperature_applies_before_top_p() -> None:
    """A lower temperature leaves fewer ids."""
    row = np.linspace(0, 8, VOCABULARY, dtype=np.float32)

    assert np.count_nonzero(
        engine_probabilities(row, SamplingParams(temperature=0.2))
    ) < np.count_nonzero(engine_probabilities(row, SamplingParams(temperature=1.0)))


@given(st.integers(0, 10_000), st.sampled_from([1, 2, 50, 64]))
def test_ties_at_the_edge_of_top_k_are_kept(seed: int, top_k: int) -> None:
    """Rounded logits tie, as bfloat16 ones do."""
    row = np.random.default_rng(seed).normal(0, 1, VOCABULARY).round(1).astype(np.float32)
    sampling = SamplingParams(temperature=1, top_k=top_k, top_p=1)

    assert np.allclose(engine_probabilities(row, sampling), expected_probabilities(row, sampling))


@given(st.integers(0, 10_000))
def test_temperature_0_takes_the_first_maximum(seed: int) -> None:
    """The result is argmax's, ties included."""
    row = np.random.default_rng(seed).integers(0, 4, VOCABULARY).astype(np.float32)

    assert (
        engine_probabilities(row, SamplingParams(temperature=0)).argmax()
        == torch.from_numpy(row).argmax().item()
    )


def test_tiny_temperature_overflows_into_certainty() -> None:
    """Division by a temperature near 0 gives no NaN."""
    row = np.arange(VOCABULARY, dtype=np.float32)

    found = engine_probabilities(row, SamplingParams(temperature=5e-324))

    assert found[-1] == 1
    assert not np.isnan(found).any()


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_nan_or_infinite_logits_raise_an_error(wrong: float) -> None:
    """The error concerns this row alone."""
    row = np.array([1.0, wrong, 0.5], np.float32)

    with pytest.raises(InvalidLogitsError):
        sort_logits(row, np.arange(3))


def test_row_of_minus_infinity_raises_an_error() -> None:
    """Such logits are no distribution."""
    with pytest.raises(InvalidLogitsError):
        sort_logits(np.full(3, -np.inf, np.float32), np.arange(3))


def test_sampled_ids_match_their_probabilities() -> None:
    """
    20,000 seeds sample a known distribution; the chi-square statistic stays below its quantile.

    Power: an error of 0.03 in total variation has a non-centrality of at least 20,000 · (2 · 0.03)²
    = 72. The test rejects it with a probability above 0.99. It rejects a correct sampler with
    0.001; the seeds are fixed, and it doesn't.
    """
    row = np.array([2.0, 1.7, 1.5, 1.2, 1.0, 0.6, 0.3, 0.0, -0.4, -3.0], np.float32)
    sampling = SamplingParams(temperature=0.9, top_k=9, top_p=0.99)
    expected = expected_probabilities(row, sampling)
    count = 20_000
    logits, ids = sort_logits(row, np.arange(row.size))

    chosen = [
        sample_from(logits, ids, sampling, draw_uniform(SamplingParams(seed=seed), seed % 50))
        for seed in range(count)
    ]

    seen = np.bincount(chosen, minlength=row.size)
    kept = expected > 0
    assert seen[~kept].sum() == 0
    wanted = expected[kept] * count
    statistic = float(((seen[kept] - wanted) ** 2 / wanted).sum())
    assert kept.sum() == 9
    assert statistic < 26.12  # the 0.999 quantile for 8 degrees of freedom


@given(st.integers(0, 2**64), st.integers(0, 8191))
def test_random_number_depends_on_seed_and_index_only(seed: int, place: int) -> None:
    """A restarted reply draws the same numbers."""
    first = draw_uniform(SamplingParams(seed=seed), place)

    assert first == draw_uniform(SamplingParams(seed=seed), place)
    assert 0 <= first < 1


def test_random_numbers_of_neighbours_are_uncorrelated() -> None:
    """Neighbouring indices of one seed, and neighbouring seeds at one index."""
    by_place = np.array([draw_uniform(SamplingParams(seed=1), place) for place in range(4000)])
    by_seed = np.array([draw_uniform(SamplingParams(seed=seed), 0) for seed in range(4000)])

    for numbers in (by_place, by_seed):
        assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 0.06
        assert abs(numbers.mean() - 0.5) < 0.02


@given(rows, samplings, st.floats(0, 1, exclude_max=True))
def test_sampled_id_has_a_positive_probability(
    row: NDArray[np.float32], sampling: SamplingParams, at: float
) -> None:
    """For every random number."""
    logits, ids = sort_logits(row, np.arange(row.size))

    chosen = sample_from(logits, ids, sampling, at)

    assert engine_probabilities(row, sampling)[chosen] > 0


def make_decode(temperature: float = 0) -> ScheduledRequest:
    """Return a scheduled request whose next token can be sampled."""
    sampling = SamplingParams(max_new_tokens=5, temperature=temperature)
    return ScheduledRequest(
        RequestState(Request("r", (1, 2, 3), sampling), [1, 2, 3], arrival=0), start=2, num_tokens=1
    )


def test_greedy_requests_get_the_first_maximum() -> None:
    """With and without a sampled request beside it."""
    logits = torch.tensor([[0.0, 7.0, 1.0, 7.0], [3.0, 3.0, -1.0, 2.0]])

    assert [found for _, found in sample_step([make_decode(), make_decode()], logits)] == [[1], [0]]
    assert next(found for _, found in sample_step([make_decode(), make_decode(0.01)], logits)) == [
        1
    ]


def test_invalid_row_samples_no_token() -> None:
    """The request beside it gets its token."""
    nothing, infinite = float("nan"), float("inf")
    for broken in ([0.0, nothing, 1.0], [0.0, infinite, 1.0], [-infinite] * 3):
        logits = torch.tensor([broken, [0.0, 1.0, 2.0]])

        assert [found for _, found in sample_step([make_decode(), make_decode()], logits)] == [
            [],
            [2],
        ]
