"""A few rows of the kill matrix at a small scale; `make chaos` plays all of them."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from chaos.cluster.cluster import Cast, Stage
from chaos.load import Crowd
from chaos.matrix import NAIVE
from chaos.scenario import Result, Row, leaks, play
from chaos.scenarios import (
    bot_failures,
    mixed_faults,
    redis_failures,
    slack_api_failures,
    worker_failures,
)

SEED = 1
SCALE = 0.3
pytestmark = [pytest.mark.timeout(300), pytest.mark.repeats]

Play = Callable[[Row], Result]
ROWS = {
    row.name: row
    for row in (
        *bot_failures.ONE_BOT,
        *redis_failures.ROWS,
        *worker_failures.AT_POINTS,
        *slack_api_failures.ROWS,
    )
}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """One stage for all rows here, with a wire to Redis that may break."""
    with Stage(Cast(proxied=True, workers=2), SEED) as running:
        yield running


@pytest.fixture(scope="module")
def playing(stage: Stage) -> Play:
    """Plays a row on it."""
    crowd = Crowd(stage, SEED)
    return lambda row: play(row, stage, crowd, SEED, SCALE)


@pytest.mark.parametrize(
    "name", ["B1", pytest.param("B2", marks=pytest.mark.slow), "W4", "R1", "S3"]
)
def test_every_question_is_answered_once(playing: Play, name: str) -> None:
    """Whatever dies: one reply or one error, in its place, in the order asked."""
    result = playing(ROWS[name])

    assert result.mentions >= 10
    assert result.faults > 0
    assert not result.broken, result


def test_everything_goes_wrong_at_once(playing: Play, stage: Stage) -> None:
    """Bots, workers and Redis die while Slack fails and repeats itself; and no log says a word."""
    result = playing(mixed_faults.ROW)

    assert not result.broken, result
    assert leaks(stage) == ()


def test_the_same_rows_show_what_a_naive_worker_does() -> None:
    """A harness that finds nothing in a bot without any care would find nothing anywhere."""
    with Stage(replace(NAIVE, patience=5.0), SEED) as stage:
        result = play(slack_api_failures.UNSURE, stage, Crowd(stage, SEED), SEED, SCALE)

    assert result.doubled + result.missing > 0
