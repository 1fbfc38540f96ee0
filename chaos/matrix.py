"""The kill matrix: its rows, and on which stages they are played."""

from dataclasses import dataclass, replace
from typing import Final

from chaos.cluster.cluster import Cast
from chaos.scenario import Row
from chaos.scenarios import (
    bot_failures,
    clock_skew,
    engine_failures,
    hard_threads,
    mixed_faults,
    overload,
    redis_failures,
    resource_limits,
    slack_api_failures,
    slack_unreachable,
    soak,
    startup,
    worker_failures,
)
from testing.checkpoints import long_bigcode

StageRows = tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Act:
    """Rows that are played on one stage, one after the other."""

    cast: Cast
    rows: StageRows
    alone: bool = False
    """Whether its figures are only true where nothing else is played."""


DEFAULTS: Final = replace(Cast(), variables=())
"""With the limits that an operator has who sets nothing."""
COMPARED: Final = (
    slack_api_failures.UNSURE,
    bot_failures.DUPLICATES,
    worker_failures.KILLED,
    mixed_faults.ROW,
)
"""Rows that every player is measured by."""
PATIENCE: Final = 20.0
"""Seconds that a baseline has; RQ takes 14 minutes to notice a killed worker on an idle queue."""


def baseline(name: str, module: str) -> Cast:
    """Return a cast whose bot and worker are a baseline's."""
    stem = f"chaos.baselines.{module}"
    return Cast(
        name=name, bot=f"{stem}_front_end", worker=f"{stem}_worker", workers=2, patience=PATIENCE
    )


MINUTES: Final = 15.0
"""Minutes that a soak takes where nothing else is said."""
NAIVE: Final = baseline("naive worker", "naive")
STOCK: Final = baseline("stock RQ worker", "stock_rq")

MATRIX: Final = (
    Act(Cast(), (*bot_failures.ONE_BOT, *slack_api_failures.ROWS, hard_threads.ROW)),
    Act(Cast(bots=2), (*bot_failures.TWO_BOTS, *worker_failures.AT_POINTS)),
    Act(
        Cast(bots=2, workers=2),
        (*worker_failures.ROWS, engine_failures.POISON, worker_failures.KILLED, mixed_faults.ROW),
    ),
    Act(Cast(proxied=True), (*redis_failures.ROWS, *startup.ROWS, *resource_limits.ROWS)),
    Act(clock_skew.CAST, (clock_skew.ROW,)),
    Act(slack_unreachable.CAST, (slack_unreachable.ROW,)),
    Act(Cast(model=long_bigcode), (engine_failures.LENGTHS,)),
    Act(Cast(workers=0), (overload.RUSH, overload.FLOOD), alone=True),
    Act(DEFAULTS, (overload.ABUSER, bot_failures.NOTICES), alone=True),
    Act(NAIVE, COMPARED),
    Act(STOCK, COMPARED),
)


def chosen(
    names: frozenset[str], players: frozenset[str] = frozenset(), minutes: float = MINUTES
) -> tuple[Act, ...]:
    """
    Return the matrix with only these rows and players; all of them where none are named.

    The soak of so many `minutes` is played only where it is named.
    """
    long_soak = Act(soak.CAST, (soak.soaked(minutes),), alone=True)
    acts = (
        replace(act, rows=tuple(row for row in act.rows if not names or row.name in names))
        for act in (*MATRIX, *([long_soak] if long_soak.rows[0].name in names else []))
        if not players or act.cast.name in players
    )
    return tuple(act for act in acts if act.rows)
