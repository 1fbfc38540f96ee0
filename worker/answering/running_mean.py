"""Running mean of durations, from which waits are estimated."""


class RunningMean:
    """
    Running mean of durations: of all samples at first, then exponential over about `window`.

    The window is large because one reply may take a hundred times longer than another.
    """

    def __init__(self, window: int = 50) -> None:
        """Weigh about the newest `window` samples."""
        self._window = window
        self._count = 0
        self.mean_seconds: float | None = None

    def add_sample(self, seconds: float) -> None:
        """Add one duration in seconds."""
        self._count = min(self._count + 1, self._window)
        previous = self.mean_seconds or 0.0
        self.mean_seconds = previous + (seconds - previous) / self._count
