"""Sampler: temperature, top_k and top_p as in transformers, seeded by the request."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from testing.in_process_engine import reference_probabilities
from worker.engine import Request, SamplingParams
from worker.engine.core.request_state import RequestState, ScheduledRequest
from worker.engine.core.row_params import RowParams
from worker.engine.core.sampler import (
    MAX_CANDIDATES,
    NUM_CANDIDATES,
    UNDECIDED,
    SampledStep,
    filter_candidates,
    sample_candidates,
    sample_step,
    sort_candidates,
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


def sort_row(row: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return whole rows, `[R, V]` or `[V]`, as candidates."""
    return sort_candidates(np.atleast_2d(row), np.arange(row.shape[-1])[None])


def engine_probabilities(row: NDArray[np.float32], sampling: SamplingParams) -> NDArray[np.float64]:
    """Return the probabilities of all ids after the engine's filters."""
    logits, ids = sort_row(row)
    params = RowParams.from_rows([(sampling, 0)], row.size)
    found = filter_candidates(logits, params, None, row.size)
    kept = found.num_kept[0]
    probabilities = np.zeros(row.size)
    probabilities[ids[0, :kept]] = found.weights[0, :kept] / found.total[0]
    return probabilities


def sample_full_row(row: NDArray[np.float32], sampling: SamplingParams, index: int) -> int:
    """Return the token that a whole row gives."""
    params = RowParams.from_rows([(sampling, index)], row.size)
    [token] = sample_candidates(*sort_row(row), params, None, row.size)
    return int(token)


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
    rows = [(replace(sampling, seed=seed), seed % 50) for seed in range(count)]
    params = RowParams.from_rows(rows, row.size)

    chosen = sample_candidates(*sort_row(np.tile(row, (count, 1))), params, None, row.size)

    seen = np.bincount(chosen, minlength=row.size)
    kept = expected > 0
    assert seen[~kept].sum() == 0
    wanted = expected[kept] * count
    statistic = float(((seen[kept] - wanted) ** 2 / wanted).sum())
    assert kept.sum() == 9
    assert statistic < 26.12  # the 0.999 quantile for 8 degrees of freedom


@given(rows, samplings, st.integers(0, 10_000))
def test_sampled_id_has_a_positive_probability(
    row: NDArray[np.float32], sampling: SamplingParams, index: int
) -> None:
    """For every random number."""
    chosen = sample_full_row(row, sampling, index)

    assert engine_probabilities(row, sampling)[chosen] > 0


def read_tokens(
    rows: list[NDArray[np.float32]], settings: list[tuple[SamplingParams, int]]
) -> list[list[int]]:
    """Return the tokens of requests that sample one row each, in one step."""
    logits = torch.from_numpy(np.stack(rows))
    sampled = SampledStep(logits, settings)
    return [
        sampled.accept_tokens(make_decode(setting.temperature), range(row, row + 1))
        for row, (setting, _) in enumerate(settings)
    ]


mixed_samplings = st.builds(
    SamplingParams,
    temperature=st.sampled_from([0, 1e-300, 0.05, 0.2, 1, 3]),
    top_k=st.sampled_from([0, 1, 2, 50, 64, 65, 200, VOCABULARY - 1, VOCABULARY, 10**400]),
    top_p=st.sampled_from([1e-300, 0.5, 0.95, 1]),
    seed=st.integers(0, 2**64 - 1),
)


@given(
    st.lists(
        st.tuples(rows, mixed_samplings, st.integers(0, 8191), st.booleans()),
        min_size=1,
        max_size=9,
    )
)
def test_token_depends_neither_on_other_rows_nor_on_candidates(
    drawn: list[tuple[NDArray[np.float32], SamplingParams, int, bool]],
) -> None:
    """Rows sampled together, alone, and from all of their logits; rounded ones tie."""
    logits = [row.round() if is_rounded else row for row, _, _, is_rounded in drawn]
    settings = [(sampling, index) for _, sampling, index, _ in drawn]

    together = read_tokens(logits, settings)

    assert together == [
        read_tokens([row], [setting])[0] for row, setting in zip(logits, settings, strict=True)
    ]
    assert together == [
        [sample_full_row(row, *setting)] for row, setting in zip(logits, settings, strict=True)
    ]


