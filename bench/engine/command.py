"""`python -m bench engine`: what it can be told, and what it writes."""

import argparse
from pathlib import Path
from typing import Final

from bench.engine import report, runner
from bench.engine.plot import draw_plot

REQUEST_COUNTS: Final = (1, 4, 8, 16, 32, 64)
SHARED_ENVIRONMENT_ENGINES: Final = tuple(
    peer for peer in runner.ENGINES if peer not in runner.ISOLATED_ENGINES
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--rounds", type=int, default=3, help="how often; medians are shown")
    parser.add_argument(
        "--requests",
        type=int,
        nargs="*",
        default=REQUEST_COUNTS,
        help="requests that arrive at once",
    )
    parser.add_argument(
        "--poisson", type=int, nargs="*", default=(16,), help="requests that come as a stream"
    )
    parser.add_argument("--no-threads", action="store_true", help="leave out threads of turns")
    parser.add_argument(
        "--engines",
        nargs="+",
        choices=SHARED_ENVIRONMENT_ENGINES,
        default=SHARED_ENVIRONMENT_ENGINES,
    )
    parser.add_argument(
        "--extra-engines",
        dest="extra",
        nargs="+",
        choices=runner.ISOLATED_ENGINES,
        default=(),
        help="peers in an environment of their own, which is set up once",
    )
    parser.add_argument("--output", type=Path, help="a folder for engine.md and engine.svg")
    parser.add_argument("--quick", action="store_true", help="a tiny model: does it all run?")
    parser.add_argument(
        "--starchat", action="store_true", help="StarChat's geometry on a GPU, ours alone"
    )


def main(options: argparse.Namespace) -> str:
    """Play and return the tables."""
    if options.starchat:
        from bench.engine import starchat  # noqa: PLC0415 - torch is not needed elsewhere

        return starchat.main()
    results = runner.run_plan(build_plan(options))
    text = report.render_report(results)
    if options.output is not None:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "engine.md").write_text(text + "\n", "utf-8")
        (options.output / "engine.svg").write_text(draw_plot(results), "utf-8")
    return text


def build_plan(options: argparse.Namespace) -> runner.BenchmarkPlan:
    """Return what is to be played."""
    if options.quick:
        return runner.BenchmarkPlan(
            ("pipeline", "ours"), (1, 2), (2,), include_threads=True, rounds=1, use_tiny_model=True
        )
    selected = {*options.engines, *options.extra}
    return runner.BenchmarkPlan(
        tuple(peer for peer in runner.ENGINES if peer in selected),
        tuple(options.requests),
        tuple(options.poisson),
        include_threads=not options.no_threads,
        rounds=options.rounds,
    )
