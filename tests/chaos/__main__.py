"""Plays the kill matrix: `python -m tests.chaos`; exit status 1 where a promise was broken."""

import argparse
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.chaos import table
from tests.chaos.asking import Crowd
from tests.chaos.row import Result, leaks, play
from tests.chaos.rows import Act, chosen
from tests.chaos.stage import Cast, Stage

REMAINS = 60
"""Lines that are shown of what is known of questions without a reply."""


def main() -> int:
    """Play what the command line names and print the table."""
    given = _parser().parse_args()
    # Told to end, all processes of the stage end too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    rows, players = _named(given.rows), _named(given.players)
    acts = chosen(rows, players)
    if not acts:
        print("chaos: no such row", file=sys.stderr)  # noqa: T201
        return 2
    results: list[Result] = []
    began = time.monotonic()
    for act in acts:
        for result in played(act, given.seed, given.scale):
            results.append(result)
            # After each row, for a run may be ended before its end.
            if given.write:
                table.write(results, given.write, _head(given, began))
    print(f"\n{_head(given, began)}\n\n{table.markdown(results)}\n{table.violations(results)}")  # noqa: T201
    return int(any(result.broken for result in results if result.player == Cast().name))


def _head(given: argparse.Namespace, began: float) -> str:
    command = " ".join(["python -m tests.chaos", *map(shlex.quote, sys.argv[1:])])
    seconds = time.monotonic() - began
    return f"`{command}`, seed {given.seed}, scale {given.scale:g}, {seconds:.0f} s."


def played(act: Act, seed: int, scale: float) -> Iterator[Result]:
    """Play one stage's rows; what its logs leaked goes to the account of the last."""
    with Stage(act.cast, seed) as stage:
        crowd = Crowd(stage, seed)
        for place, row in enumerate(act.rows):
            result = play(row, stage, crowd, seed, scale)
            if place == len(act.rows) - 1:
                result = replace(result, others=(*result.others, *leaks(stage)))
            _say(result)
            yield result


def _say(result: Result) -> None:
    how = "ok" if not result.broken else f"BROKEN {result.broken}"
    print(  # noqa: T201
        f"{result.player} {result.row}: {how}, {result.mentions} mentions, {result.faults} faults,"
        f" {result.seconds:.0f} s; {result.notes}",
        *dict.fromkeys((*result.others, *result.details[: table.SHOWN])),
        *(result.remains[:REMAINS] if result.player == Cast().name else ()),
        sep="\n    ",
        flush=True,
    )


def _named(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(",") if name.strip())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rows", default="", help="names of rows with commas; all by default")
    parser.add_argument("--players", default="", help="StarChat, naive worker, stock RQ worker")
    parser.add_argument("--seed", type=int, default=1, help="of everything left to the dice")
    parser.add_argument("--scale", type=float, default=0.6, help="how many questions, relatively")
    parser.add_argument("--write", type=Path, help="where to write the table; JSON beside it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
