"""What a worker says about itself every few seconds."""

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
