"""`python -m bench engine`: what it can be told, and what it writes."""

import argparse
from pathlib import Path
from typing import Final

from bench.engine import report, runner
from bench.engine.plot import plot

COUNTS: Final = (1, 4, 8, 16, 32, 64)
SHARED: Final = tuple(peer for peer in runner.PEERS if peer not in runner.OWN_ENVIRONMENT)


def options(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--rounds", type=int, default=3, help="how often; medians are shown")
    parser.add_argument(
        "--requests", type=int, nargs="*", default=COUNTS, help="requests that arrive at once"
    )
    parser.add_argument(
        "--poisson", type=int, nargs="*", default=(16,), help="requests that come as a stream"
    )
    parser.add_argument("--no-threads", action="store_true", help="leave out threads of turns")
    parser.add_argument("--peers", nargs="+", choices=SHARED, default=SHARED)
    parser.add_argument(
        "--with",
        dest="extra",
        nargs="+",
        choices=runner.OWN_ENVIRONMENT,
        default=(),
        help="peers in an environment of their own, which is set up once",
    )
    parser.add_argument("--to", type=Path, help="a folder for engine.md and engine.svg")
    parser.add_argument("--quick", action="store_true", help="a tiny model: does it all run?")
    parser.add_argument(
        "--starchat", action="store_true", help="StarChat's geometry on a GPU, ours alone"
    )


def main(chosen: argparse.Namespace) -> str:
    """Play and return the tables."""
    if chosen.starchat:
        from bench.engine import starchat  # noqa: PLC0415 - torch is not needed elsewhere

        return starchat.main()
    found = runner.run(plan(chosen))
    written = report.tables(found)
    if chosen.to is not None:
        chosen.to.mkdir(parents=True, exist_ok=True)
        (chosen.to / "engine.md").write_text(written + "\n", "utf-8")
        (chosen.to / "engine.svg").write_text(plot(found), "utf-8")
    return written


def plan(chosen: argparse.Namespace) -> runner.Plan:
    """Return what is to be played."""
    if chosen.quick:
        return runner.Plan(("pipeline", "ours"), (1, 2), (2,), threads=True, rounds=1, tiny=True)
    wanted = {*chosen.peers, *chosen.extra}
    return runner.Plan(
        tuple(peer for peer in runner.PEERS if peer in wanted),
        tuple(chosen.requests),
        tuple(chosen.poisson),
        threads=not chosen.no_threads,
        rounds=chosen.rounds,
    )
