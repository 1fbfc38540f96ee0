"""A row of the kill matrix: what is done to a stage, and what the checker says of it."""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from chaos.checker.attribution import attributed
from chaos.checker.collector import collect
from chaos.checker.expectations import Bounds, Invariant, Violation
from chaos.checker.history import History
from chaos.checker.invariants import check
from chaos.cluster.cluster import Stage, dice
from chaos.leftovers import remains
from chaos.load import Crowd
from chaos.recovery import recoveries
from chaos.run import Trial, restricted

Act = Callable[[Trial], None]

LOST: Final = "missing"
COLUMNS: Final = {
    Invariant.ONE_MESSAGE: "doubled",
    Invariant.RIGHT_PLACE: "misplaced",
    Invariant.ORDER: "disordered",
}
"""Invariants that have a column of their own."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the matrix. `what` is said in the table."""

    name: str
    what: str
    act: Act
    bounds: Bounds = field(default_factory=lambda: Bounds(end=90.0))
    answered: bool = True
    """Whether every question is to be answered; where not, the row itself counts."""
    recovery: float | None = None
    """Seconds within which nearly everything that died must be going on again."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a row. `others` are violations that have no column of their own."""

    row: str
    what: str
    mentions: int
    faults: int
    missing: int
    doubled: int
    misplaced: int
    disordered: int
    others: tuple[str, ...]
    recovery_p50: float | None
    recovery_p95: float | None
    seconds: float
    player: str = "StarChat"
    notes: str = ""
    details: tuple[str, ...] = ()
    remains: tuple[str, ...] = ()
    """What is known of questions without a reply."""

    @property
    def broken(self) -> int:
        """How much went wrong."""
        counted = self.missing + self.doubled + self.misplaced + self.disordered
        return counted + len(self.others)


def play(row: Row, stage: Stage, crowd: Crowd, seed: int, scale: float) -> Result:
    """Let a row do its worst, wait for calm, and check what became of its questions."""
    trial = Trial(stage, crowd, dice(seed, row.name), scale)
    calls = len(stage.workspace.calls())
    try:
        row.act(trial)
    finally:
        stage.calm()
    if row.answered:
        trial.settle()
    stage.revive()
    struck = Counter(c["fault"] for c in stage.workspace.calls(calls) if c["fault"])
    trial.faults += struck
    history = restricted(collect(stage.workspace), trial)
    return _result(row, trial, history)


def _result(row: Row, trial: Trial, history: History) -> Result:
    found = list(check(history, row.bounds))
    found = [v for v in found if v.about not in trial.excused or _stands(v)]
    violations = [v for v in found if not _raced(v, history)]
    missing = _unanswered(history, trial.excused) if row.answered else []
    abouts = {(v.invariant, v.about) for v in violations if _counts(v, missing)}
    columns = Counter(COLUMNS.get(invariant) for invariant, _ in abouts)
    others = [str(v) for v in violations if _counts(v, missing) and v.invariant not in COLUMNS]
    races = len(found) - len(violations)
    if races:
        trial.notes.append(f"{races} pairs came at the same time and stand the other way round")
    times = recoveries(trial.deaths, trial.questions, history)
    if row.recovery is not None and times and percentile(times, 95) > row.recovery:
        trial.broken.append(f"recovered later than {row.recovery:.0f} s")
    return Result(
        row=row.name,
        what=row.what,
        mentions=len(trial.questions),
        faults=trial.faults.total(),
        missing=len(missing),
        doubled=columns["doubled"],
        misplaced=columns["misplaced"],
        disordered=columns["disordered"],
        others=(*others, *trial.broken) if row.answered else tuple(trial.broken),
        recovery_p50=statistics.median(times) if times else None,
        recovery_p95=percentile(times, 95) if times else None,
        seconds=time.monotonic() - trial.began,
        player=trial.stage.cast.name,
        notes="; ".join([*trial.notes, _listed(trial.faults)]),
        details=tuple(map(str, violations)),
        remains=tuple(_remains(trial, missing)),
    )


def _stands(violation: Violation) -> bool:
    """Say whether a violation counts also for a question that nobody may answer."""
    return violation.invariant is not Invariant.ONE_END


def _raced(violation: Violation, history: History) -> bool:
    """
    Say whether two questions came at the same time, so that either may stand above the other.

    The younger one must have been told of before Slack had the acknowledgement of the older one.
    """
    if violation.invariant is not Invariant.ORDER:
        return False
    mentions = {mention.ts: mention for mention in history.mentions}
    older, younger = mentions[violation.about], mentions[violation.why.rpartition(" ")[2]]
    told = min(delivery.sent_at for delivery in younger.deliveries)
    return older.acknowledged_at is None or told < older.acknowledged_at


def _unanswered(history: History, excused: set[str]) -> list[str]:
    cases = attributed(history).cases
    lost = [case.mention.ts for case in cases if case.wanted and not case.ends]
    return [ts for ts in lost if ts not in excused]


def _remains(trial: Trial, missing: Iterable[str]) -> Iterator[str]:
    for question in trial.questions:
        if question.ts in missing:
            yield from remains(trial.stage, question)


def _counts(violation: Violation, missing: Iterable[str]) -> bool:
    """Say whether a violation is not another one's shadow: a missing reply, a second one."""
    if violation.invariant in {Invariant.ONE_END, Invariant.ACKNOWLEDGED}:
        return violation.about not in missing and "replies or errors" not in violation.why
    return True


def _listed(faults: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(faults.items()))


def percentile(values: Iterable[float], percent: int) -> float:
    """Return the value that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]


def leaks(stage: Stage) -> tuple[str, ...]:
    """Return what the logs of all processes of a stage, dead ones too, should not hold."""
    whole = collect(stage.workspace, stage.processes)
    logs = replace(History(), mentions=whole.mentions, lines=whole.lines, secrets=whole.secrets)
    return tuple(str(v) for v in check(logs) if v.invariant is Invariant.NO_LEAK)
