"""Verdicts on a container's output, which the code may have written, and the share that passes."""

import pytest

from finetune.functional.problems import Call, Problem, find_code, read_problems
from finetune.functional.verdicts import (
    MAX_OUTPUT_BYTES,
    ContainerRun,
    PassRate,
    Verdict,
    judge_run,
    measure_pass_rate,
)

PROBLEM = Problem(
    function="double",
    signature="x",
    task="It doubles a number.",
    calls=tuple(Call(arguments=(number,), result=2 * number) for number in range(3)),
)


def test_equal_results_pass() -> None:
    """A float that equals a whole number is right, as in Python."""
    assert judge_run(PROBLEM, ContainerRun(b"[[0], [2.0], [4]]")) is Verdict.PASSED
    assert judge_run(PROBLEM, ContainerRun(b"[[0], [2], [5]]")) is Verdict.WRONG
    assert judge_run(PROBLEM, ContainerRun(b"", is_timed_out=True)) is Verdict.TIMED_OUT


@pytest.mark.parametrize(
    ("output", "verdict"),
    [
        (b"", Verdict.FAILED),
        (b"passed", Verdict.FAILED),
        (b"\xff\xfe", Verdict.FAILED),
        (b'"passed"', Verdict.FAILED),
        (b'{"verdict": "passed"}', Verdict.FAILED),
        (b"[[0], [2]]", Verdict.FAILED),
        (b"[[0], [2], null]", Verdict.FAILED),
        (b"[[0], [2], [NaN]]", Verdict.FAILED),
        (b"[[0], [2], [4]]\n[[0], [2], [4]]", Verdict.FAILED),
        (b"[" * 100_000, Verdict.FAILED),
        (b"[" * 30_000 + b"]" * 30_000, Verdict.FAILED),
        (b"[[0], [2], [" + b"4" * 5000 + b"]]", Verdict.FAILED),
        (b" " * MAX_OUTPUT_BYTES + b"[[0], [2], [4]]", Verdict.FAILED),
        (b"[[0], [2], [[4]]]", Verdict.WRONG),
        (b'[[0], [2], ["4"]]', Verdict.WRONG),
        (b"[0, 2, 4]", Verdict.WRONG),
        (b"[[0, 0], [2], [4]]", Verdict.WRONG),
    ],
)
def test_other_output_never_passes(output: bytes, verdict: Verdict) -> None:
    """Words, odd numbers, deep lists, too much, and answers in another form."""
    assert judge_run(PROBLEM, ContainerRun(output)) is verdict


def test_interval_of_few_problems() -> None:
    """Wilson's interval, also where all or none pass."""

    def measure(passed: int) -> PassRate:
        verdicts = [Verdict.PASSED] * passed + [Verdict.WRONG] * (20 - passed)
        rate = measure_pass_rate(verdicts)
        return PassRate(*(round(value, 3) for value in rate))

    assert measure(10) == (0.5, 0.299, 0.701)
    assert measure(0) == (0, 0, 0.161)
    assert measure(20) == (1, 0.839, 1)


def test_first_block_with_the_function_counts() -> None:
    """Not an example, and no block without an end."""
    reply = "```python\ndouble(2)\n```\n```python\ndef double(x): return 2*x\n```"

    assert find_code(reply, "double") == "def double(x): return 2*x"
    assert find_code("No code.", "double") == ""
    assert find_code("```python\ndef double(x): return", "double") == ""


def test_problems_are_questions() -> None:
    """Each one names its function once."""
    problems = read_problems()

    assert len({problem.function for problem in problems}) == len(problems) == 20
    assert problems[0].question == (
        "Write a Python function `count_vowels(text)`. It returns how many of the letters a, e, i, "
        "o and u are in a text, in upper or lower case. Reply with the complete function in one "
        "code block."
    )
