"""How long a question waits in line, and how a person is told; both processes say the same."""

from typing import Final

from contract.worker_status import Beat

MINUTE: Final = 60
"""Seconds."""
STEP: Final = 5
"""Seconds are told in steps: nobody knows it better."""


def estimate(place: int, workers: tuple[Beat, ...]) -> float | None:
    """
    Estimate the seconds until the job with `place` jobs before it starts.

    With `s` slots and a measured `t` seconds per reply, `s` jobs finish every `t` seconds, so the
    wait is `max(0, place - s + 1) * t / s`. `None` where no worker has measured its pace yet.
    """
    slots = sum(beat.slots for beat in workers)
    paces = [beat.pace for beat in workers if beat.pace is not None]
    if not slots or not paces:
        return None
    return max(0, place - slots + 1) * (sum(paces) / len(paces)) / slots


def told(place: int, seconds: float | None) -> str:
    """Say where a question stands in line, and how long that may take as far as it is known."""
    if place <= 0:
        return "Your question is next."
    before = "One question is" if place == 1 else f"{place} questions are"
    if seconds is None or seconds < 1:
        return f"{before} before yours."
    return f"{before} before yours. I expect to start in {span(seconds)}."


def span(seconds: float | None) -> str:
    """Say how long a wait is."""
    if seconds is None:
        return "a few minutes"
    steps = max(1, round(seconds / STEP))
    if steps * STEP < MINUTE:
        return f"about {steps * STEP} seconds"
    minutes = max(1, round(seconds / MINUTE))
    return "about a minute" if minutes == 1 else f"about {minutes} minutes"
