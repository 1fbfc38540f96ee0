"""Queue position and estimated wait, and the sentences that describe them to a user."""

from typing import Final

from contract.language import Phrase, PluralPhrase, Translatable
from contract.worker_status import WorkerStatus

SECONDS_PER_MINUTE: Final = 60
ROUNDING_SECONDS: Final = 5
"""Described waits are rounded to this step: the estimate is no more precise."""


def estimate_wait(jobs_ahead: int, workers: tuple[WorkerStatus, ...]) -> float | None:
    """
    Estimate the seconds until a job with `jobs_ahead` jobs before it starts.

    With `s` slots and a measured `t` seconds per reply, `s` jobs finish every `t` seconds, so the
    wait is `max(0, jobs_ahead - s + 1) * t / s`. `None` if no worker has measured a reply yet.
    """
    slots = sum(worker.slots for worker in workers)
    measured = [
        worker.seconds_per_reply for worker in workers if worker.seconds_per_reply is not None
    ]
    if not measured:
        return None
    return max(0, jobs_ahead - slots + 1) * (sum(measured) / len(measured)) / slots


def describe_position(jobs_ahead: int, seconds: float | None) -> Translatable:
    """Describe a question's position in the queue, and the estimated wait if it is known."""
    if jobs_ahead <= 0:
        return Phrase("Your question is next.")
    if seconds is None or seconds < 1:
        return PluralPhrase(
            "One question is ahead of yours.",
            "{count} questions are ahead of yours.",
            jobs_ahead,
        )
    return PluralPhrase(
        "One question is ahead of yours. I expect to start in {duration}.",
        "{count} questions are ahead of yours. I expect to start in {duration}.",
        jobs_ahead,
        duration=describe_duration(seconds),
    )


def describe_duration(seconds: float | None) -> Translatable:
    """Describe a wait in words; `None` means unknown."""
    if seconds is None:
        return Phrase("a few minutes")
    steps = max(1, round(seconds / ROUNDING_SECONDS))
    if steps * ROUNDING_SECONDS < SECONDS_PER_MINUTE:
        return Phrase("about {seconds} seconds", seconds=steps * ROUNDING_SECONDS)
    minutes = max(1, round(seconds / SECONDS_PER_MINUTE))
    return PluralPhrase("about a minute", "about {count} minutes", minutes)
