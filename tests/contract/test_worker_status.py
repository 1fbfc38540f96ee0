"""What workers say of themselves."""

import pytest

from contract.keys import WORKER_STALE_SECONDS
from contract.worker_status import WorkerStatus, live_workers

NOW = 1_700_000_000.0


def make_status(age: float) -> WorkerStatus:
    """Return a worker's state, told `age` seconds ago."""
    return WorkerStatus(reported_at=NOW - age, slots=4, busy_slots=0, seconds_per_reply=10)


def test_a_silent_worker_is_dead() -> None:
    """A worker counts while its last beat is at most `BEAT_STALE` seconds old."""
    fresh, stale = make_status(WORKER_STALE_SECONDS), make_status(WORKER_STALE_SECONDS + 0.1)
    told = {b"a": fresh.model_dump_json().encode(), b"b": stale.model_dump_json().encode()}

    assert live_workers(told, NOW) == (fresh,)


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"\xff", b"[]", b'{"reported_at":"x","slots":1,"busy_slots":0}']
)
def test_a_beat_that_cannot_be_read_is_no_worker(raw: bytes) -> None:
    """Whatever else stands in the hash is passed over."""
    assert live_workers({b"a": raw}, NOW) == ()


def test_a_newer_worker_may_say_more() -> None:
    """Fields that this version does not know are ignored: versions may run side by side."""
    raw = b'{"reported_at":%d,"slots":2,"busy_slots":1,"mood":"good"}' % NOW

    assert live_workers({b"a": raw}, NOW) == (WorkerStatus(reported_at=NOW, slots=2, busy_slots=1),)
