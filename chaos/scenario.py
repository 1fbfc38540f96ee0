"""A row of the kill matrix: what is done to a stage, and what the checker says of it."""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from chaos.checker.attribution import attribute_messages
from chaos.checker.collector import collect_history
from chaos.checker.expectations import Bounds, Invariant, Violation
from chaos.checker.history import History
from chaos.checker.invariants import check_history
from chaos.cluster.cluster import Cluster, seeded_random
from chaos.leftovers import describe_leftovers
from chaos.load import LoadGenerator
from chaos.recovery import measure_recoveries
from chaos.run import ScenarioRun, restrict_history

Action = Callable[[ScenarioRun], None]

LOST: Final = "missing"
COLUMN_BY_INVARIANT: Final = {
    Invariant.ONE_MESSAGE: "doubled",
    Invariant.RIGHT_PLACE: "misplaced",
    Invariant.ORDER: "disordered",
}
"""Invariants that have a column of their own."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One line of the matrix. `what` is said in the table."""

    name: str
    description: str
    action: Action
    bounds: Bounds = field(default_factory=lambda: Bounds(max_end_seconds=90.0))
    expects_answers: bool = True
    """Whether every question is to be answered; where not, the row itself counts."""
    max_recovery_seconds: float | None = None
    """Seconds within which nearly everything that died must be going on again."""


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """What came of a row. `others` are violations that have no column of their own."""

    scenario: str
    description: str
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
    system: str = "StarChat"
    notes: str = ""
    details: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    """What is known of questions without a reply."""

    @property
    def failure_count(self) -> int:
        """How much went wrong."""
        counted = self.missing + self.doubled + self.misplaced + self.disordered
        return counted + len(self.others)


def run_scenario(
    scenario: Scenario, cluster: Cluster, load: LoadGenerator, seed: int, scale: float
) -> ScenarioResult:
    """Let a row do its worst, wait for calm, and check what became of its questions."""
    run = ScenarioRun(cluster, load, seeded_random(seed, scenario.name), scale)
    calls = len(cluster.workspace.api_calls())
    try:
        scenario.action(run)
    finally:
        cluster.clear_faults()
    if scenario.expects_answers:
        run.wait_for_replies()
    cluster.restore_processes()
    fault_counts = Counter(c["fault"] for c in cluster.workspace.api_calls(calls) if c["fault"])
    run.faults += fault_counts
    history = restrict_history(collect_history(cluster.workspace), run)
    return _build_result(scenario, run, history)


def _build_result(scenario: Scenario, run: ScenarioRun, history: History) -> ScenarioResult:
    found = list(check_history(history, scenario.bounds))
    found = [v for v in found if v.subject not in run.excused or _applies_when_excused(v)]
    violations = [v for v in found if not _is_race(v, history)]
    missing = _find_missing_replies(history, run.excused) if scenario.expects_answers else []
    subjects = {(v.invariant, v.subject) for v in violations if _is_independent(v, missing)}
    columns = Counter(COLUMN_BY_INVARIANT.get(invariant) for invariant, _ in subjects)
    others = [
        str(v)
        for v in violations
        if _is_independent(v, missing) and v.invariant not in COLUMN_BY_INVARIANT
    ]
    races = len(found) - len(violations)
    if races:
        run.notes.append(f"{races} pairs came at the same time and stand the other way round")
    times = measure_recoveries(run.deaths, run.questions, history)
    if (
        scenario.max_recovery_seconds is not None
        and times
        and percentile(times, 95) > scenario.max_recovery_seconds
    ):
        run.failures.append(f"recovered later than {scenario.max_recovery_seconds:.0f} s")
    return ScenarioResult(
        scenario=scenario.name,
        description=scenario.description,
        mentions=len(run.questions),
        faults=run.faults.total(),
        missing=len(missing),
        doubled=columns["doubled"],
        misplaced=columns["misplaced"],
        disordered=columns["disordered"],
        others=(*others, *run.failures) if scenario.expects_answers else tuple(run.failures),
        recovery_p50=statistics.median(times) if times else None,
        recovery_p95=percentile(times, 95) if times else None,
        seconds=time.monotonic() - run.started_at,
        system=run.cluster.spec.name,
        notes="; ".join([*run.notes, _format_faults(run.faults)]),
        details=tuple(map(str, violations)),
        leftovers=tuple(_describe_missing(run, missing)),
    )


def _applies_when_excused(violation: Violation) -> bool:
    """Say whether a violation counts also for a question that nobody may answer."""
    return violation.invariant is not Invariant.ONE_END


def _is_race(violation: Violation, history: History) -> bool:
    """
    Say whether two questions came at the same time, so that either may stand above the other.

    The younger one must have been told of before Slack had the acknowledgement of the older one.
    """
    if violation.invariant is not Invariant.ORDER:
        return False
    mentions = {mention.ts: mention for mention in history.mentions}
    older, younger = mentions[violation.subject], mentions[violation.reason.rpartition(" ")[2]]
    first_sent_at = min(delivery.sent_at for delivery in younger.deliveries)
    return older.acknowledged_at is None or first_sent_at < older.acknowledged_at


def _find_missing_replies(history: History, excused: set[str]) -> list[str]:
    cases = attribute_messages(history).cases
    lost = [case.mention.ts for case in cases if case.expects_reply and not case.final_parts]
    return [ts for ts in lost if ts not in excused]


def _describe_missing(run: ScenarioRun, missing: Iterable[str]) -> Iterator[str]:
    for question in run.questions:
        if question.ts in missing:
            yield from describe_leftovers(run.cluster, question)


def _is_independent(violation: Violation, missing: Iterable[str]) -> bool:
    """Say whether a violation is not another one's shadow: a missing reply, a second one."""
    if violation.invariant in {Invariant.ONE_END, Invariant.ACKNOWLEDGED}:
        return violation.subject not in missing and "replies or errors" not in violation.reason
    return True


def _format_faults(faults: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(faults.items()))


def percentile(values: Iterable[float], percent: int) -> float:
    """Return the value that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]


def find_leaks(cluster: Cluster) -> tuple[str, ...]:
    """Return what the logs of all processes of a stage, dead ones too, should not hold."""
    whole = collect_history(cluster.workspace, cluster.processes)
    logs = replace(History(), mentions=whole.mentions, lines=whole.lines, secrets=whole.secrets)
    return tuple(str(v) for v in check_history(logs) if v.invariant is Invariant.NO_LEAK)
