"""Worker statuses: fresh ones count, stale and invalid ones do not."""

import pytest

from contract.keys import WORKER_STALE_SECONDS
from contract.worker_status import WorkerStatus, live_workers

NOW = 1_700_000_000.0


def make_status(age: float) -> WorkerStatus:
    """Return a worker's status, reported `age` seconds ago."""
    return WorkerStatus(reported_at=NOW - age, slots=4, busy_slots=0, seconds_per_reply=10)


def test_stale_worker_is_not_live() -> None:
    """A worker is live for `WORKER_STALE_SECONDS` after its last status."""
    fresh, stale = make_status(WORKER_STALE_SECONDS), make_status(WORKER_STALE_SECONDS + 0.1)
    statuses = {b"a": fresh.model_dump_json().encode(), b"b": stale.model_dump_json().encode()}

    assert live_workers(statuses, NOW) == (fresh,)


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"\xff", b"[]", b'{"reported_at":"x","slots":1,"busy_slots":0}']
)
def test_invalid_status_is_skipped(raw: bytes) -> None:
    """Any other value in the hash is ignored."""
    assert live_workers({b"a": raw}, NOW) == ()


def test_unknown_status_fields_are_ignored() -> None:
    """Workers of two versions may run side by side."""
    raw = b'{"reported_at":%d,"slots":2,"busy_slots":1,"mood":"good"}' % NOW

    assert live_workers({b"a": raw}, NOW) == (WorkerStatus(reported_at=NOW, slots=2, busy_slots=1),)
