"""Fault loop: a thread that injects random faults while users ask."""

import threading
from collections.abc import Callable
from random import Random
from typing import Self


class FaultLoop:
    """
    Context manager that runs a random one of `actions` about every `interval` seconds.

    On exit it raises the first exception of an action.
    """

    def __init__(self, rng: Random, interval: float, *actions: Callable[[], None]) -> None:
        self._rng = rng
        self._interval = interval
        self._actions = actions
        self._stopped = threading.Event()
        self._errors: list[Exception] = []
        self._thread = threading.Thread(target=self._run_faults, name="fault loop", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        if self._errors:
            raise self._errors[0]

    def _run_faults(self) -> None:
        while not self._stopped.wait(self._interval * self._rng.uniform(0.5, 1.5)):
            try:
                self._rng.choice(self._actions)()
            except Exception as error:  # noqa: BLE001 - raised again by __exit__
                self._errors.append(error)
                return
