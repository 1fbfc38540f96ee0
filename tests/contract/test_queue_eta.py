"""Queue position and estimated wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.queue_eta import describe_duration, describe_position, estimate_wait
from contract.worker_status import WorkerStatus

PACES = st.none() | st.floats(0.1, 600)
STATUSES = st.builds(
    WorkerStatus,
    reported_at=st.just(0.0),
    slots=st.integers(1, 64),
    busy_slots=st.integers(1, 64),
    seconds_per_reply=PACES,
)


def make_status(slots: int = 4, seconds_per_reply: float | None = 10) -> WorkerStatus:
    """Return a worker's status."""
    return WorkerStatus(
        reported_at=0, slots=slots, busy_slots=0, seconds_per_reply=seconds_per_reply
    )


def test_wait_follows_from_slots_and_reply_time() -> None:
    """Four slots at ten seconds a reply finish a job each 2.5 seconds."""
    assert estimate_wait(3, (make_status(),)) == 0
    assert estimate_wait(4, (make_status(),)) == 2.5
    assert estimate_wait(11, (make_status(),)) == 20
    assert estimate_wait(11, (make_status(), make_status())) == 5


def test_no_estimate_without_a_measurement() -> None:
    """The estimate needs a worker and a measured reply time."""
    assert estimate_wait(0, ()) is None
    assert estimate_wait(5, (make_status(seconds_per_reply=None),)) is None
    assert estimate_wait(8, (make_status(seconds_per_reply=None), make_status())) == 1.25


@given(place=st.integers(0, 1000), workers=st.lists(STATUSES, max_size=4).map(tuple))
def test_estimate_grows_with_the_position(place: int, workers: tuple[WorkerStatus, ...]) -> None:
    """The estimate is never negative."""
    here, behind = estimate_wait(place, workers), estimate_wait(place + 1, workers)

    assert (here is None) is (behind is None)
    if here is not None and behind is not None:
        assert 0 <= here <= behind


@pytest.mark.parametrize(
    ("place", "seconds", "sentence"),
    [
        (0, None, "Your question is next."),
        (0, 30.0, "Your question is next."),
        (1, None, "One question is ahead of yours."),
        (1, 0.2, "One question is ahead of yours."),
        (2, 2.0, "2 questions are ahead of yours. I expect to start in about 5 seconds."),
        (3, 47.0, "3 questions are ahead of yours. I expect to start in about 45 seconds."),
        (2, 70.0, "2 questions are ahead of yours. I expect to start in about a minute."),
        (9, 61.0, "9 questions are ahead of yours. I expect to start in about a minute."),
        (2, 200.0, "2 questions are ahead of yours. I expect to start in about 3 minutes."),
        (40, 301.0, "40 questions are ahead of yours. I expect to start in about 5 minutes."),
    ],
)
def test_position_is_described_in_words(place: int, seconds: float | None, sentence: str) -> None:
    """Singular and plural are right, and no wait is shorter than five seconds."""
    assert str(describe_position(place, seconds)) == sentence


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
def test_duration_is_rounded_to_its_precision(seconds: float | None, said: str) -> None:
    """Waits are rounded to five seconds, then to minutes."""
    assert str(describe_duration(seconds)) == said
