"""Entry point: runs a command, and prints an operator's mistake as one line."""

import importlib
import sys
from collections.abc import Sequence
from typing import Final

from finetune.console import tell_operator
from finetune.errors import FinetuneError

COMMANDS: Final = {
    "prepare": "Make training data of votes or of public dialogues.",
    "train": "Train a model on prepared data, by the recipe of StarChat's model card.",
    "evaluate": "Compare two models on held-out dialogues.",
    "functional": "Run code that models write, in containers.",
}
USAGE: Final = "usage: python -m finetune COMMAND …"
OPTIONS_HELP: Final = "`python -m finetune COMMAND --help` describes the options of a command."
HELP_OPTIONS: Final = frozenset({"-h", "--help"})
ERROR_EXIT_CODE: Final = 2


def main(arguments: Sequence[str]) -> int:
    """Run the command that the first argument names; return the exit status."""
    name = arguments[0] if arguments else ""
    if name in HELP_OPTIONS:
        commands = (f"  {name:<12}{text}" for name, text in COMMANDS.items())
        print("\n".join([USAGE, "", *commands, "", OPTIONS_HELP]))
        return 0
    if name not in COMMANDS:
        print(f"{USAGE}   COMMAND is one of: {', '.join(COMMANDS)}", file=sys.stderr)
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
