"""Errands run beside the acknowledgement, and what they raise goes no further."""

import threading

from bot.concurrency import BackgroundTasks


def test_an_errand_runs_and_its_error_stays_its_own() -> None:
    """After an errand that fails the next one runs."""
    background = BackgroundTasks(threads=1)
    done = threading.Event()

    def fails() -> None:
        raise ValueError("out")

    assert background.submit("fails", fails)
    assert background.submit("works", done.set)
    assert done.wait(5)
    background.drain(5)


def test_errands_that_are_under_way_are_finished_at_the_end() -> None:
    """Closing waits for what was promised."""
    background = BackgroundTasks(threads=1)
    gate, done = threading.Event(), threading.Event()
    background.submit("first", gate.wait, 5)
    background.submit("second", done.set)
    gate.set()
    background.drain(5)

    assert done.is_set()


def test_more_errands_than_anybody_can_run_are_left_undone() -> None:
    """A flood costs memory for so many errands and no more."""
    background = BackgroundTasks(threads=1, max_waiting=2)
    gate = threading.Event()

    assert [background.submit("waits", gate.wait, 5) for _ in range(4)] == [
        True,
        True,
        False,
        False,
    ]
    gate.set()
    background.drain(5)
