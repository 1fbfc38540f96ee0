"""
Fault scenarios on real processes at a small scale.

The fast run plays one. The others are marked slow; `make chaos` runs the whole matrix.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from chaos.cluster.cluster import Cluster, ClusterSpec
from chaos.load import LoadGenerator
from chaos.matrix import NAIVE_WORKER, list_scenarios
from chaos.scenario import Scenario, ScenarioResult, find_leaks, run_scenario
from chaos.scenarios import mixed_faults, slack_api_failures

SEED = 1
QUESTION_SCALE = 0.3
pytestmark = [pytest.mark.repeats]

RunScenario = Callable[[Scenario], ScenarioResult]
SCENARIOS = {scenario.name: scenario for scenario in list_scenarios()}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Start one cluster with a Redis proxy for all scenarios here."""
    with Cluster(ClusterSpec(with_redis_proxy=True, worker_count=2), SEED) as running:
        yield running


@pytest.fixture(scope="module")
def run_on_cluster(cluster: Cluster) -> RunScenario:
    """Return a function that runs a scenario on the cluster."""
    load = LoadGenerator(cluster, SEED)
    return lambda scenario: run_scenario(scenario, cluster, load, SEED, QUESTION_SCALE)


def test_all_faults_at_once_violate_no_invariant(
    run_on_cluster: RunScenario, cluster: Cluster
) -> None:
    """Bots, workers and Redis are killed while Slack fails; no log holds a message text."""
    result = run_on_cluster(mixed_faults.EVERYTHING_AT_ONCE)

    assert not result.failure_count, result
    assert find_leaks(cluster) == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "bot-killed-before-enqueue",
        "bot-killed-before-acknowledgement",
        "worker-killed-while-generating",
        "redis-killed-repeatedly",
        "slack-connections-cut",
    ],
)
def test_single_fault_violates_no_invariant(run_on_cluster: RunScenario, name: str) -> None:
    """Each question has one reply or error, in its thread, in order."""
    result = run_on_cluster(SCENARIOS[name])

    assert result.mentions >= 10
    assert result.faults > 0
    assert not result.failure_count, result


@pytest.mark.slow
def test_naive_worker_violates_invariants_in_the_same_scenario() -> None:
    """The scenario and the checker find the faults of a bot without safeguards."""
    with Cluster(replace(NAIVE_WORKER, reply_timeout_seconds=5.0), SEED) as cluster:
        result = run_scenario(
            slack_api_failures.CONNECTIONS_CUT,
            cluster,
            LoadGenerator(cluster, SEED),
            SEED,
            QUESTION_SCALE,
        )

    assert result.duplicated + result.missing > 0
