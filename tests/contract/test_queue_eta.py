"""What a person is told about the wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.queue_eta import estimate, span, told
from contract.worker_status import Beat

PACES = st.none() | st.floats(0.1, 600)
BEATS = st.builds(
    Beat, at=st.just(0.0), slots=st.integers(0, 64), busy=st.integers(0, 64), pace=PACES
)


def beat(slots: int = 4, pace: float | None = 10) -> Beat:
    """Return a worker's state."""
    return Beat(at=0, slots=slots, busy=0, pace=pace)


def test_the_wait_follows_from_slots_and_pace() -> None:
    """Four slots at ten seconds a reply finish a job each 2.5 seconds."""
    assert estimate(3, (beat(),)) == 0
    assert estimate(4, (beat(),)) == 2.5
    assert estimate(11, (beat(),)) == 20
    assert estimate(11, (beat(), beat())) == 5


def test_nobody_guesses_without_a_measurement() -> None:
    """Without a worker, a slot or a measured pace there is no estimate."""
    assert estimate(0, ()) is None
    assert estimate(0, (beat(slots=0),)) is None
    assert estimate(5, (beat(pace=None),)) is None
    assert estimate(8, (beat(pace=None), beat())) == 1.25


@given(place=st.integers(0, 1000), workers=st.lists(BEATS, max_size=4).map(tuple))
def test_who_is_further_back_never_waits_less(place: int, workers: tuple[Beat, ...]) -> None:
    """The estimate is never negative and grows with the place."""
    here, behind = estimate(place, workers), estimate(place + 1, workers)

    assert (here is None) is (behind is None)
    if here is not None and behind is not None:
        assert 0 <= here <= behind


@pytest.mark.parametrize(
    ("place", "seconds", "sentence"),
    [
        (0, None, "Your question is next."),
        (0, 30.0, "Your question is next."),
        (1, None, "One question is before yours."),
        (1, 0.2, "One question is before yours."),
        (2, 2.0, "2 questions are before yours. I expect to start in about 5 seconds."),
        (3, 47.0, "3 questions are before yours. I expect to start in about 45 seconds."),
        (2, 70.0, "2 questions are before yours. I expect to start in about a minute."),
        (9, 61.0, "9 questions are before yours. I expect to start in about a minute."),
        (2, 200.0, "2 questions are before yours. I expect to start in about 3 minutes."),
        (40, 301.0, "40 questions are before yours. I expect to start in about 5 minutes."),
    ],
)
def test_places_and_times_read_well(place: int, seconds: float | None, sentence: str) -> None:
    """One is not "1 questions", and nobody is promised a second."""
    assert told(place, seconds) == sentence


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "a few minutes"),
        (0.0, "about 5 seconds"),
        (57.0, "about 55 seconds"),
        (58.0, "about a minute"),
        (89.0, "about a minute"),
        (91.0, "about 2 minutes"),
    ],
)
def test_a_wait_is_told_as_well_as_it_is_known(seconds: float | None, said: str) -> None:
    """In steps of five seconds, then in minutes."""
    assert span(seconds) == said
