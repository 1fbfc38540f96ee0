"""Lets something go wrong again and again while people ask."""

import threading
from collections.abc import Callable
from random import Random
from typing import Self


class Havoc:
    """Does one of `acts`, by the dice, every so many seconds until it is left."""

    def __init__(self, dice: Random, every: float, *acts: Callable[[], None]) -> None:
        self._dice = dice
        self._every = every
        self._acts = acts
        self._over = threading.Event()
        self._failed: list[Exception] = []
        self._thread = threading.Thread(target=self._run, name="havoc", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self._failed:
            raise self._failed[0]

    def _run(self) -> None:
        while not self._over.wait(self._every * self._dice.uniform(0.5, 1.5)):
            try:
                self._dice.choice(self._acts)()
            except Exception as error:  # noqa: BLE001 - raised again where the run is
                self._failed.append(error)
                return
