"""Status that each worker publishes in Redis every few seconds."""

from pydantic import BaseModel, ConfigDict, ValidationError

from contract.keys import WORKER_STALE_SECONDS


class WorkerStatus(BaseModel):
    """
    Status of one worker. `reported_at` is Redis' time in seconds.

    `seconds_per_reply` is a measured mean, or `None` before the first reply.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    reported_at: float
    slots: int
    busy_slots: int
    loading: bool = False
    seconds_per_reply: float | None = None


def live_workers(statuses: dict[bytes, bytes], now: float) -> tuple[WorkerStatus, ...]:
    """Return the statuses that are fresh at `now` (s, Redis' clock); skip invalid entries."""
    live = []
    for raw in statuses.values():
        try:
            status = WorkerStatus.model_validate_json(raw)
        except ValidationError:
            continue
        if now - status.reported_at <= WORKER_STALE_SECONDS:
            live.append(status)
    return tuple(live)
