"""Options of a command: their help, their numbers, and one line for a wrong one. Pure."""

import argparse
from collections.abc import Callable
from typing import NoReturn

from finetune.errors import FinetuneError


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Formatter that shows the defaults of those options that have one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        has_default = action.default not in {None, ""}
        return super()._get_help_string(action) if has_default else action.help


class OptionParser(argparse.ArgumentParser):
    """Parser whose error is one line. Its methods raise `FinetuneError` instead of an exit."""

    def __init__(self, command: str, description: str) -> None:
        """Parse the options of `python -m finetune COMMAND`."""
        super().__init__(
            prog=f"python -m finetune {command}",
            description=description,
            formatter_class=_HelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Raise `FinetuneError` with argparse's reason."""
        raise FinetuneError(f"{message}; `{self.prog} --help` describes all options")


def bound_number(
    kind: Callable[[str], float], minimum: float, maximum: float
) -> Callable[[str], float]:
    """Return a parser of numbers from `minimum` to `maximum`, for argparse."""

    def parse_number(text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
        if not minimum <= number <= maximum:
            raise argparse.ArgumentTypeError(f"{text!r} is not from {minimum} to {maximum}")
        return number

    return parse_number
