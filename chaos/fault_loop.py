"""Lets something go wrong again and again while people ask."""

import threading
from collections.abc import Callable
from random import Random
from typing import Self


class FaultLoop:
    """Does one of `acts`, by the dice, every so many seconds until it is left."""

    def __init__(self, rng: Random, interval: float, *actions: Callable[[], None]) -> None:
        self._rng = rng
        self._interval = interval
        self._actions = actions
        self._stopped = threading.Event()
        self._errors: list[Exception] = []
        self._thread = threading.Thread(target=self._run_faults, name="havoc", daemon=True)

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
            except Exception as error:  # noqa: BLE001 - raised again where the run is
                self._errors.append(error)
                return
