"""Command `python -m bench engine`: its options, its plan and its output files."""

import argparse
from pathlib import Path
from typing import Final

from bench.engine import report, runner
from bench.engine.plot import draw_plot

REQUEST_COUNTS: Final = (1, 4, 8, 16, 32, 64)
SHARED_ENVIRONMENT_ENGINES: Final = tuple(
    name for name in runner.ENGINES if name not in runner.ISOLATED_ENGINES
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.add_argument(
        "--rounds",
        type=int,
        default=3,
        help="rounds, of which the table shows medians (default: %(default)s)",
    )
    parser.add_argument(
        "--requests",
        type=int,
        nargs="*",
        default=REQUEST_COUNTS,
        metavar="N",
        help="numbers of requests that arrive at once (default: 1 4 8 16 32 64)",
    )
    parser.add_argument(
        "--poisson",
        type=int,
        nargs="*",
        default=(16,),
        metavar="N",
        help="numbers of requests that arrive as a Poisson stream (default: 16)",
    )
    parser.add_argument("--no-threads", action="store_true", help="skip threads of several turns")
    parser.add_argument(
        "--engines",
        nargs="+",
        choices=SHARED_ENVIRONMENT_ENGINES,
        default=SHARED_ENVIRONMENT_ENGINES,
        metavar="NAME",
        help=f"engines to run (default: {' '.join(SHARED_ENVIRONMENT_ENGINES)})",
    )
    parser.add_argument(
        "--extra-engines",
        dest="extra",
        nargs="+",
        choices=runner.ISOLATED_ENGINES,
        default=(),
        metavar="NAME",
        help=f"engines with an environment of their own: {' '.join(runner.ISOLATED_ENGINES)}",
    )
    parser.add_argument(
        "--dtype",
        choices=runner.FORMAT_ENGINES,
        default="float32",
        help="number format of all engines; those that lack it are left out (default: %(default)s)",
    )
    parser.add_argument("--output", type=Path, help="directory for engine.md and engine.svg")
    parser.add_argument(
        "--quick", action="store_true", help="use a tiny model, to check that everything runs"
    )
    parser.add_argument(
        "--starchat", action="store_true", help="our engine only, with StarChat's geometry on a GPU"
    )


def main(options: argparse.Namespace) -> str:
    """Run the benchmark and return its tables."""
    if options.starchat:
        from bench.engine import starchat  # noqa: PLC0415 - torch is not needed elsewhere

        return starchat.main()
    plan = build_plan(options)
    selected = {*options.engines, *options.extra}
    notes = describe_format(plan.dtype, selected - {*runner.FORMAT_ENGINES[plan.dtype]})
    results = runner.run_plan(plan)
    text = "\n\n".join([*notes, report.render_report(results)])
    if options.output is not None:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "engine.md").write_text(text + "\n", "utf-8")
        (options.output / "engine.svg").write_text(draw_plot(results), "utf-8")
    return text


def build_plan(options: argparse.Namespace) -> runner.BenchmarkPlan:
    """Return the plan that the options describe."""
    if options.quick:
        return runner.BenchmarkPlan(
            ("pipeline", "ours"), (1, 2), (2,), include_threads=True, rounds=1, use_tiny_model=True
        )
    selected = {*options.engines, *options.extra} & {*runner.FORMAT_ENGINES[options.dtype]}
    return runner.BenchmarkPlan(
        tuple(name for name in runner.ENGINES if name in selected),
        tuple(options.requests),
        tuple(options.poisson),
        include_threads=not options.no_threads,
        rounds=options.rounds,
        dtype=options.dtype,
    )


def describe_format(dtype: str, left_out: set[str]) -> list[str]:
    """Return a line if the processor lacks the number format, and one for engines that do."""
    # The plan itself needs no torch.
    from worker.engine.loading.cpu_linear import has_native_bfloat16, has_vnni  # noqa: PLC0415

    notes = []
    is_native = {"bfloat16": has_native_bfloat16, "int8": has_vnni}.get(dtype, lambda: True)
    if not is_native():
        notes.append(
            f"This processor has no instructions for {dtype}; here is what its engines do without."
        )
    if left_out:
        notes.append(f"Left out, without {dtype}: {', '.join(sorted(left_out))}.")
    return notes
