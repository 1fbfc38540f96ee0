"""Graph shapes: the list of shapes, and the choice for a step; no model."""

from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.engine import Request, SamplingParams
from worker.engine.attention.step_shape import PADDING_SLOT, StepShape
from worker.engine.core.request_state import (
    RequestState,
    ScheduledRequest,
    list_step_numbers,
    measure_step,
)
from worker.engine.cuda_graphs.dummy_steps import make_dummy_step
from worker.engine.cuda_graphs.shapes import GraphShapes

STARCHAT = GraphShapes(64, 8192, 512, 8)


def make_work(
    slot: int, start: int, *, draft_ids: tuple[int, ...] = (), count: int = 1, missing: int = 0
) -> ScheduledRequest:
    """Return `count` tokens of a request from `start` on; its prompt has `missing` more."""
    tokens = list(range(100, 100 + start + count + missing))
    state = RequestState(
        Request(str(slot), tuple(tokens), SamplingParams()), tokens, arrival=0, slot=slot
    )
    return ScheduledRequest(state, start, count, draft_ids)


def decode_shape(count: int, kv_length: int) -> StepShape:
    """Return the shape of `count` decodes."""
    return StepShape(count, count, count, 1, kv_length)


def test_shapes_of_starchat() -> None:
    """64 slots of 8,192 positions, steps of 512 tokens and drafts of 8."""
    shapes = STARCHAT.list_shapes()

    assert STARCHAT.decode_counts == [1, 2, 4, 8, 16, 32, 64]
    assert STARCHAT.kv_lengths == [512, 2048, 8192]
    assert STARCHAT.token_counts == [32, 64, 96, 128, 192, 256, 384, 512]
    assert STARCHAT.max_drafting_requests == 17
    assert len(shapes) == 7 * 3 + 8
    assert shapes[0] == StepShape(512, 65, 224, 512, 8192)


def test_shapes_without_varlen_attention_are_decodes() -> None:
    """Each reads its whole KV length, so the lengths lie closer. No request drafts."""
    shapes = GraphShapes(64, 8192, 512, 8, is_packed=False)

    assert shapes.kv_lengths == [512, 1024, 2048, 4096, 8192]
    assert shapes.token_counts == []
    assert shapes.max_drafting_requests == 0
    assert len(shapes.list_shapes()) == 7 * 5


@pytest.mark.parametrize(
    ("slots", "counts"), [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (48, [1, 2, 4, 8, 16, 32, 48])]
)
def test_last_decode_count_is_all_slots(slots: int, counts: list[int]) -> None:
    """For every number of slots."""
    assert GraphShapes(slots, 256, 64).decode_counts == counts


@pytest.mark.parametrize(
    ("positions", "lengths"),
    [(100, [100]), (512, [512]), (513, [512, 513]), (5000, [512, 2048, 5000])],
)
def test_last_kv_length_covers_all_positions(positions: int, lengths: list[int]) -> None:
    """For every number of positions."""
    assert GraphShapes(1, positions, 64).kv_lengths == lengths


@pytest.mark.parametrize(
    ("tokens", "counts"), [(16, [16]), (32, [32]), (90, [32, 64, 90]), (100, [32, 64, 96, 100])]
)
def test_last_token_count_is_a_full_step(tokens: int, counts: list[int]) -> None:
    """For every size of a step."""
    assert GraphShapes(4, 256, tokens).token_counts == counts


@pytest.mark.parametrize(("start", "length"), [(0, 512), (511, 512), (512, 2048), (2047, 2048)])
def test_kv_length_includes_the_current_token(start: int, length: int) -> None:
    """At position 511 a token attends to 512 positions."""
    assert STARCHAT.smallest_for([make_work(3, start)]) == decode_shape(1, length)


@pytest.mark.parametrize(("count", "lanes"), [(1, 1), (2, 2), (3, 4), (22, 32), (33, 64), (64, 64)])
def test_decodes_get_the_smallest_count(count: int, lanes: int) -> None:
    """Of any slots: 22 requests take 32 rows, wherever they are."""
    step = [make_work(63 - slot, 10 * slot) for slot in range(count)]

    shape = STARCHAT.smallest_for(step)

    assert shape is not None
    assert shape.num_tokens == lanes


def test_chunk_of_one_token_is_a_decode() -> None:
    """A prompt's token that isn't its last one: it attends in the same way."""
    assert STARCHAT.smallest_for([make_work(0, 5, missing=3)]) == decode_shape(1, 512)


