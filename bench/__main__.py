"""Chooses a benchmark: `python -m bench replies`."""

import argparse

from bench import replies


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    measured = commands.add_parser("replies", help=replies.__doc__)
    measured.add_argument("--runs", type=int, default=3, help="how often; medians are shown")
    measured.add_argument("--burst", type=int, default=100, help="mentions sent at once")
    measured.add_argument("--single", type=int, default=20, help="mentions sent one by one")
    chosen = parser.parse_args()
    print(replies.table([replies.run(chosen.burst, chosen.single) for _ in range(chosen.runs)]))


if __name__ == "__main__":
    main()
