"""A few rows of the kill matrix at a small scale; `make chaos` plays all of them."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from chaos.cluster.cluster import Cluster, ClusterSpec
from chaos.load import LoadGenerator
from chaos.matrix import NAIVE_WORKER
from chaos.scenario import Scenario, ScenarioResult, find_leaks, run_scenario
from chaos.scenarios import (
    bot_failures,
    mixed_faults,
    redis_failures,
    slack_api_failures,
    worker_failures,
)

SEED = 1
QUESTION_SCALE = 0.3
pytestmark = [pytest.mark.timeout(300), pytest.mark.repeats]

RunScenario = Callable[[Scenario], ScenarioResult]
SCENARIOS = {
    row.name: row
    for row in (
        *bot_failures.ONE_BOT_SCENARIOS,
        *redis_failures.REDIS_FAILURES,
        *worker_failures.FAILPOINT_SCENARIOS,
        *slack_api_failures.SLACK_API_FAILURES,
    )
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One stage for all rows here, with a wire to Redis that may break."""
    with Cluster(ClusterSpec(with_redis_proxy=True, worker_count=2), SEED) as running:
        yield running


@pytest.fixture(scope="module")
def run_on_cluster(cluster: Cluster) -> RunScenario:
    """Plays a row on it."""
    load = LoadGenerator(cluster, SEED)
    return lambda row: run_scenario(row, cluster, load, SEED, QUESTION_SCALE)


@pytest.mark.parametrize(
    "name", ["B1", pytest.param("B2", marks=pytest.mark.slow), "W4", "R1", "S3"]
)
def test_every_question_is_answered_once(run_on_cluster: RunScenario, name: str) -> None:
    """Whatever dies: one reply or one error, in its place, in the order asked."""
    result = run_on_cluster(SCENARIOS[name])

    assert result.mentions >= 10
    assert result.faults > 0
    assert not result.failure_count, result


def test_every_question_is_answered_once_with_all_faults_at_once(
    run_on_cluster: RunScenario, cluster: Cluster
) -> None:
    """Bots, workers and Redis die while Slack fails and repeats itself; and no log says a word."""
    result = run_on_cluster(mixed_faults.EVERYTHING_AT_ONCE)

    assert not result.failure_count, result
    assert find_leaks(cluster) == ()


def test_naive_worker_fails_the_same_scenario() -> None:
    """A harness that finds nothing in a bot without any care would find nothing anywhere."""
    with Cluster(replace(NAIVE_WORKER, reply_timeout_seconds=5.0), SEED) as cluster:
        result = run_scenario(
            slack_api_failures.CONNECTIONS_CUT,
            cluster,
            LoadGenerator(cluster, SEED),
            SEED,
            QUESTION_SCALE,
        )

    assert result.doubled + result.missing > 0
