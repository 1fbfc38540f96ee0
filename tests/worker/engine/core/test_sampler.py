"""Sampler: shortcuts that choose from a step's logits before any filter runs."""

import torch

from worker.engine import Request, SamplingParams
from worker.engine.core.request_state import RequestState, ScheduledRequest
from worker.engine.core.sampler import sample_step


def make_decode(temperature: float = 0) -> ScheduledRequest:
    """Make the work of a request whose next token can be chosen."""
    sampling = SamplingParams(max_new_tokens=5, temperature=temperature)
    return ScheduledRequest(
        RequestState(Request("r", (1, 2, 3), sampling), [1, 2, 3], arrival=0), start=2, num_tokens=1
    )


def test_greedy_requests_get_the_first_of_the_largest() -> None:
    """Each row for itself, and one without a greedy neighbour's help."""
    logits = torch.tensor([[0.0, 7.0, 1.0, 7.0], [3.0, 3.0, -1.0, 2.0]])

    assert [found for _, found in sample_step([make_decode(), make_decode()], logits)] == [[1], [0]]
    assert next(found for _, found in sample_step([make_decode(), make_decode(0.01)], logits)) == [
        1
    ]


def test_a_row_that_is_no_number_chooses_nothing() -> None:
    """The other request continues."""
    nothing, infinite = float("nan"), float("inf")
    for broken in ([0.0, nothing, 1.0], [0.0, infinite, 1.0], [-infinite] * 3):
        logits = torch.tensor([broken, [0.0, 1.0, 2.0]])

        assert [found for _, found in sample_step([make_decode(), make_decode()], logits)] == [
            [],
            [2],
        ]
