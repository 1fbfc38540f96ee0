"""Numbers in the options of a command. Pure."""

import argparse
from collections.abc import Callable


def bound_number(
    kind: Callable[[str], float], minimum: float, maximum: float
) -> Callable[[str], float]:
    """Return a parser of numbers from `minimum` to `maximum`, for argparse."""

    def parse_number(text: str) -> float:
        number = kind(text)
        if not minimum <= number <= maximum:
            raise argparse.ArgumentTypeError(f"not from {minimum} to {maximum}")
        return number

    return parse_number
