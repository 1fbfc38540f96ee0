"""A step's numbers for the device, and its requests' shares of the time."""

from dataclasses import replace

import pytest

from worker.engine import Request, SamplingParams
from worker.engine.attention.step_shape import StepShape
from worker.engine.core.request_state import (
    RequestState,
    ScheduledRequest,
    list_step_numbers,
    measure_step,
    share_step_time,
)


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


def test_numbers_of_a_step_list_its_sequences() -> None:
    """A decode with a draft in slot 7, and a chunk that isn't the last of its prompt in slot 3."""
    step = [
        ScheduledRequest(replace(make_state(5), slot=7), 4, 1, (9,)),
        ScheduledRequest(replace(make_state(8), slot=3), 2, 3),
    ]
    shape = measure_step(step)

    assert shape == StepShape(
        num_tokens=5, num_sequences=2, num_logits=2, max_query_length=3, kv_length=6
    )
    assert list_step_numbers(shape, step) == [
        *(4, 9, 2, 3, 4),  # ids
        *(4, 5, 2, 3, 4),  # positions
        *(7, 7, 3, 3, 3),  # slots
        *(0, 1),  # rows of logits
        *(0, 2, 5),  # first tokens of the sequences, and their end
        *(7, 3, 0),  # their slots
        *(6, 5),  # their lengths
    ]
    assert sum(shape.part_sizes) == len(list_step_numbers(shape, step))


def test_padding_belongs_to_the_spare_sequences() -> None:
    """One token each in a shape of decodes, else all in the first one."""
    step = [ScheduledRequest(replace(make_state(5), slot=7), 4, 1)]

    decodes = list_step_numbers(StepShape(3, 3, 3, 1, 512), step)
    packed = list_step_numbers(StepShape(4, 3, 2, 4, 512), step)

    assert decodes[:9] == [4, 0, 0, 4, 0, 0, 7, -1, -1]
    assert decodes[9:] == [0, 0, 0, 0, 1, 2, 3, 7, 0, 0, 0, 5, 1, 1]
    assert packed[:12] == [4, 0, 0, 0, 4, 0, 0, 0, 7, -1, -1, -1]
    assert packed[12:] == [0, 0, 0, 1, 4, 4, 7, 0, 0, 0, 5, 1, 1]
