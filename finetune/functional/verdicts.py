"""Verdicts on code that ran in a container, and the share that passes. Pure."""

import json
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from math import sqrt
from typing import Any, Final, NamedTuple, NoReturn

from finetune.functional.problems import Problem

MAX_OUTPUT_BYTES: Final = 64 * 1024
"""Bytes of a container's output; more is no answer."""
NORMAL_QUANTILE: Final = 1.96
"""Standard deviations on each side that hold 95 %."""


class Verdict(StrEnum):
    """What became of the code of one reply."""

    PASSED = "passed"
    WRONG = "wrong result"
    FAILED = "error, or no results"
    TIMED_OUT = "too slow"
    NO_CODE = "no code"


class ContainerRun(NamedTuple):
    """The end of a container: its output, and whether its time ran out."""

    output: bytes
    is_timed_out: bool = False


class PassRate(NamedTuple):
    """A share of problems, and the ends of its interval."""

    share: float
    low: float
    high: float


def judge_run(problem: Problem, run: ContainerRun) -> Verdict:
    """
    Compare what a container wrote with the expected results.

    The code may have written it: it is data, of which only equality with the results counts.
    As in Python, 1, 1.0 and true are equal.
    """
    if run.is_timed_out:
        return Verdict.TIMED_OUT
    results = _parse_results(run.output)
    if results is None or len(results) != len(problem.calls) or None in results:
        return Verdict.FAILED
    is_right = results == [[call.result] for call in problem.calls]
    return Verdict.PASSED if is_right else Verdict.WRONG


def measure_pass_rate(verdicts: Sequence[Verdict]) -> PassRate:
    """
    Return pass@1: the share of problems whose one reply passes, with Wilson's interval of 95 %.

    Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927. It holds
    for few problems too, and for shares near 0 and 1.
    """
    total = len(verdicts)
    share = Counter(verdicts)[Verdict.PASSED] / total
    squared = NORMAL_QUANTILE**2
    center = (share + squared / (2 * total)) / (1 + squared / total)
    margin = sqrt(share * (1 - share) / total + squared / (4 * total**2))
    margin *= NORMAL_QUANTILE / (1 + squared / total)
    return PassRate(share, max(0.0, center - margin), min(1.0, center + margin))


def _parse_results(output: bytes) -> list[Any] | None:
    """Return a list from JSON without odd numbers; `None` for anything else."""
    if len(output) > MAX_OUTPUT_BYTES:
        return None
    try:
        parsed = json.loads(output, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, list) else None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
