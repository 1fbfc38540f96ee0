"""Mixed faults: bots, workers and Redis are killed while Slack fails and repeats events."""

from typing import Final

from chaos.checker.expectations import Bounds
from chaos.fault_loop import FaultLoop
from chaos.run import ScenarioRun
from chaos.scenario import Scenario
from chaos.scenarios.slack_api_failures import MIXED_RULES

DUPLICATE_PROBABILITY: Final = 0.1
"""Share of events that Slack delivers twice."""


def mix_faults(run: ScenarioRun) -> None:
    """Kill a random process every three seconds while calls and deliveries fail."""
    run.cluster.workspace.set_faults(
        *MIXED_RULES, deliveries={"duplicate": DUPLICATE_PROBABILITY}, seed=run.rng.randint(0, 999)
    )
    kills = (run.kill_worker, run.kill_bot, run.kill_bot, run.kill_redis)
    with FaultLoop(run.rng, 3.0, *kills):
        run.ask_questions(run.scale_count(240, 30), seconds=max(8.0, 30 * run.scale))
    run.cluster.workspace.set_faults()
    run.cluster.restore_processes()
    run.wait_for_replies(90)


LIMIT_NEWS_SECONDS: Final = 2.5
"""Time until all workers know of a rate limit: they share it through Redis, which is killed."""
EVERYTHING_AT_ONCE: Final = Scenario(
    "everything-at-once",
    "W14",
    "all faults mixed",
    mix_faults,
    Bounds(max_end_seconds=150.0, max_late_edits=1, limit_news_seconds=LIMIT_NEWS_SECONDS),
)
