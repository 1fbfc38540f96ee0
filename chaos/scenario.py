"""Fault scenario: an action on a cluster, and the verdict of the history checker on it."""

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

COLUMN_BY_INVARIANT: Final = {
    Invariant.ONE_MESSAGE: "duplicated",
    Invariant.RIGHT_PLACE: "misplaced",
    Invariant.ORDER: "out of order",
}
"""Invariants that have their own column in the report."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One line of the matrix: a named action and the bounds that the history must keep."""

    name: str
    alias: str
    """Short id: the command line accepts it, and it seeds the random numbers."""
    description: str
    action: Action
    bounds: Bounds = field(default_factory=lambda: Bounds(max_end_seconds=90.0))
    expects_answers: bool = True
    """Whether every question must be answered. If not, only the action reports failures."""
    max_recovery_seconds: float | None = None
    """95th percentile of the recovery times that the run must not exceed."""


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """Outcome of a scenario. `others` are violations without a column, and failed conditions."""

    scenario: str
    description: str
    mentions: int
    faults: int
    missing: int
    duplicated: int
    misplaced: int
    out_of_order: int
    others: tuple[str, ...]
    recovery_p50: float | None
    """Seconds."""
    recovery_p95: float | None
    """Seconds."""
    seconds: float
    system: str = "StarChat"
    notes: str = ""
    details: tuple[str, ...] = ()
    """Every violation in words."""
    leftovers: tuple[str, ...] = ()
    """State of each unanswered question in Slack, Redis and the logs."""

    @property
    def failure_count(self) -> int:
        """Number of violations and failed conditions."""
        counted = self.missing + self.duplicated + self.misplaced + self.out_of_order
        return counted + len(self.others)


def run_scenario(
    scenario: Scenario, cluster: Cluster, load: LoadGenerator, seed: int, scale: float
) -> ScenarioResult:
    """Run a scenario's action, wait until its questions are answered, and check the history."""
    run = ScenarioRun(cluster, load, seeded_random(seed, scenario.alias), scale)
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
    independent = [v for v in violations if _is_independent(v, missing)]
    subjects = {(v.invariant, v.subject) for v in independent}
    columns = Counter(COLUMN_BY_INVARIANT.get(invariant) for invariant, _ in subjects)
    others = [str(v) for v in independent if v.invariant not in COLUMN_BY_INVARIANT]
    races = len(found) - len(violations)
    if races:
        run.notes.append(f"{races} pairs arrived at the same time and were answered in reverse")
    times = measure_recoveries(run.deaths, run.questions, history)
    limit = scenario.max_recovery_seconds
    if limit is not None and times and percentile(times, 95) > limit:
        run.failures.append(f"p95 of recovery above {limit:.0f} s")
    return ScenarioResult(
        scenario=scenario.name,
        description=scenario.description,
        mentions=len(run.questions),
        faults=run.faults.total(),
        missing=len(missing),
        duplicated=columns["duplicated"],
        misplaced=columns["misplaced"],
        out_of_order=columns["out of order"],
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
    """Return whether a violation counts for a question that Slack lets no app answer."""
    return violation.invariant is not Invariant.ONE_END


def _is_race(violation: Violation, history: History) -> bool:
    """
    Return whether the two questions of an order violation arrived at the same time.

    Slack then sent the younger one before it had the older one's acknowledgement, and the bot
    could not know their order.
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
    """Return whether a violation is more than the effect of a missing or duplicate reply."""
    if violation.invariant in {Invariant.ONE_END, Invariant.ACKNOWLEDGED}:
        return violation.subject not in missing and "replies or errors" not in violation.reason
    return True


def _format_faults(faults: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(faults.items()))


def percentile(values: Iterable[float], percent: int) -> float:
    """Return the smallest value that at least `percent` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]


def find_leaks(cluster: Cluster) -> tuple[str, ...]:
    """Return message texts and secrets in the logs of a cluster's processes, dead ones too."""
    whole = collect_history(cluster.workspace, cluster.processes)
    logs = replace(History(), mentions=whole.mentions, lines=whole.lines, secrets=whole.secrets)
    return tuple(str(v) for v in check_history(logs) if v.invariant is Invariant.NO_LEAK)
