"""Progress watch: notices work that never ends, and nothing else."""

import pytest

from contract.progress_watch import ProgressWatch


def test_work_without_an_end_is_stuck() -> None:
    """Time counts from the last end of any work, or from the first start."""
    seconds = 0.0
    watch = ProgressWatch(60, lambda: seconds)
    seconds = 1000.0
    assert not watch.is_stuck()
    watch.start_work()
    watch.start_work()
    seconds += 59
    watch.end_work()
    seconds += 59
    assert not watch.is_stuck()
    seconds += 1
    assert watch.is_stuck()
    watch.end_work()
    assert not watch.is_stuck()


def test_failed_work_ends() -> None:
    """An exception is an end too."""
    seconds = 0.0
    watch = ProgressWatch(60, lambda: seconds)
    with pytest.raises(ValueError, match="wrong"), watch.watch_work():
        raise ValueError("wrong")
    seconds = 60.0
    assert not watch.is_stuck()
