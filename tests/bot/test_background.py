"""Background tasks: bounded, and isolated from each other's errors."""

import threading

from bot.concurrency import BackgroundTasks


def test_failed_task_does_not_stop_next_task() -> None:
    """A task after a failed one runs."""
    background = BackgroundTasks(threads=1)
    done = threading.Event()

    def fails() -> None:
        raise ValueError("out")

    assert background.submit("fails", fails)
    assert background.submit("works", done.set)
    assert done.wait(5)
    background.drain(5)


def test_drain_waits_for_running_tasks() -> None:
    """Running and waiting tasks finish before the drain ends."""
    background = BackgroundTasks(threads=1)
    gate, done = threading.Event(), threading.Event()
    background.submit("first", gate.wait, 5)
    background.submit("second", done.set)
    gate.set()
    background.drain(5)

    assert done.is_set()


def test_delayed_task_runs_when_due() -> None:
    """Each delayed task runs by itself, the earliest first."""
    background = BackgroundTasks(threads=1)
    order: list[str] = []
    done = threading.Event()

    def end_order() -> None:
        order.append("late")
        done.set()

    background.submit_after(0.2, "late", end_order)
    background.submit_after(0.0, "soon", order.append, "soon")

    assert done.wait(10)
    assert order == ["soon", "late"]
    background.drain(5)


def test_drain_runs_delayed_tasks_at_once() -> None:
    """What they delay in turn is dropped: the process stops."""
    background = BackgroundTasks(threads=1)
    order: list[str] = []

    def delay_another() -> None:
        order.append("first")
        background.submit_after(0, "second", order.append, "second")

    background.submit_after(1000, "first", delay_another)
    background.drain(5)

    assert order == ["first"]


def test_excess_tasks_are_dropped() -> None:
    """Tasks beyond the limit are dropped."""
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
