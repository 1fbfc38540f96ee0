"""Comparison of two models: sums by thread, intervals, verdicts and tables."""

import numpy as np
import pytest

from finetune.evaluate.bootstrap import MIN_THREADS, Comparison, Interval, compare_ratios
from finetune.evaluate.metrics import METRICS, DialogueFigures, Metric, ReplyFigures, sum_threads
from finetune.evaluate.table import judge, render_markdown, render_text

pytestmark = pytest.mark.unit

BY_NAME = {metric.name: metric for metric in METRICS}
LOSS = BY_NAME["Validation loss"]
PARSES = BY_NAME["Share of those whose code parses"]
LENGTH = BY_NAME["Tokens per reply"]
CODE = ReplyFigures(
    tokens=10, has_code=True, is_parsed=True, safety_hints=2, name_hints=1, has_looped=False
)
TEXT = ReplyFigures(
    tokens=30, has_code=False, is_parsed=False, safety_hints=0, name_hints=0, has_looped=True
)


def test_sums_are_those_of_threads() -> None:
    """The loss is weighted by tokens; what a metric does not count has no denominator."""
    dialogues = [
        DialogueFigures("b", 6.0, 2, is_approved=True, reply=CODE),
        DialogueFigures("a", 9.0, 3, is_approved=False, reply=TEXT),
        DialogueFigures("b", 1.0, 5, is_approved=False, reply=None),
    ]

    sums = {metric.name: sum_threads(metric, dialogues).tolist() for metric in METRICS}

    assert sums == {
        "Validation loss": [[9, 3], [7, 7]],
        "Loss of replies approved by votes": [[0, 0], [6, 2]],
        "Share of replies with code": [[0, 1], [1, 1]],
        "Share of those whose code parses": [[0, 0], [1, 1]],
        "Hints about safety per reply": [[0, 1], [2, 1]],
        "Names to check per reply": [[0, 1], [1, 1]],
        "Tokens per reply": [[30, 1], [10, 1]],
        "Share of endless repetitions": [[1, 1], [0, 1]],
    }


def test_interval_of_a_clear_difference_excludes_zero() -> None:
    """The interval holds the known difference, and the same seed gives it again."""
    rng = np.random.default_rng(0)
    ones = np.ones(60)
    threads = np.stack([rng.normal(3, 1, 60), ones], 1)
    better = np.stack([threads[:, 0] - rng.normal(0.2, 0.1, 60), ones], 1)

    compared = compare_ratios(threads, better, 1)

    assert compared.interval is not None
    assert compared.interval.low < -0.2 < compared.interval.high < 0
    assert compared == compare_ratios(threads, better, 1)
    assert compared.interval != compare_ratios(threads, better, 2).interval
    # Without pairs, threads differ more than the models: no difference could be shown.
    unpaired = compare_ratios(threads, rng.permutation(better), 1).interval
    assert unpaired is not None
    assert not unpaired.excludes_zero


def test_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Of 30 comparisons of models without a difference, few show one."""
    rng = np.random.default_rng(3)
    shown = 0
    for _ in range(30):
        first, second = (np.stack([rng.normal(3, 1, 60), np.ones(60)], 1) for _ in range(2))
        interval = compare_ratios(first, second, 0).interval
        shown += interval is not None and interval.excludes_zero

    assert shown <= 5


def test_equal_sums_have_no_difference() -> None:
    """Also where a resample may draw no thread that counts."""
    sums = np.zeros((400, 2))
    sums[:MIN_THREADS] = 1

    assert compare_ratios(sums, sums, 0) == Comparison(1, 1, Interval(0, 0))


def test_too_few_threads_have_no_interval() -> None:
    """A value is shown where there is one."""
    few, none = np.ones((MIN_THREADS - 1, 2)), np.zeros((MIN_THREADS - 1, 2))

    assert compare_ratios(few, none, 0) == Comparison(1, None, None)


@pytest.mark.parametrize(
    ("metric", "interval", "verdict"),
    [
        (LOSS, Interval(-0.2, -0.1), "B is better"),
        (LOSS, Interval(0.1, 0.2), "A is better"),
        (LOSS, Interval(-0.1, 0.2), "no difference shown"),
        (LOSS, Interval(0, 0.2), "no difference shown"),
        (PARSES, Interval(0.1, 0.2), "B is better"),
        (PARSES, Interval(-0.2, -0.1), "A is better"),
        (PARSES, None, "too few to say"),
        (LENGTH, Interval(1, 2), "B is higher"),
        (LENGTH, Interval(-2, -1), "B is lower"),
    ],
)
def test_verdict_needs_an_interval_without_zero(
    metric: Metric, interval: Interval | None, verdict: str
) -> None:
    """The better model is the one with the lower loss, and the higher share of parsed code."""
    assert judge(metric, Comparison(1, 2, interval)) == verdict


def test_tables_have_a_row_for_each_metric() -> None:
    """What is missing is a dash."""
    results = [
        (LOSS, Comparison(1.25, 1.125, Interval(-0.2, -0.05))),
        (PARSES, Comparison(0.5, None, None)),
    ]

    assert render_text(results).splitlines() == [
        "Metric                            A     B      B − A, 95%     Verdict",
        "Validation loss                   1.25  1.125  -0.2 to -0.05  B is better",
        "Share of those whose code parses  0.5   –      –              too few to say",
    ]
    assert render_markdown(results).splitlines() == [
        "| Metric | A | B | B − A, 95% | Verdict |",
        "| --- | --- | --- | --- | --- |",
        "| Validation loss | 1.25 | 1.125 | -0.2 to -0.05 | B is better |",
        "| Share of those whose code parses | 0.5 | – | – | too few to say |",
    ]
