"""The kill matrix: its rows, and on which stages they are played."""

from dataclasses import dataclass, replace
from typing import Final

from tests.chaos import (
    rows_bot,
    rows_clock,
    rows_engine,
    rows_limits,
    rows_load,
    rows_mixed,
    rows_redis,
    rows_slack,
    rows_soak,
    rows_start,
    rows_threads,
    rows_wire,
    rows_worker,
)
from tests.chaos.row import Row
from tests.chaos.stage import Cast
from tests.support.checkpoints import long_bigcode

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
COMPARED: Final = (rows_slack.UNSURE, rows_bot.DUPLICATES, rows_worker.KILLED, rows_mixed.ROW)
"""Rows that every player is measured by."""
PATIENCE: Final = 20.0
"""Seconds that a baseline has; RQ takes 14 minutes to notice a killed worker on an idle queue."""


def baseline(name: str, module: str) -> Cast:
    """Return a cast whose bot and worker are a baseline's."""
    stem = f"tests.chaos.baselines.{module}"
    return Cast(name=name, bot=f"{stem}_front", worker=stem, workers=2, patience=PATIENCE)


MINUTES: Final = 15.0
"""Minutes that a soak takes where nothing else is said."""
NAIVE: Final = baseline("naive worker", "naive")
STOCK: Final = baseline("stock RQ worker", "stock")

MATRIX: Final = (
    Act(Cast(), (*rows_bot.ONE_BOT, *rows_slack.ROWS, rows_threads.ROW)),
    Act(Cast(bots=2), (*rows_bot.TWO_BOTS, *rows_worker.AT_POINTS)),
    Act(
        Cast(bots=2, workers=2),
        (*rows_worker.ROWS, rows_engine.POISON, rows_worker.KILLED, rows_mixed.ROW),
    ),
    Act(Cast(proxied=True), (*rows_redis.ROWS, *rows_start.ROWS, *rows_limits.ROWS)),
    Act(rows_clock.CAST, (rows_clock.ROW,)),
    Act(rows_wire.CAST, (rows_wire.ROW,)),
    Act(Cast(model=long_bigcode), (rows_engine.LENGTHS,)),
    Act(Cast(workers=0), (rows_load.RUSH, rows_load.FLOOD), alone=True),
    Act(DEFAULTS, (rows_load.ABUSER, rows_bot.NOTICES), alone=True),
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
    soak = Act(rows_soak.CAST, (rows_soak.soaked(minutes),), alone=True)
    acts = (
        replace(act, rows=tuple(row for row in act.rows if not names or row.name in names))
        for act in (*MATRIX, *([soak] if soak.rows[0].name in names else []))
        if not players or act.cast.name in players
    )
    return tuple(act for act in acts if act.rows)
