"""Matrix of the scenarios and of the clusters on which they run."""

from dataclasses import dataclass, replace
from typing import Final

from chaos.cluster.cluster import ClusterSpec
from chaos.scenario import Scenario
from chaos.scenarios import (
    app_refusals,
    asks,
    bot_failures,
    clock_skew,
    engine_failures,
    hard_threads,
    identical_questions,
    mixed_faults,
    overload,
    pointers,
    poison_jobs,
    redis_failures,
    resource_limits,
    reworks,
    slack_api_failures,
    slack_unreachable,
    slow_reads,
    soak,
    startup,
    stops,
    votes,
    worker_failures,
)
from testing.checkpoints import long_bigcode

Scenarios = tuple[Scenario, ...]


@dataclass(frozen=True, slots=True)
class ScenarioGroup:
    """Scenarios that run on one cluster, one after the other."""

    spec: ClusterSpec
    scenarios: Scenarios
    exclusive: bool = False
    """Whether no other group may run at the same time: it measures times or memory."""


DEFAULT_LIMITS: Final = replace(ClusterSpec(), settings=())
"""Cluster with the default limits of the settings."""
COMPARED_SCENARIOS: Final = (
    slack_api_failures.CONNECTIONS_CUT,
    bot_failures.EVENTS_DUPLICATED,
    worker_failures.RANDOM_KILLS,
    mixed_faults.EVERYTHING_AT_ONCE,
)
"""Scenarios that measure the baselines too."""
BASELINE_TIMEOUT_SECONDS: Final = 20.0
"""Maximum wait for a baseline. RQ needs 14 minutes to notice a killed worker on an idle queue."""


def build_baseline(name: str, module: str) -> ClusterSpec:
    """Return a cluster whose bot and workers are a baseline's."""
    module_name = f"chaos.baselines.{module}"
    return ClusterSpec(
        name=name,
        bot_module=f"{module_name}_front_end",
        worker_module=f"{module_name}_worker",
        worker_count=2,
        reply_timeout_seconds=BASELINE_TIMEOUT_SECONDS,
    )


SOAK_MINUTES: Final = 15.0
"""Default length of the soak and of the long refusal."""
NAIVE_WORKER: Final = build_baseline("naive worker", "naive")
STOCK_RQ_WORKER: Final = build_baseline("stock RQ worker", "stock_rq")

MATRIX: Final = (
    ScenarioGroup(
        ClusterSpec(),
        (
            *bot_failures.ONE_BOT_SCENARIOS,
            *slack_api_failures.SLACK_API_FAILURES,
            app_refusals.APP_REFUSED,
            hard_threads.HARD_THREADS,
        ),
    ),
    ScenarioGroup(
        ClusterSpec(bot_count=2),
        (
            *bot_failures.TWO_BOT_SCENARIOS,
            slow_reads.SLOW_READS,
            *worker_failures.FAILPOINT_SCENARIOS,
        ),
    ),
    ScenarioGroup(
        ClusterSpec(bot_count=2, worker_count=2),
        (
            *poison_jobs.POISON_JOBS,
            *asks.ASKS,
            *reworks.REWORKS,
            pointers.POINTERS,
            votes.VOTES,
            engine_failures.ENGINE_KILLED,
            worker_failures.WORKER_PAUSED,
            identical_questions.IDENTICAL_QUESTIONS,
            worker_failures.RANDOM_KILLS,
            mixed_faults.EVERYTHING_AT_ONCE,
        ),
    ),
    ScenarioGroup(stops.CLUSTER, stops.STOPS),
    ScenarioGroup(
        ClusterSpec(with_redis_proxy=True),
        (
            *redis_failures.REDIS_FAILURES,
            *startup.HARD_STARTS,
            *resource_limits.RESOURCES_EXHAUSTED,
        ),
    ),
    ScenarioGroup(clock_skew.CLUSTER, (clock_skew.CLOCKS_SKEWED,)),
    ScenarioGroup(slack_unreachable.CLUSTER, (slack_unreachable.SLACK_UNREACHABLE,)),
    ScenarioGroup(ClusterSpec(build_model=long_bigcode), (engine_failures.PROMPT_LENGTHS,)),
    ScenarioGroup(ClusterSpec(worker_count=0), (overload.RUSH, overload.FLOOD), exclusive=True),
    ScenarioGroup(
        DEFAULT_LIMITS, (overload.ONE_USER_FLOODS, bot_failures.NOTICES_INTERRUPTED), exclusive=True
    ),
    ScenarioGroup(NAIVE_WORKER, COMPARED_SCENARIOS),
    ScenarioGroup(STOCK_RQ_WORKER, COMPARED_SCENARIOS),
)


def build_long_groups(minutes: float) -> tuple[ScenarioGroup, ...]:
    """Return the scenarios that take `minutes`, each on its cluster."""
    return (
        ScenarioGroup(ClusterSpec(), (app_refusals.build_long_refusal(minutes),)),
        ScenarioGroup(soak.CLUSTER, (soak.build_soak(minutes),), exclusive=True),
    )


def select_groups(
    names: frozenset[str], systems: frozenset[str] = frozenset(), minutes: float = SOAK_MINUTES
) -> tuple[ScenarioGroup, ...]:
    """
    Return the groups of the scenarios with these names or aliases, on these systems.

    Without names it is all scenarios but the two that take `minutes`; without systems, all.
    """
    long_groups = build_long_groups(minutes)
    groups = (
        replace(
            group,
            scenarios=tuple(
                scenario
                for scenario in group.scenarios
                if not names or {scenario.name, scenario.alias} & names
            ),
        )
        for group in (*MATRIX, *(long_groups if names else ()))
        if not systems or group.spec.name in systems
    )
    return tuple(group for group in groups if group.scenarios)


def list_scenarios() -> tuple[Scenario, ...]:
    """Return every scenario once, in the order of the matrix, those of minutes last."""
    groups = (*MATRIX, *build_long_groups(SOAK_MINUTES))
    return tuple(
        {scenario.name: scenario for group in groups for scenario in group.scenarios}.values()
    )
