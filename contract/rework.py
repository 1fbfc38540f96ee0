"""Rework: a job that changes the finished reply to its question, after a press of a button."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class ReworkKind(StrEnum):
    """Work on a finished reply."""

    REGENERATE = "regenerate"
    """Generate it once more, with another seed."""
    PREVIOUS = "previous"
    """Bring back the version before the present one."""
    ANOTHER = "another"
    """Bring the next candidate, which was generated beside the present version."""
    CONTINUE = "continue"
    """Let a reply that was cut go further, as the same turn."""
    REPLAY = "replay"
    """Generate it once more with the same seed, and compare."""
    SHOW = "show"
    """Show a reply that is covered because of its wording."""
    ANYWAY = "anyway"
    """Answer a question whose reply only points to an earlier answer."""


class Rework(BaseModel):
    """Work on the version `reply_id` of a reply."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ReworkKind
    reply_id: str = Field(pattern=r"^[0-9a-f]{1,16}$")
