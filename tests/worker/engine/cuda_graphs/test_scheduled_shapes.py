"""Graph shapes of scheduled steps: each step that a scheduler returns has one captured shape."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.engine import Request, SamplingParams
from worker.engine.attention.step_shape import StepShape
from worker.engine.core.engine_core import PREFILL_FACTOR
from worker.engine.core.ngram_proposer import RIDGE_TOKENS
from worker.engine.core.request_state import ScheduledRequest, measure_step
from worker.engine.core.scheduler import Scheduler
from worker.engine.cuda_graphs.shapes import GraphShapes

pytestmark = pytest.mark.unit

TOKEN = 7
"""Of all prompts and replies, so that drafts are proposed and accepted."""
MAX_NEW_TOKENS = 12
PROMPT_LENGTHS = st.one_of(st.integers(1, 40), st.integers(500, 511), st.integers(1, 8180))
"""Short ones, those whose replies pass the smallest number of keys, and any."""


def fits(needed: StepShape, shape: StepShape) -> bool:
    """Whether a captured shape has room for a step, padding included."""
    has_room = (
        needed.num_tokens <= shape.num_tokens
        and needed.num_sequences <= shape.num_sequences
        and needed.num_logits <= shape.num_logits
        and needed.max_query_length <= shape.max_query_length
        and needed.kv_length <= shape.kv_length
    )
    padding = shape.num_tokens - needed.num_tokens
    spare_sequences = shape.num_sequences - needed.num_sequences
    return has_room and padding <= spare_sequences * shape.max_query_length


def read_cost(shape: StepShape) -> tuple[int, int, int]:
    """Order of shapes: fewest tokens, then the decodes' one, then the shortest keys."""
    return shape.num_tokens, shape.max_query_length, shape.kv_length


def check_shape(shapes: GraphShapes, step: list[ScheduledRequest]) -> None:
    """Compare the choice with a search through all captured shapes."""
    needed = measure_step(step)
    captured = shapes.list_shapes()
    largest = max(shapes.num_slots, shapes.max_step_tokens if shapes.is_packed else 0)
    fitting = [shape for shape in captured if fits(needed, shape)]
    if needed.max_query_length == 1:
        fitting = [shape for shape in fitting if shape.max_query_length == 1]
    chosen = shapes.smallest_for(step)

    assert max(shape.num_tokens for shape in captured) == largest, "no step needs more"
    assert captured.count(chosen) == 1 if chosen else not fitting
    if fitting:
        assert chosen == min(fitting, key=read_cost)
    assert fitting or not shapes.is_packed
    assert fitting or needed.max_query_length > 1, "decodes have a shape with any attention"


def commit(scheduler: Scheduler, step: list[ScheduledRequest], num_accepted: int) -> None:
    """Sample one token for each request that can, and accept so many of its drafts."""
    for scheduled in step:
        sampled = []
        if scheduled.can_sample:
            sampled = [TOKEN, *scheduled.draft_ids[:num_accepted]]
        if scheduler.commit_tokens(scheduled, sampled):
            scheduler.remove_request(scheduled.state.request.id)


@given(
    num_slots=st.integers(1, 70),
    max_positions=st.sampled_from([24, 256, 700, 8192]),
    max_step_tokens=st.integers(1, 600),
    num_drafts=st.integers(0, 16),
    prompts=st.lists(
        st.tuples(PROMPT_LENGTHS, st.integers(-1, 1)),
        min_size=1,
        max_size=80,
    ),
    num_accepted=st.integers(0, 16),
    is_packed=st.booleans(),
    is_halved=st.booleans(),
)
def test_every_scheduled_step_has_exactly_one_shape(
    num_slots: int,
    max_positions: int,
    max_step_tokens: int,
    num_drafts: int,
    prompts: list[tuple[int, int]],
    num_accepted: int,
    *,
    is_packed: bool,
    is_halved: bool,
) -> None:
    """
    Decodes, drafts and chunks in all mixes, also after a step without memory.

    Without one attention call for all, that is true of decodes, and no request drafts.
    """
    shapes = GraphShapes(num_slots, max_positions, max_step_tokens, num_drafts, is_packed)
    scheduler = Scheduler(num_slots, max_step_tokens, num_drafts, RIDGE_TOKENS["cuda"])
    scheduler.prefill_factor = PREFILL_FACTOR["cuda"]
    scheduler.max_drafting_requests = shapes.max_drafting_requests
    for number, (length, priority) in enumerate(prompts):
        prompt = (TOKEN,) * min(length, max_positions - MAX_NEW_TOKENS)
        sampling = SamplingParams(MAX_NEW_TOKENS)
        scheduler.add_request(Request(str(number), prompt, sampling, priority=priority))
    for number in range(12):
        if is_halved and number == 6:
            scheduler.max_step_tokens = max(1, max_step_tokens // 2)
        scheduler.admit_waiting()
        step = scheduler.schedule_step()
        if step:
            check_shape(shapes, step)
            assert shapes.is_packed or not any(scheduled.draft_ids for scheduled in step)
            commit(scheduler, step, num_accepted)
