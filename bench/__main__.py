"""Chooses a benchmark: `python -m bench replies`, `python -m bench line`, …."""

import argparse
from collections.abc import Sequence

from bench.engine import command


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    replies = commands.add_parser("replies", help="everything around the model")
    replies.add_argument("--runs", type=int, default=3, help="how often; medians are shown")
    replies.add_argument("--burst", type=int, default=100, help="mentions sent at once")
    replies.add_argument("--single", type=int, default=20, help="mentions sent one by one")
    queue_wait = commands.add_parser("line", help="how far off the wait is that people are told")
    queue_wait.add_argument("--questions", type=int, default=40, help="questions of one rush")
    engine = commands.add_parser("engine", help="our engine beside other ones, on one core")
    command.options(engine)
    speculation = commands.add_parser("speculation", help="what drafting saves and costs, on a CPU")
    speculation.add_argument("--rounds", type=int, default=3, help="how often; medians are shown")
    chosen = parser.parse_args(arguments)
    tables = {
        "replies": _replies,
        "line": _line,
        "engine": command.main,
        "speculation": _speculation,
    }
    print(tables[chosen.command](chosen))


def _replies(chosen: argparse.Namespace) -> str:
    from bench import replies  # noqa: PLC0415 - each needs libraries that the other one does not

    return replies.table([replies.run(chosen.burst, chosen.single) for _ in range(chosen.runs)])


def _line(chosen: argparse.Namespace) -> str:
    from bench import queue_wait  # noqa: PLC0415

    return queue_wait.table(queue_wait.run(chosen.questions))


def _speculation(chosen: argparse.Namespace) -> str:
    from bench import speculation  # noqa: PLC0415

    return speculation.table(speculation.run(chosen.rounds))


if __name__ == "__main__":
    main()