@pytest.mark.parametrize("top_k", [0, 60, MAX_CANDIDATES - 1, MAX_CANDIDATES])
def test_candidates_are_as_good_as_a_long_row(top_k: int) -> None:
    """Also where a top_k in the step needs more of them, or more than there may be."""
    dice = np.random.default_rng(1)
    logits = list(dice.normal(0, 1, (40, 3000)).astype(np.float32))
    settings = [(SamplingParams(temperature=1, top_k=top_k, seed=seed), 3) for seed in range(40)]

    assert read_tokens(logits, settings) == [
        [sample_full_row(row, *setting)] for row, setting in zip(logits, settings, strict=True)
    ]


def test_row_without_top_k_needs_few_logits() -> None:
    """The candidates decide where they hold the nucleus, or the quantile if there is none."""
    row = np.random.default_rng(2).normal(0, 3, (1, 3000)).astype(np.float32)
    logits, ids = sort_row(row)
    logits, ids = logits[:, :NUM_CANDIDATES], ids[:, :NUM_CANDIDATES]

    def sample(sampling: SamplingParams) -> int:
        weights = np.exp((row - row.max()) / sampling.temperature).sum(axis=1, dtype=np.float64)
        params = RowParams.from_rows([(sampling, 0)], 3000)
        return int(sample_candidates(logits, ids, params, weights, 3000)[0])

    assert sample(SamplingParams(top_k=0)) != UNDECIDED
    assert sample(SamplingParams(temperature=0.2, top_k=0, top_p=1)) != UNDECIDED
    assert sample(SamplingParams(temperature=3, top_k=0)) == UNDECIDED


@pytest.mark.parametrize(
    "sampling",
    [
        SamplingParams(temperature=0),
        SamplingParams(temperature=1, top_k=64, top_p=1),
        SamplingParams(temperature=1, top_k=0, top_p=1),
        SamplingParams(temperature=1, top_k=0, top_p=0.1),
    ],
    ids=["greedy", "top_k", "no filter", "nucleus inside"],
)
def test_tie_beyond_the_candidates_is_left_to_the_whole_row(sampling: SamplingParams) -> None:
    """A device may return any of the equal logits; one that it left out may have a lower id."""
    ids = np.arange(35, 35 + NUM_CANDIDATES)[None]
    params = RowParams.from_rows([(sampling, 0)], 100)
    sums = np.array([100.0 if sampling.top_k == 0 else np.nan])

    [token] = sample_candidates(np.ones((1, NUM_CANDIDATES)), ids, params, sums, 100)

    assert token == UNDECIDED


def make_decode(temperature: float = 0, top_k: int = 50) -> ScheduledRequest:
    """Return a scheduled request whose next token can be sampled."""
    sampling = SamplingParams(max_new_tokens=5, temperature=temperature, top_k=top_k)
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


@pytest.mark.parametrize("temperature", [0, 0.01])
@pytest.mark.parametrize("top_k", [0, 2])
def test_invalid_row_samples_no_token(temperature: float, top_k: int) -> None:
    """The request beside it gets its token."""
    nothing, infinite = float("nan"), float("inf")
    for broken in ([0.0, nothing, 1.0], [0.0, infinite, 1.0], [-infinite] * 3):
        logits = torch.full((2, 100), -infinite)
        logits[0, :3], logits[1, :3] = torch.tensor(broken), torch.tensor([0.0, 1.0, 2.0])

        step = [make_decode(temperature, top_k) for _ in range(2)]
        assert [found for _, found in sample_step(step, logits)] == [[], [2]]
