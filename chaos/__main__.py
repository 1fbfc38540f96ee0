"""Plays the kill matrix: `python -m chaos`; exit status 1 where a promise was broken."""

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
from chaos.matrix import SOAK_MINUTES, ScenarioGroup, select_groups
from chaos.scenario import ScenarioResult, find_leaks, run_scenario

MAX_LEFTOVER_LINES: Final = 60
"""Lines that are shown of what is known of questions without a reply."""


def main() -> int:
    """Play what the command line names and print the table."""
    options = _build_parser().parse_args()
    # Told to end, all processes of the stage end too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    scenario_names, system_names = _split_names(options.rows), _split_names(options.players)
    groups = select_groups(scenario_names, system_names, options.minutes)
    if not groups:
        print("chaos: no such row", file=sys.stderr)
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
    """One run of the matrix, and what has come of it so far."""

    options: argparse.Namespace
    started_at: float = field(default_factory=time.monotonic)
    _clusters: list[Cluster] = field(default_factory=list)
    _results: defaultdict[int, list[ScenarioResult]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def run_groups(self, groups: Sequence[ScenarioGroup]) -> None:
        """Play first what is measured alone, then the other stages, some of them side by side."""
        for spec in {group.spec for group in groups}:
            spec.build_model()
        for act in groups:
            if act.exclusive:
                self._run_group(act, groups)
        with ThreadPoolExecutor(self.options.stages, thread_name_prefix="stage") as executor:
            concurrent = [act for act in groups if not act.exclusive]
            futures = {executor.submit(self._run_group, act, groups) for act in concurrent}
            try:
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
            except BaseException:
                # A row whose stage is gone ends at once, instead of after its last wait.
                self._stopped.set()
                executor.shutdown(wait=False, cancel_futures=True)
                for cluster in self._clusters:
                    cluster.shut_down()
                raise

    def collect_results(self, groups: Sequence[ScenarioGroup]) -> list[ScenarioResult]:
        """Return what has come of the rows so far, in the order of the matrix."""
        return [result for group in groups for result in self._results[id(group)]]

    @property
    def summary(self) -> str:
        """How this run was started, and how long it took."""
        command = " ".join(["python -m chaos", *map(shlex.quote, sys.argv[1:])])
        seed, scale = self.options.seed, self.options.scale
        seconds = time.monotonic() - self.started_at
        return f"`{command}`, seed {seed}, scale {scale:g}, {seconds:.0f} s."

    def _run_group(self, group: ScenarioGroup, groups: Sequence[ScenarioGroup]) -> None:
        """Play one stage's rows; what its logs leaked goes to the account of the last."""
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
            # After each row, for a run may be ended before its end.
            if self.options.write:
                report.write_report(self.collect_results(groups), self.options.write, self.summary)


def _print_result(result: ScenarioResult) -> None:
    outcome = "ok" if not result.failure_count else f"BROKEN {result.failure_count}"
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
    parser.add_argument("--rows", default="", help="names of rows with commas; all by default")
    parser.add_argument("--players", default="", help="StarChat, naive worker, stock RQ worker")
    parser.add_argument("--seed", type=int, default=1, help="of everything left to the dice")
    parser.add_argument("--scale", type=float, default=0.6, help="how many questions, relatively")
    parser.add_argument("--stages", type=int, default=2, help="how many are played side by side")
    parser.add_argument("--minutes", type=float, default=SOAK_MINUTES, help="of the soak, row L2")
    parser.add_argument("--write", type=Path, help="where to write the table; JSON beside it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
