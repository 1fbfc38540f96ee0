"""Shares of a step's time: what each request of a batch has used of the device."""

import pytest

from worker.engine import Request, SamplingParams
from worker.engine.core.request_state import RequestState, ScheduledRequest, share_step_time


def make_state(prompt_tokens: int) -> RequestState:
    """Return a request with a prompt of this length."""
    prompt = tuple(range(prompt_tokens))
    return RequestState(Request("1", prompt, SamplingParams()), list(prompt), arrival=0)


def test_step_time_is_shared_by_tokens_drafts_included() -> None:
    """A prefill of 12 tokens, a decode, and a decode with two drafts, in a step of 1.6 s."""
    prefill, decode, drafting = make_state(12), make_state(5), make_state(7)
    share_step_time(
        [
            ScheduledRequest(prefill, 0, 12),
            ScheduledRequest(decode, 4, 1),
            ScheduledRequest(drafting, 6, 1, (8, 9)),
        ],
        1.6,
    )

    assert prefill.gpu_seconds == pytest.approx(1.2)
    assert decode.gpu_seconds == pytest.approx(0.1)
    assert drafting.gpu_seconds == pytest.approx(0.3)


def test_shares_sum_up_to_the_time_of_all_steps() -> None:
    """No second is counted twice or lost while requests join and leave the batch."""
    states = [make_state(9) for _ in range(3)]
    for step in range(9):
        running = states[: 1 + step % 3]
        share_step_time([ScheduledRequest(state, step, 1) for state in running], 0.5)

    assert sum(state.gpu_seconds for state in states) == pytest.approx(4.5)
    assert states[0].gpu_seconds > states[1].gpu_seconds > states[2].gpu_seconds