@pytest.mark.parametrize(
    ("step", "num_tokens"),
    [
        ([make_work(1, 254, draft_ids=(1, 2, 3)), make_work(0, 3)], 32),
        ([make_work(0, 5), make_work(1, 0, count=32)], 64),
        ([make_work(0, 5), make_work(1, 100, count=200, missing=5)], 256),
        ([make_work(slot, 5, draft_ids=(1,) * 8) for slot in range(17)], 192),
    ],
)
def test_mixed_steps_have_a_shape(step: list[ScheduledRequest], num_tokens: int) -> None:
    """With drafts and with prefill chunks, by the number of tokens."""
    shape = STARCHAT.smallest_for(step)

    assert shape is not None
    assert shape.num_tokens == num_tokens
    assert GraphShapes(64, 8192, 512, is_packed=False).smallest_for(step) is None


def test_larger_steps_have_no_shape() -> None:
    """No request, too many tokens, and more logits than drafts may ask for."""
    drafting = [make_work(slot, 5, draft_ids=(1,) * 8) for slot in range(26)]

    assert STARCHAT.smallest_for([]) is None
    assert STARCHAT.smallest_for([make_work(0, 0, count=513)]) is None
    assert STARCHAT.smallest_for(drafting) is None
    assert STARCHAT.smallest_for(drafting[:24]) is not None


@pytest.mark.parametrize("num_slots", [1, 2, 64])
@pytest.mark.parametrize("positions", [40, 8192])
def test_dummy_step_fits_its_shape(num_slots: int, positions: int) -> None:
    """In different slots, within the context window, and in steps of few tokens."""
    all_shapes = {
        shape
        for max_step_tokens in (1, 2, 3, 4, 5, 512)
        for shape in GraphShapes(num_slots, positions, max_step_tokens, 8).list_shapes()
    }
    for shape in all_shapes:
        step = make_dummy_step(shape, num_slots)
        needed = measure_step(step)
        slots = [work.state.slot for work in step]

        assert needed.num_tokens <= shape.num_tokens
        assert needed.num_logits <= shape.num_logits
        assert 1 <= needed.max_query_length <= shape.max_query_length
        assert needed.kv_length <= shape.kv_length
        assert all(work.num_fed_tokens > 0 for work in step)
        assert len(set(slots)) == len(slots) <= shape.num_sequences
        assert set(slots) <= set(range(num_slots))


def split_numbers(shape: StepShape, numbers: list[int]) -> list[list[int]]:
    """Return the parts of a step's numbers."""
    assert len(numbers) == sum(shape.part_sizes)
    rest = iter(numbers)
    return [list(islice(rest, size)) for size in shape.part_sizes]


@given(
    st.integers(1, 40),
    st.integers(2, 9000),
    st.integers(16, 600),
    st.lists(st.tuples(st.integers(0, 8999), st.integers(1, 300)), min_size=1, max_size=40),
)
def test_numbers_hold_each_token_once(
    slots: int, positions: int, max_step_tokens: int, asked: list[tuple[int, int]]
) -> None:
    """In its own sequence, with the logits in the step's order; padding takes the rest."""
    shapes = GraphShapes(slots, positions, max_step_tokens)
    step: list[ScheduledRequest] = []
    for slot, (start, count) in enumerate(asked[:slots]):
        at = start % positions
        free = max_step_tokens - sum(work.num_tokens for work in step)
        if slot == 0 or free > 0:
            step.append(make_work(slots - 1 - slot, at, count=min(count, positions - at, free)))

    shape = shapes.smallest_for(step)

    assert shape in shapes.list_shapes()
    ids, places, token_slots, logit_rows, starts, sequence_slots, lengths = split_numbers(
        shape, list_step_numbers(shape, step)
    )
    assert starts == sorted(starts)
    assert starts[-1] == shape.num_tokens
    for number, work in enumerate(step):
        rows = range(starts[number], starts[number + 1])
        assert [ids[row] for row in rows] == work.token_ids
        assert [places[row] for row in rows] == [*range(work.start, work.start + work.num_tokens)]
        assert {token_slots[row] for row in rows} == {work.state.slot} == {sequence_slots[number]}
        assert lengths[number] == work.start + work.num_tokens <= shape.kv_length
        assert logit_rows[number] == rows[-1]
    assert all(slot == PADDING_SLOT for slot in token_slots[starts[len(step)] :])
    assert lengths[len(step) :] == [1] * (shape.num_sequences - len(step))
    assert max(end - start for start, end in pairwise(starts)) <= shape.max_query_length
