"""Graph shapes: the list of shapes, the choice for a step, and its inputs; no model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.engine import Request, SamplingParams
from worker.engine.core.request_state import RequestState, ScheduledRequest
from worker.engine.cuda_graphs.shapes import (
    MAX_DRAFT_ROWS,
    PADDING_SLOT,
    GraphShape,
    GraphShapes,
    build_inputs,
)


def make_decode(
    slot: int, start: int, *, draft_ids: tuple[int, ...] = (), count: int = 1
) -> ScheduledRequest:
    """Return a decode of a request that has computed `start` tokens."""
    tokens = list(range(100, 100 + start + count))
    state = RequestState(
        Request(str(slot), tuple(tokens), SamplingParams()), tokens, arrival=0, slot=slot
    )
    return ScheduledRequest(state, start, count, draft_ids)


def test_shapes_of_starchat() -> None:
    """32 slots of 8,192 positions with drafts of 8 tokens."""
    buckets = GraphShapes(32, 8192, 8)

    assert buckets.request_counts == [1, 2, 4, 8, 32]
    assert buckets.kv_lengths == [256, 512, 1024, 2048, 4096, 8192]
    assert buckets.max_requests_with_drafts == 8
    assert len(buckets.list_shapes()) == (5 + 4) * 6
    assert buckets.list_shapes()[0] == GraphShape(8, 9, 8192, all_slots=False)


@pytest.mark.parametrize(
    ("slots", "lanes"),
    [(1, [1]), (2, [2]), (3, [1, 3]), (4, [1, 4]), (6, [1, 2, 6]), (64, [1, 2, 4, 8, 16, 64])],
)
def test_small_shapes_gather_slots_and_large_cover_all(slots: int, lanes: list[int]) -> None:
    """Keys are gathered only while that moves less than attending to every slot."""
    assert GraphShapes(slots, 256).request_counts == lanes
    assert [bucket.all_slots for bucket in GraphShapes(slots, 256).list_shapes()] == [
        bucket.num_requests == slots for bucket in GraphShapes(slots, 256).list_shapes()
    ]


@pytest.mark.parametrize(
    ("positions", "lengths"),
    [(100, [100]), (256, [256]), (257, [256, 257]), (5000, [256, 512, 1024, 2048, 4096, 5000])],
)
def test_last_kv_length_covers_all_positions(positions: int, lengths: list[int]) -> None:
    """For every number of positions."""
    assert GraphShapes(1, positions).kv_lengths == lengths


@pytest.mark.parametrize(("start", "length"), [(0, 256), (255, 256), (256, 512), (1023, 1024)])
def test_kv_length_includes_the_current_token(start: int, length: int) -> None:
    """At position 255 a token attends to 256 positions."""
    assert GraphShapes(8, 1024).smallest_for([make_decode(3, start)]) == GraphShape(
        1, 1, length, all_slots=False
    )


@pytest.mark.parametrize(
    ("count", "lanes"), [(1, 1), (2, 2), (3, 4), (4, 4), (5, 12), (11, 12), (12, 12)]
)
def test_step_gets_the_smallest_request_count(count: int, lanes: int) -> None:
    """Below, at and above each edge."""
    step = [make_decode(slot, 10 * slot) for slot in range(count)]

    assert GraphShapes(12, 256).smallest_for(step) == GraphShape(
        lanes, 1, 256, all_slots=lanes == 12
    )


def test_draft_widens_all_requests_and_the_kv_length() -> None:
    """One request with three draft tokens at position 254, beside one without."""
    step = [make_decode(1, 254, draft_ids=(1, 2, 3)), make_decode(0, 3)]

    assert GraphShapes(8, 1024, 4).smallest_for(step) == GraphShape(2, 5, 512, all_slots=False)


def test_prefill_or_too_many_drafts_have_no_shape() -> None:
    """A chunk, an unfinished prompt, a long draft, and too many drafting requests."""
    buckets = GraphShapes(60, 256, 8)
    unfinished = ScheduledRequest(make_decode(0, 5, count=3).state, 5, 1)
    crowd = [
        make_decode(slot, 5, draft_ids=(1,)) for slot in range(buckets.max_requests_with_drafts + 1)
    ]

    assert buckets.smallest_for([]) is None
    assert buckets.smallest_for([make_decode(0, 5), make_decode(1, 0, count=2)]) is None
    assert buckets.smallest_for([unfinished]) is None
    assert buckets.smallest_for([make_decode(0, 5, draft_ids=(1,) * 9)]) is None
    assert buckets.smallest_for(crowd) is None
    assert buckets.smallest_for(crowd[:-1]) is not None


def test_no_speculative_tokens_halve_the_shapes() -> None:
    """Each request then has one token."""
    assert {bucket.tokens_per_request for bucket in GraphShapes(8, 256).list_shapes()} == {1}
    assert GraphShapes(8, 256).max_requests_with_drafts == 0


def test_gathered_inputs_follow_the_step_order() -> None:
    """Three tokens a request, the second one without drafts, then padding."""
    step = [make_decode(7, 2, draft_ids=(8, 9)), make_decode(3, 1)]

    found = build_inputs(GraphShape(3, 3, 256, all_slots=False), step)

    assert found.token_ids == [102, 8, 9, 101, 0, 0, 0, 0, 0]
    assert found.positions == [2, 3, 4, 1, 0, 0, 0, 0, 0]
    assert found.slot_ids == [
        7,
        7,
        7,
        3,
        PADDING_SLOT,
        PADDING_SLOT,
        PADDING_SLOT,
        PADDING_SLOT,
        PADDING_SLOT,
    ]
    assert (found.logit_rows, found.num_logits) == ([0, 1, 2, 3, 0, 0, 0, 0, 0], 4)
    assert found.flat_numbers == [
        *found.token_ids,
        *found.positions,
        *found.slot_ids,
        *found.logit_rows,
    ]


def test_inputs_of_all_slots_follow_the_slot_order() -> None:
    """The logits still follow the step's order."""
    found = build_inputs(
        GraphShape(4, 1, 256, all_slots=True), [make_decode(2, 5), make_decode(0, 9)]
    )

    assert found.token_ids == [109, 0, 105, 0]
    assert found.positions == [9, 0, 5, 0]
    assert found.slot_ids == [0, PADDING_SLOT, 2, PADDING_SLOT]
    assert (found.logit_rows, found.num_logits) == ([2, 0, 0, 0], 2)


