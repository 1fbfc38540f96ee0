"""Inject faults into real processes and count violations; exit status 1 if StarChat has any."""

import argparse
import shlex
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from chaos import report
from chaos.cluster.cluster import Cluster, ClusterSpec
from chaos.load import LoadGenerator
from chaos.matrix import SOAK_MINUTES, ScenarioGroup, list_scenarios, select_groups
from chaos.scenario import ScenarioResult, find_leaks, run_scenario

MAX_LEFTOVER_LINES: Final = 60
"""Lines that are shown of the state of unanswered questions."""


def main() -> int:
    """Run the scenarios that the command line names, and print the report."""
    options = _build_parser().parse_args()
    if options.list:
        print(*(f"{s.name} ({s.alias}): {s.description}" for s in list_scenarios()), sep="\n")
        return 0
    # SIGTERM must unwind the stack: that ends the cluster's processes too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    scenario_names, systems = _split_names(options.scenarios), _split_names(options.systems)
    groups = select_groups(scenario_names, systems, options.minutes)
    if not groups:
        print("chaos: no scenario of that name; --list shows all", file=sys.stderr)
        return 2
    run = MatrixRun(options)
    run.run_groups(groups)
    results = run.collect_results(groups)
    print(
        f"\n{run.summary}\n\n{report.render_markdown(results)}\n{report.list_violations(results)}"
    )
    return int(
        any(result.failure_count for result in results if result.system == ClusterSpec().name)
    )


@dataclass(slots=True)
class MatrixRun:
    """One run of the matrix and its results so far."""

    options: argparse.Namespace
    started_at: float = field(default_factory=time.monotonic)
    _clusters: list[Cluster] = field(default_factory=list)
    _results: defaultdict[int, list[ScenarioResult]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def run_groups(self, groups: Sequence[ScenarioGroup]) -> None:
        """Run the exclusive groups one by one, then the others on parallel clusters."""
        for spec in {group.spec for group in groups}:
            spec.build_model()
        for group in groups:
            if group.exclusive:
                self._run_group(group, groups)
        parallel = self.options.clusters
        with ThreadPoolExecutor(parallel, thread_name_prefix="cluster") as executor:
            concurrent = [group for group in groups if not group.exclusive]
            futures = {executor.submit(self._run_group, group, groups) for group in concurrent}
            try:
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
            except BaseException:
                # A scenario fails at once without its cluster, instead of after its last timeout.
                self._stopped.set()
                executor.shutdown(wait=False, cancel_futures=True)
                for cluster in self._clusters:
                    cluster.shut_down()
                raise

    def collect_results(self, groups: Sequence[ScenarioGroup]) -> list[ScenarioResult]:
        """Return the results so far in the order of the matrix."""
        return [result for group in groups for result in self._results[id(group)]]

    @property
    def summary(self) -> str:
        """Command, seed, scale and duration of the run."""
        command = " ".join(["python -m chaos", *map(shlex.quote, sys.argv[1:])])
        seed, scale = self.options.seed, self.options.scale
        seconds = time.monotonic() - self.started_at
        return f"`{command}`, seed {seed}, scale {scale:g}, {seconds:.0f} s."

    def _run_group(self, group: ScenarioGroup, groups: Sequence[ScenarioGroup]) -> None:
        """Run one cluster's scenarios; leaks in its logs count for the last of them."""
        seed, scale = self.options.seed, self.options.scale
        with Cluster(group.spec, seed) as cluster:
            self._clusters.append(cluster)
            load = LoadGenerator(cluster, seed)
            for index, scenario in enumerate(group.scenarios):
                if self._stopped.is_set():
                    return
                result = run_scenario(scenario, cluster, load, seed, scale)
                if index == len(group.scenarios) - 1:
                    result = replace(result, others=(*result.others, *find_leaks(cluster)))
                self._record_result(group, result, groups)

    def _record_result(
        self, group: ScenarioGroup, result: ScenarioResult, groups: Sequence[ScenarioGroup]
    ) -> None:
        with self._lock:
            self._results[id(group)].append(result)
            _print_result(result)
            # Written after each scenario: an interrupted run keeps its results.
            if self.options.write:
                report.write_report(self.collect_results(groups), self.options.write, self.summary)


def _print_result(result: ScenarioResult) -> None:
    outcome = "ok" if not result.failure_count else f"{result.failure_count} VIOLATIONS"
    print(
        f"{result.system} {result.scenario}: {outcome}, {result.mentions} mentions,"
        f" {result.faults} faults, {result.seconds:.0f} s; {result.notes}",
        *dict.fromkeys((*result.others, *result.details[: report.MAX_SHOWN_VIOLATIONS])),
        *(result.leftovers[:MAX_LEFTOVER_LINES] if result.system == ClusterSpec().name else ()),
        sep="\n    ",
        flush=True,
    )


def _split_names(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(",") if name.strip())


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--list", action="store_true", help="list the scenarios and end")
    parser.add_argument(
        "--scenarios",
        default="",
        help="comma-separated names or aliases (default: all but the soak)",
    )
    parser.add_argument(
        "--systems", default="", help="StarChat, naive worker, stock RQ worker (default: all)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of all random numbers (default: %(default)s)"
    )
    parser.add_argument(
        "--scale", type=float, default=0.6, help="factor on question counts (default: %(default)s)"
    )
    parser.add_argument(
        "--clusters",
        type=int,
        default=2,
        help="clusters that run in parallel (default: %(default)s)",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=SOAK_MINUTES,
        help="length of the soak (default: %(default)s)",
    )
    parser.add_argument("--write", type=Path, help="Markdown file for the report; JSON beside it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
