"""What workers say of themselves."""

import pytest

from contract.keys import BEAT_STALE
from contract.worker_status import Beat, alive

NOW = 1_700_000_000.0


def beat(age: float) -> Beat:
    """Return a worker's state, told `age` seconds ago."""
    return Beat(at=NOW - age, slots=4, busy=0, pace=10)


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
