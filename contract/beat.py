"""What a worker says about itself every few seconds, and the wait that follows from it."""

from pydantic import BaseModel, ConfigDict, ValidationError

from contract.keys import BEAT_STALE


class Beat(BaseModel):
    """One worker's state. `at` is Redis' time in seconds; `pace` is seconds per reply, measured."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: float
    slots: int
    busy: int
    loading: bool = False
    pace: float | None = None


def alive(beats: dict[bytes, bytes], now: float) -> tuple[Beat, ...]:
    """Return the beats that are fresh at `now` (s, Redis' clock); what cannot be read is dead."""
    found = []
    for raw in beats.values():
        try:
            beat = Beat.model_validate_json(raw)
        except ValidationError:
            continue
        if now - beat.at <= BEAT_STALE:
            found.append(beat)
    return tuple(found)


def wait(place: int, workers: tuple[Beat, ...]) -> float | None:
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
