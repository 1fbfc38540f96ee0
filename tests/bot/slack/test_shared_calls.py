"""Single flight: who shares a call, and when it is cancelled."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bot.slack.shared_calls import SharedCalls


class BlockedFunction:
    """A function that waits for `go`, and counts its calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.begun = threading.Event()
        self.go = threading.Event()

    def __call__(self, argument: str) -> str:
        """Return the argument in capitals."""
        self.calls.append(argument)
        self.begun.set()
        self.go.wait(10)
        return argument.upper()


def wait_for_callers(shared: SharedCalls[str], argument: str, count: int) -> None:
    """Wait until so many callers wait for a call."""
    done = threading.Event()
    while not (flight := shared._flights.get(argument)) or flight.callers < count:
        done.wait(0.005)


def test_concurrent_callers_share_one_call() -> None:
    """Both get the result; a later caller makes a new call."""
    function = BlockedFunction()
    with ThreadPoolExecutor(4) as pool:
        shared = SharedCalls(pool, function)
        callers = [pool.submit(shared.run_calls, ["a"], 10) for _ in range(2)]
        function.begun.wait(10)
        wait_for_callers(shared, "a", 2)
        function.go.set()

        assert [caller.result() for caller in callers] == [{"a": "A"}] * 2
        assert function.calls == ["a"]
        assert shared.run_calls(["a"], 10) == {"a": "A"}
    assert function.calls == ["a", "a"]


def test_call_that_has_not_begun_ends_with_its_last_caller() -> None:
    """A caller that still waits keeps it."""
    function = BlockedFunction()
    with ThreadPoolExecutor(1) as pool, ThreadPoolExecutor(1) as callers:
        shared = SharedCalls(pool, function)
        first = callers.submit(shared.run_calls, ["first", "kept"], 10)
        function.begun.wait(10)
        began = function.calls[0]
        waiting = ({"first", "kept"} - {began}).pop()

        assert shared.run_calls([waiting, "dropped"], 0) == {}
        function.go.set()
        assert first.result() == {"first": "FIRST", "kept": "KEPT"}

    assert function.calls == [began, waiting]
    assert not shared._flights


def test_error_of_a_call_reaches_its_caller() -> None:
    """The next caller makes a new call."""

    def fail(_: str) -> str:
        raise ValueError("wrong")

    with ThreadPoolExecutor(1) as pool:
        shared = SharedCalls(pool, fail)
        for _ in range(2):
            with pytest.raises(ValueError, match="wrong"):
                shared.run_calls(["a"], 10)
    assert not shared._flights
