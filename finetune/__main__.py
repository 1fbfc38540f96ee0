"""Entry point: runs a command, and prints an operator's mistake as one line."""

import sys
from collections.abc import Callable, Sequence
from typing import Final

from finetune.errors import FinetuneError
from finetune.prepare.command import run_prepare

USAGE: Final = "usage: python -m finetune prepare …   (--help describes it)"
ERROR_EXIT_CODE: Final = 2


def main(arguments: Sequence[str]) -> int:
    """Run the command that the first argument names; return the exit status."""
    run = COMMANDS.get(arguments[0] if arguments else "")
    if run is None:
        print(USAGE, file=sys.stderr)
        return ERROR_EXIT_CODE
    try:
        run(arguments[1:])
    except FinetuneError as error:
        print(f"finetune: {error}", file=sys.stderr)
        return ERROR_EXIT_CODE
    return 0


COMMANDS: Final[dict[str, Callable[[Sequence[str]], None]]] = {"prepare": run_prepare}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
