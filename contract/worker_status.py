"""Status that each worker publishes in Redis every few seconds."""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from contract.keys import WORKER_STALE_SECONDS
from contract.reply_details import Line, Revision

MAX_SLOTS: Final = 4096
"""Maximum slots of one worker that are believed."""
SECONDS_PER_DAY: Final = 86400
MAX_SERVED_MODELS: Final = 4
"""Models of one worker that are believed."""


class ServedModel(BaseModel):
    """A model as details of replies name it; `revision` may be empty."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    model: Line
    revision: Revision = ""


class WorkerStatus(BaseModel):
    """
    Status of one worker. `reported_at` is Redis' time in seconds.

    `seconds_per_reply` is a measured mean, or `None` before the first reply. `models` are those
    that are loaded.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    reported_at: FiniteFloat
    slots: int = Field(ge=1, le=MAX_SLOTS)
    busy_slots: int = Field(ge=0)
    loading: bool = False
    seconds_per_reply: float | None = Field(default=None, ge=0, le=SECONDS_PER_DAY)
    models: tuple[ServedModel, ...] = Field(default=(), max_length=MAX_SERVED_MODELS)


def live_workers(
    statuses: dict[bytes, bytes], now: float, max_age_seconds: float = WORKER_STALE_SECONDS
) -> tuple[WorkerStatus, ...]:
    """Return the statuses that are fresh at `now` (s, Redis' clock); skip invalid entries."""
    live = []
    for raw in statuses.values():
        try:
            status = WorkerStatus.model_validate_json(raw)
        except ValidationError:
            continue
        # One clock writes and reads the time: a status from the future is invalid.
        if -WORKER_STALE_SECONDS <= now - status.reported_at <= max_age_seconds:
            live.append(status)
    return tuple(live)
