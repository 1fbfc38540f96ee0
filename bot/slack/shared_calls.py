"""Single flight: concurrent calls with the same argument share one call on a thread pool."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

Result = TypeVar("Result")


@dataclass(slots=True)
class _Flight(Generic[Result]):
    """One call, and the number of callers that wait for it."""

    future: Future[Result]
    callers: int = 0


class SharedCalls(Generic[Result]):
    """Calls of one function. A call that has not begun ends when its last caller gives up."""

    def __init__(self, executor: Executor, function: Callable[[str], Result]) -> None:
        self._executor = executor
        self._function = function
        self._flights: dict[str, _Flight[Result]] = {}
        self._lock = threading.Lock()

    def run_calls(self, arguments: Iterable[str], timeout: float) -> dict[str, Result]:
        """
        Return the results that arrive within `timeout` s, by argument.

        Raises the exception of a call.
        """
        with self._lock:
            flights = {argument: self._join_flight(argument) for argument in set(arguments)}
        try:
            wait([flight.future for flight in flights.values()], timeout)
            return {
                argument: flight.future.result()
                for argument, flight in flights.items()
                if flight.future.done() and not flight.future.cancelled()
            }
        finally:
            with self._lock:
                for argument, flight in flights.items():
                    self._leave_flight(argument, flight)

    def _join_flight(self, argument: str) -> _Flight[Result]:
        flight = self._flights.get(argument)
        if flight is None:
            future = self._executor.submit(self._function, argument)
            flight = self._flights[argument] = _Flight(future)
        flight.callers += 1
        return flight

    def _leave_flight(self, argument: str, flight: _Flight[Result]) -> None:
        flight.callers -= 1
        is_over = flight.future.done() or (not flight.callers and flight.future.cancel())
        if is_over and self._flights.get(argument) is flight:
            del self._flights[argument]
