"""Entry point: runs a command, and prints an operator's mistake as one line."""

import importlib
import sys
from collections.abc import Sequence
from typing import Final

from finetune.console import tell_operator
from finetune.errors import FinetuneError

COMMANDS: Final = ("prepare", "train", "evaluate", "functional")
USAGE: Final = f"usage: python -m finetune {'|'.join(COMMANDS)} …   (--help describes them)"
ERROR_EXIT_CODE: Final = 2


def main(arguments: Sequence[str]) -> int:
    """Run the command that the first argument names; return the exit status."""
    name = arguments[0] if arguments else ""
    if name not in COMMANDS:
        print(USAGE, file=sys.stderr)
        return ERROR_EXIT_CODE
    # Not each command needs torch, which takes seconds to import.
    command = importlib.import_module(f"finetune.{name}.command")
    try:
        getattr(command, f"run_{name}")(arguments[1:])
    except FinetuneError as error:
        tell_operator(str(error))
        return ERROR_EXIT_CODE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
