"""What the engine says about itself to a health page, and how long it waits for its child."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What the engine is doing."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Health:
    """
    The engine's state, for a health page and for the sign that the model is loading.

    While loading, `stage` names what is done now and `fraction` (0 to 1) how far it is. `restarts`
    counts children after the first. `line` says why the state is `FAILED`.
    """

    state: State = State.LOADING
    stage: str = "starting"
    fraction: float = 0.0
    restarts: int = 0
    line: str = ""


@dataclass(frozen=True, slots=True)
class Patience:
    """
    How long the parent waits, in seconds.

    `step`: without a step of a busy child before it is killed. `first_restart`, `last_restart`:
    between two children, doubling. `close`: for the child to end by itself. `deaths`: so many
    children in a row may die before one has loaded the model.
    """

    step: float = 30.0
    first_restart: float = 0.5
    last_restart: float = 30.0
    close: float = 5.0
    deaths: int = 3
