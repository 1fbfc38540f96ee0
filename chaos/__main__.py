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
from chaos.cluster.cluster import Cast, Stage
from chaos.load import Crowd
from chaos.matrix import MINUTES, Act, chosen
from chaos.scenario import Result, leaks, play

REMAINS: Final = 60
"""Lines that are shown of what is known of questions without a reply."""


def main() -> int:
    """Play what the command line names and print the table."""
    given = _parser().parse_args()
    # Told to end, all processes of the stage end too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    rows, players = _named(given.rows), _named(given.players)
    acts = chosen(rows, players, given.minutes)
    if not acts:
        print("chaos: no such row", file=sys.stderr)
        return 2
    run = Run(given)
    run.play(acts)
    results = run.results(acts)
    print(f"\n{run.head}\n\n{report.markdown(results)}\n{report.violations(results)}")
    return int(any(result.broken for result in results if result.player == Cast().name))


@dataclass(slots=True)
class Run:
    """One run of the matrix, and what has come of it so far."""

    given: argparse.Namespace
    began: float = field(default_factory=time.monotonic)
    _stages: list[Stage] = field(default_factory=list)
    _found: defaultdict[int, list[Result]] = field(default_factory=lambda: defaultdict(list))
    _alone: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)

    def play(self, acts: Sequence[Act]) -> None:
        """Play first what is measured alone, then the other stages, some of them side by side."""
        for cast in {act.cast for act in acts}:
            cast.model()
        for act in acts:
            if act.alone:
                self._played(act, acts)
        with ThreadPoolExecutor(self.given.stages, thread_name_prefix="stage") as players:
            beside = [act for act in acts if not act.alone]
            playing = {players.submit(self._played, act, acts) for act in beside}
            try:
                done, _ = wait(playing, return_when=FIRST_EXCEPTION)
                for one in done:
                    one.result()
            except BaseException:
                # A row whose stage is gone ends at once, instead of after its last wait.
                self._over.set()
                players.shutdown(wait=False, cancel_futures=True)
                for stage in self._stages:
                    stage.close()
                raise

    def results(self, acts: Sequence[Act]) -> list[Result]:
        """Return what has come of the rows so far, in the order of the matrix."""
        return [result for act in acts for result in self._found[id(act)]]

    @property
    def head(self) -> str:
        """How this run was started, and how long it took."""
        command = " ".join(["python -m chaos", *map(shlex.quote, sys.argv[1:])])
        seed, scale = self.given.seed, self.given.scale
        seconds = time.monotonic() - self.began
        return f"`{command}`, seed {seed}, scale {scale:g}, {seconds:.0f} s."

    def _played(self, act: Act, acts: Sequence[Act]) -> None:
        """Play one stage's rows; what its logs leaked goes to the account of the last."""
        seed, scale = self.given.seed, self.given.scale
        with Stage(act.cast, seed) as stage:
            self._stages.append(stage)
            crowd = Crowd(stage, seed)
            for place, row in enumerate(act.rows):
                if self._over.is_set():
                    return
                result = play(row, stage, crowd, seed, scale)
                if place == len(act.rows) - 1:
                    result = replace(result, others=(*result.others, *leaks(stage)))
                self._note(act, result, acts)

    def _note(self, act: Act, result: Result, acts: Sequence[Act]) -> None:
        with self._alone:
            self._found[id(act)].append(result)
            _say(result)
            # After each row, for a run may be ended before its end.
            if self.given.write:
                report.write(self.results(acts), self.given.write, self.head)


def _say(result: Result) -> None:
    how = "ok" if not result.broken else f"BROKEN {result.broken}"
    print(
        f"{result.player} {result.row}: {how}, {result.mentions} mentions, {result.faults} faults,"
        f" {result.seconds:.0f} s; {result.notes}",
        *dict.fromkeys((*result.others, *result.details[: report.SHOWN])),
        *(result.remains[:REMAINS] if result.player == Cast().name else ()),
        sep="\n    ",
        flush=True,
    )


def _named(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(",") if name.strip())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--rows", default="", help="names of rows with commas; all by default")
    parser.add_argument("--players", default="", help="StarChat, naive worker, stock RQ worker")
    parser.add_argument("--seed", type=int, default=1, help="of everything left to the dice")
    parser.add_argument("--scale", type=float, default=0.6, help="how many questions, relatively")
    parser.add_argument("--stages", type=int, default=2, help="how many are played side by side")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of the soak, row L2")
    parser.add_argument("--write", type=Path, help="where to write the table; JSON beside it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
