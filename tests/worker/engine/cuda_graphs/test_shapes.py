"""Which shapes there are, which one a step gets, and where in it each request lies; no model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.engine import Request, Sampling
from worker.engine.core.request_state import Live, Work
from worker.engine.cuda_graphs.shapes import IDLE, WIDEST, Bucket, Buckets, laid


def work(slot: int, start: int, *, drafted: tuple[int, ...] = (), count: int = 1) -> Work:
    """Return the part of a step of a request that grows from `start` tokens."""
    tokens = list(range(100, 100 + start + count))
    live = Live(Request(str(slot), tuple(tokens), Sampling()), tokens, age=0, slot=slot)
    return Work(live, start, count, drafted)


def test_starchats_shapes() -> None:
    """32 slots of 8,192 positions with drafts of 8 tokens."""
    buckets = Buckets(32, 8192, 8)

    assert buckets.lanes == [1, 2, 4, 8, 32]
    assert buckets.lengths == [256, 512, 1024, 2048, 4096, 8192]
    assert buckets.crowd == 8
    assert len(buckets.all()) == (5 + 4) * 6
    assert buckets.all()[0] == Bucket(8, 9, 8192, whole=False)


@pytest.mark.parametrize(
    ("slots", "lanes"),
    [(1, [1]), (2, [2]), (3, [1, 3]), (4, [1, 4]), (6, [1, 2, 6]), (64, [1, 2, 4, 8, 16, 64])],
)
def test_few_lanes_are_any_slots_and_many_are_all(slots: int, lanes: list[int]) -> None:
    """Keys are gathered only while that moves less than attending from every slot."""
    assert Buckets(slots, 256).lanes == lanes
    assert [bucket.whole for bucket in Buckets(slots, 256).all()] == [
        bucket.lanes == slots for bucket in Buckets(slots, 256).all()
    ]


@pytest.mark.parametrize(
    ("positions", "lengths"),
    [(100, [100]), (256, [256]), (257, [256, 257]), (5000, [256, 512, 1024, 2048, 4096, 5000])],
)
def test_the_last_length_is_all_positions(positions: int, lengths: list[int]) -> None:
    """Whatever number that is."""
    assert Buckets(1, positions).lengths == lengths


@pytest.mark.parametrize(("start", "length"), [(0, 256), (255, 256), (256, 512), (1023, 1024)])
def test_the_token_that_is_fed_counts_for_the_length(start: int, length: int) -> None:
    """At position 255 there are 256 to look back on."""
    assert Buckets(8, 1024).fitting([work(3, start)]) == Bucket(1, 1, length, whole=False)


@pytest.mark.parametrize(
    ("count", "lanes"), [(1, 1), (2, 2), (3, 4), (4, 4), (5, 12), (11, 12), (12, 12)]
)
def test_a_step_gets_the_fewest_lanes_that_hold_it(count: int, lanes: int) -> None:
    """Below, at and above each edge."""
    step = [work(slot, 10 * slot) for slot in range(count)]

    assert Buckets(12, 256).fitting(step) == Bucket(lanes, 1, 256, whole=lanes == 12)


def test_drafts_make_all_lanes_wide_and_longer() -> None:
    """One that drafts three tokens, from position 254 on, beside one that does not."""
    step = [work(1, 254, drafted=(1, 2, 3)), work(0, 3)]

    assert Buckets(8, 1024, 4).fitting(step) == Bucket(2, 5, 512, whole=False)


def test_what_reads_or_drafts_too_much_has_no_shape() -> None:
    """A chunk of a prompt, its last token's forerunner, a long draft, a crowd that drafts."""
    buckets = Buckets(60, 256, 8)
    unfinished = Work(work(0, 5, count=3).live, 5, 1)
    crowd = [work(slot, 5, drafted=(1,)) for slot in range(buckets.crowd + 1)]

    assert buckets.fitting([]) is None
    assert buckets.fitting([work(0, 5), work(1, 0, count=2)]) is None
    assert buckets.fitting([unfinished]) is None
    assert buckets.fitting([work(0, 5, drafted=(1,) * 9)]) is None
    assert buckets.fitting(crowd) is None
    assert buckets.fitting(crowd[:-1]) is not None


def test_without_drafts_no_lane_is_wide() -> None:
    """Half the shapes, and no crowd that could draft."""
    assert {bucket.width for bucket in Buckets(8, 256).all()} == {1}
    assert Buckets(8, 256).crowd == 0


def test_any_slots_share_lanes_in_the_order_of_the_step() -> None:
    """Three tokens a lane, the second request without drafts, a lane of padding behind."""
    step = [work(7, 2, drafted=(8, 9)), work(3, 1)]

    found = laid(Bucket(3, 3, 256, whole=False), step)

    assert found.ids == [102, 8, 9, 101, 0, 0, 0, 0, 0]
    assert found.at == [2, 3, 4, 1, 0, 0, 0, 0, 0]
    assert found.slots == [7, 7, 7, 3, IDLE, IDLE, IDLE, IDLE, IDLE]
    assert (found.order, found.wanted) == ([0, 1, 2, 3, 0, 0, 0, 0, 0], 4)
    assert found.numbers == [*found.ids, *found.at, *found.slots, *found.order]


def test_where_all_slots_are_lanes_each_is_its_own() -> None:
    """The order of the step lives on in the order of the logits."""
    found = laid(Bucket(4, 1, 256, whole=True), [work(2, 5), work(0, 9)])

    assert found.ids == [109, 0, 105, 0]
    assert found.at == [9, 0, 5, 0]
    assert found.slots == [0, IDLE, 2, IDLE]
    assert (found.order, found.wanted) == ([2, 0, 0, 0], 2)


@given(
    st.integers(1, 40),
    st.integers(1, 9000),
    st.integers(0, 12),
    st.lists(st.tuples(st.integers(0, 8999), st.integers(0, 12)), min_size=1, max_size=40),
)
def test_a_shape_holds_what_is_laid_out_in_it(
    slots: int, positions: int, drafted: int, asked: list[tuple[int, int]]
) -> None:
    """Each token once, at its slot's lane and inside the length; the logits in order."""
    buckets = Buckets(slots, positions, drafted)
    step = []
    for slot, (start, count) in enumerate(asked[:slots]):
        at = start % positions
        draft = tuple(range(1, 1 + min(count, drafted, positions - at - 1)))
        step.append(work(slots - 1 - slot, at, drafted=draft))

    bucket = buckets.fitting(step)

    if bucket is None:
        assert len(step) > buckets.crowd
        return
    assert bucket in buckets.all()
    assert bucket.rows <= max(WIDEST, slots)
    found = laid(bucket, step)
    fed = [
        (one.live.slot, one.start + place, token)
        for one in step
        for place, token in enumerate(one.ids)
    ]
    rows = found.order[: found.wanted]
    assert [(found.slots[row], found.at[row], found.ids[row]) for row in rows] == fed
    assert len({row // bucket.width for row in rows}) == len(step)
    assert sum(slot != IDLE for slot in found.slots) == len(fed)
    assert max(found.at) < bucket.length
