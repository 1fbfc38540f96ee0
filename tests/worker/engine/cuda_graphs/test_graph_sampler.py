"""Sampling in captured steps: the host's tokens, or a request to let the host decide."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from worker.engine import Request, SamplingParams
from worker.engine.core.request_state import RequestState, ScheduledRequest
from worker.engine.core.row_params import RowParams
from worker.engine.core.sampler import INVALID, UNDECIDED, sample_step
from worker.engine.cuda_graphs.graph_sampler import sample_rows, stage_params

VOCABULARY = 300
SETTINGS = [
    SamplingParams(temperature=0),
    SamplingParams(),
    SamplingParams(temperature=1.5, top_k=64, top_p=1),
    SamplingParams(temperature=0.7, top_k=3, top_p=0.5),
    SamplingParams(temperature=5e-324, top_k=50),
    SamplingParams(temperature=1, top_k=20, top_p=1e-9),
]


def make_step(settings: Sequence[SamplingParams]) -> list[ScheduledRequest]:
    """Return a decode for each of these settings, each with its own seed."""
    return [
        ScheduledRequest(
            RequestState(
                Request(
                    str(seed),
                    (5,),
                    SamplingParams(9, sampling.temperature, sampling.top_k, sampling.top_p, seed),
                ),
                [5],
                arrival=seed,
            ),
            0,
            1,
        )
        for seed, sampling in enumerate(settings)
    ]


def sample_in_step(step: Sequence[ScheduledRequest], logits: Tensor) -> Tensor:
    """Sample as a captured step does."""
    return sample_rows(logits, stage_params(step, logits.shape[1], logits.device))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("seed", range(10))
def test_tokens_equal_the_hosts(dtype: torch.dtype, seed: int) -> None:
    """Greedy and sampled rows in one step. In bfloat16 many logits are equal."""
    step = make_step(SETTINGS * 20)
    generator = torch.Generator().manual_seed(seed)
    logits = (torch.randn(len(step), VOCABULARY, generator=generator) * 4).to(dtype)
    token_ids = sample_in_step(step, logits)

    actual = list(sample_step(step, logits, token_ids))

    assert actual == list(sample_step(step, logits))
    assert (token_ids >= 0).sum() > 0.9 * len(step)


@pytest.mark.parametrize("top_k", [0, 65, 200])
def test_rows_that_need_more_candidates_are_left_to_the_host(top_k: int) -> None:
    """Also beside one that does not."""
    step = make_step([SamplingParams(), SamplingParams(temperature=1, top_k=top_k)])
    logits = torch.randn(2, VOCABULARY, generator=torch.Generator().manual_seed(top_k))
    token_ids = sample_in_step(step, logits)

    assert token_ids[1] == UNDECIDED
    assert list(sample_step(step, logits, token_ids)) == list(sample_step(step, logits))


@pytest.mark.parametrize("sampling", SETTINGS[:3])
def test_equal_logits_are_left_to_the_host(sampling: SamplingParams) -> None:
    """The first id of all of them may not be among the candidates."""
    step = make_step([sampling])
    logits = torch.zeros(1, VOCABULARY)
    token_ids = sample_in_step(step, logits)

    assert token_ids.tolist() == [UNDECIDED]
    assert list(sample_step(step, logits, token_ids)) == list(sample_step(step, logits))


@pytest.mark.parametrize("unusable", [float("nan"), float("inf")])
def test_unusable_row_is_invalid_alone(unusable: float) -> None:
    """Its neighbours keep their tokens."""
    step = make_step([SamplingParams(temperature=0)] * 3)
    logits = torch.eye(3, VOCABULARY)
    logits[1, 7] = unusable

    token_ids = sample_in_step(step, logits)

    assert token_ids.tolist() == [0, INVALID, 2]
    assert [found for _, found in sample_step(step, logits, token_ids)] == [[0], [], [2]]


def test_small_vocabulary_is_sampled_in_full() -> None:
    """It has fewer logits than candidates."""
    step = make_step([SamplingParams(temperature=1, top_k=4)] * 8)
    logits = torch.randn(8, 20, generator=torch.Generator().manual_seed(3))

    token_ids = sample_in_step(step, logits)

    assert list(sample_step(step, logits, token_ids)) == list(sample_step(step, logits))
    assert UNDECIDED not in token_ids


def test_staged_settings_are_the_rows_of_the_step() -> None:
    """Temperature, top_k, top_p and random number of each row."""
    step = make_step(SETTINGS)
    params = RowParams.from_rows([(part.state.request.sampling, 0) for part in step], VOCABULARY)

    staged = stage_params(step, VOCABULARY, torch.device("cpu")).numpy()

    assert np.array_equal(staged[:, 0], params.temperature)
    assert np.array_equal(staged[:, 1], params.top_k)
    assert np.array_equal(staged[:, 2], params.top_p)
    assert np.array_equal(staged[:, 3], params.random_numbers)
