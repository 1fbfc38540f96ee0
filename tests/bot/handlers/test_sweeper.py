"""Sweeper: each sweep runs although another one fails."""

import threading

import pytest
from structlog.testing import capture_logs

from bot.handlers.sweeper import Sweeper


class SweepSteps:
    """Sweeps of which one fails; `rounds` counts how often the last of them ran."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.rounds = 0
        self.enough = threading.Event()

    def fail(self) -> None:
        """Raise the error."""
        raise self.error

    def count_round(self) -> None:
        """Count a round, and three are enough."""
        self.rounds += 1
        if self.rounds == 3:
            self.enough.set()


@pytest.mark.parametrize(
    ("error", "expected_logs"),
    [(TimeoutError(), ["sweep postponed"]), (ValueError(), ["sweep failed"] * 3)],
)
def test_failing_sweep_ends_neither_the_others_nor_the_thread(
    error: Exception, expected_logs: list[str]
) -> None:
    """An expected error is logged once for each interruption, another one each time."""
    steps = SweepSteps(error)
    sweeper = Sweeper("test", (steps.fail, steps.count_round), (TimeoutError,), 0.01)
    with capture_logs() as logs:
        sweeper.start_thread()
        assert steps.enough.wait(10)
        sweeper.stop_thread()

    assert [line["event"] for line in logs][: len(expected_logs)] == expected_logs
    if isinstance(error, TimeoutError):
        assert len(logs) == 1


def test_sweeper_that_never_started_can_be_stopped() -> None:
    """The process ends before it serves."""
    Sweeper("test", (), ()).stop_thread()