@given(
    st.integers(1, 40),
    st.integers(1, 9000),
    st.integers(0, 12),
    st.lists(st.tuples(st.integers(0, 8999), st.integers(0, 12)), min_size=1, max_size=40),
)
def test_inputs_hold_each_token_once(
    slots: int, positions: int, num_speculative_tokens: int, asked: list[tuple[int, int]]
) -> None:
    """In its slot's rows, within the KV length, with the logits in the step's order."""
    buckets = GraphShapes(slots, positions, num_speculative_tokens)
    step = []
    for slot, (start, count) in enumerate(asked[:slots]):
        at = start % positions
        draft = tuple(range(1, 1 + min(count, num_speculative_tokens, positions - at - 1)))
        step.append(make_decode(slots - 1 - slot, at, draft_ids=draft))

    bucket = buckets.smallest_for(step)

    if bucket is None:
        assert len(step) > buckets.max_requests_with_drafts
        return
    assert bucket in buckets.list_shapes()
    assert bucket.num_rows <= max(MAX_DRAFT_ROWS, slots)
    found = build_inputs(bucket, step)
    fed = [
        (one.state.slot, one.start + place, token)
        for one in step
        for place, token in enumerate(one.token_ids)
    ]
    rows = found.logit_rows[: found.num_logits]
    assert [
        (found.slot_ids[row], found.positions[row], found.token_ids[row]) for row in rows
    ] == fed
    assert len({row // bucket.tokens_per_request for row in rows}) == len(step)
    assert sum(slot != PADDING_SLOT for slot in found.slot_ids) == len(fed)
    assert max(found.positions) < bucket.kv_length
