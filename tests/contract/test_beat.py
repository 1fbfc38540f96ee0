"""What workers say of themselves, and what a person is told about the wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.beat import Beat, alive, wait
from contract.keys import BEAT_STALE

NOW = 1_700_000_000.0
PACES = st.none() | st.floats(0.1, 600)
BEATS = st.builds(
    Beat, at=st.just(NOW), slots=st.integers(0, 64), busy=st.integers(0, 64), pace=PACES
)


def beat(age: float = 0, slots: int = 4, pace: float | None = 10) -> Beat:
    """Return a worker's state, told `age` seconds ago."""
    return Beat(at=NOW - age, slots=slots, busy=0, pace=pace)


def test_a_silent_worker_is_dead() -> None:
    """A worker counts while its last beat is at most `BEAT_STALE` seconds old."""
    fresh, stale = beat(BEAT_STALE), beat(BEAT_STALE + 0.1)
    told = {b"a": fresh.model_dump_json().encode(), b"b": stale.model_dump_json().encode()}

    assert alive(told, NOW) == (fresh,)


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[]", b'{"at":"x","slots":1,"busy":0}'])
def test_a_beat_that_cannot_be_read_is_no_worker(raw: bytes) -> None:
    """Whatever else stands in the hash is passed over."""
    assert alive({b"a": raw}, NOW) == ()


def test_a_newer_worker_may_say_more() -> None:
    """Fields that this version does not know are ignored: versions may run side by side."""
    raw = b'{"at":%d,"slots":2,"busy":1,"mood":"good"}' % NOW

    assert alive({b"a": raw}, NOW) == (Beat(at=NOW, slots=2, busy=1),)


def test_the_wait_follows_from_slots_and_pace() -> None:
    """Four slots at ten seconds a reply finish a job each 2.5 seconds."""
    assert wait(3, (beat(),)) == 0
    assert wait(4, (beat(),)) == 2.5
    assert wait(11, (beat(),)) == 20
    assert wait(11, (beat(), beat())) == 5


def test_nobody_guesses_without_a_measurement() -> None:
    """Without a worker, a slot or a measured pace there is no estimate."""
    assert wait(0, ()) is None
    assert wait(0, (beat(slots=0),)) is None
    assert wait(5, (beat(pace=None),)) is None
    assert wait(8, (beat(pace=None), beat())) == 1.25


@given(place=st.integers(0, 1000), workers=st.lists(BEATS, max_size=4).map(tuple))
def test_who_is_further_back_never_waits_less(place: int, workers: tuple[Beat, ...]) -> None:
    """The estimate is never negative and grows with the place."""
    here, behind = wait(place, workers), wait(place + 1, workers)

    assert (here is None) is (behind is None)
    if here is not None and behind is not None:
        assert 0 <= here <= behind
