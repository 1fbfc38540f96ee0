"""Everything at once: bots, workers and Redis die while Slack fails and repeats itself."""

from typing import Final

from chaos.checker.expectations import Bounds
from chaos.fault_loop import Havoc
from chaos.run import Trial
from chaos.scenario import Row
from chaos.scenarios.slack_api_failures import MIXED_RULES

DUPLICATED: Final = 0.1


def mixed(trial: Trial) -> None:
    """Let everything go wrong while people ask."""
    trial.stage.workspace.faults(
        *MIXED_RULES, deliveries={"duplicate": DUPLICATED}, seed=trial.dice.randint(0, 999)
    )
    kills = (trial.kill_worker, trial.kill_bot, trial.kill_bot, trial.kill_redis)
    with Havoc(trial.dice, 3.0, *kills):
        trial.ask(trial.many(240, 30), over=max(8.0, 30 * trial.scale))
    trial.stage.workspace.faults()
    trial.stage.revive()
    trial.settle(90)


HEARING: Final = 2.5
"""Seconds: while Redis is killed no worker can tell the others what Slack has put off."""
ROW: Final = Row("W14", "everything mixed", mixed, Bounds(end=150.0, late_edits=1, hearing=HEARING))
