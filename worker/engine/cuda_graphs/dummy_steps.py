"""Dummy steps, which fill a shape before any request is there."""

from worker.engine import Request, SamplingParams
from worker.engine.attention.step_shape import StepShape
from worker.engine.core.request_state import RequestState, ScheduledRequest

NUM_DRAFT_TOKENS = 2
"""Drafts of a dummy step's drafting request."""


def make_dummy_step(shape: StepShape, num_slots: int) -> list[ScheduledRequest]:
    """
    Return a step for a shape, in the last slots and with different lengths.

    One token per sequence fills the shape. Else the step has a decode, one with drafts and a
    prefill chunk, as far as there are slots and tokens, and a token of padding.
    """
    if shape.max_query_length == 1:
        return [
            _make_decode(shape, number, num_slots, num_drafts=0)
            for number in range(shape.num_tokens)
        ]
    step: list[ScheduledRequest] = []
    num_tokens = shape.num_tokens - 1
    for number in range(min(2, num_slots - 1)):
        decode = _make_decode(shape, number, num_slots, num_drafts=number * NUM_DRAFT_TOKENS)
        if decode.num_fed_tokens < num_tokens:
            step.append(decode)
            num_tokens -= decode.num_fed_tokens
    # Half of a short context stays for the tokens before the chunk.
    num_tokens = min(num_tokens, shape.kv_length // 2)
    start = _start(shape, len(step), num_tokens)
    state = _make_state(len(step), num_slots, start + num_tokens)
    return [*step, ScheduledRequest(state, start, num_tokens)]


def _make_decode(
    shape: StepShape, number: int, num_slots: int, num_drafts: int
) -> ScheduledRequest:
    start = _start(shape, number, 1 + num_drafts)
    draft_ids = tuple(_make_tokens(number + 1, num_drafts))
    return ScheduledRequest(_make_state(number, num_slots, start + 1), start, 1, draft_ids)


def _start(shape: StepShape, number: int, num_tokens: int) -> int:
    return max(0, shape.kv_length - num_tokens - 37 * number)


def _make_state(number: int, num_slots: int, length: int) -> RequestState:
    tokens = _make_tokens(number, length)
    request = Request(str(number), tuple(tokens), SamplingParams())
    return RequestState(request, tokens, arrival=0, slot=num_slots - 1 - number)


def _make_tokens(number: int, length: int) -> list[int]:
    return [(number + position) * 7919 % 31 for position in range(length)]
