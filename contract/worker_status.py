"""What a worker says about itself every few seconds."""

from pydantic import BaseModel, ConfigDict, ValidationError

from contract.keys import WORKER_STALE_SECONDS


class WorkerStatus(BaseModel):
    """One worker's state. `at` is Redis' time in seconds; `pace` is seconds per reply, measured."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    reported_at: float
    slots: int
    busy_slots: int
    loading: bool = False
    seconds_per_reply: float | None = None


def live_workers(statuses: dict[bytes, bytes], now: float) -> tuple[WorkerStatus, ...]:
    """Return the beats that are fresh at `now` (s, Redis' clock); what cannot be read is dead."""
    live = []
    for raw in statuses.values():
        try:
            status = WorkerStatus.model_validate_json(raw)
        except ValidationError:
            continue
        if now - status.reported_at <= WORKER_STALE_SECONDS:
            live.append(status)
    return tuple(live)
