"""What the engine says about itself to a health page, and how long it waits for its child."""

from dataclasses import dataclass
from enum import StrEnum


class EngineState(StrEnum):
    """What the engine is doing."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class EngineHealth:
    """
    The engine's state, for a health page and for the sign that the model is loading.

    While loading, `stage` names what is done now and `fraction` (0 to 1) how far it is. `restarts`
    counts children after the first. `line` says why the state is `FAILED`.
    """

    state: EngineState = EngineState.LOADING
    stage: str = "starting"
    fraction: float = 0.0
    restarts: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """
    How long the parent waits, in seconds.

    `step`: without a step of a busy child before it is killed. `first_restart`, `last_restart`:
    between two children, doubling. `close`: for the child to end by itself. `deaths`: so many
    children in a row may die before one has loaded the model.
    """

    step: float = 30.0
    min_restart_delay: float = 0.5
    max_restart_delay: float = 30.0
    shutdown: float = 5.0
    max_early_deaths: int = 3
