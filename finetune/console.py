"""Lines for the operator on stderr, by the first of several processes alone."""

import os
import sys


def is_main_process() -> bool:
    """Whether this is the only process of a command, or the first one of a training."""
    return os.environ.get("RANK", "0") == "0"


def tell_operator(sentence: str) -> None:
    """Print a line."""
    if is_main_process():
        print(f"finetune: {sentence}", file=sys.stderr)
