"""Identical questions: many threads ask the same at once, and workers die while they answer."""

from typing import Final

from chaos.checker.collector import make_token
from chaos.load import LONG_QUESTION, Question
from chaos.run import ScenarioRun
from chaos.scenario import Scenario
from chaos.scenarios.worker_failures import check_charges, count_charged_replies
from testing.worker_harness import reply_metadata

ROUNDS: Final = 4
"""Rounds of identical questions, at scale 1; each costs a worker."""
THREADS: Final = 24
"""Threads that ask the same, at scale 1."""
MAX_GROWTH_SECONDS: Final = 60.0
"""Maximum wait for the first words of a reply."""


def kill_workers_of_identical_questions(run: ScenarioRun) -> None:
    """Kill a worker while it answers the same question in many threads; each has its reply."""
    charged = count_charged_replies(run)
    first_call = len(run.cluster.workspace.api_calls())
    for number in range(run.scale_count(ROUNDS)):
        asked = _ask_identical(run, number, run.scale_count(THREADS, 8))
        run.watcher.wait_for_state(run.rng.choice(asked), "growing", MAX_GROWTH_SECONDS)
        run.kill_worker()
        run.wait_for_replies()
    check_charges(run, charged)
    run.notes.append(f"{_count_shared_replies(run, first_call)} replies shared a generation")


def _ask_identical(run: ScenarioRun, number: int, count: int) -> list[Question]:
    """Ask the same in `count` new threads of public channels."""
    token = make_token(number, run.rng.randrange(10**6))
    asked = [
        run.load.ask_question(
            LONG_QUESTION,
            user=run.rng.choice(run.cluster.users),
            channel=run.rng.choice(run.cluster.channels),
            token=token,
        )
        for _ in range(count)
    ]
    run.questions += asked
    return asked


def _count_shared_replies(run: ScenarioRun, first_call: int) -> int:
    """Return how many finished replies say that they shared a generation."""
    calls = run.cluster.workspace.api_calls(first_call, "chat.update")
    return len(
        {
            reply_metadata(call["args"]).get("job")
            for call in calls
            if "shared_tokens" in str(call["args"].get("blocks"))
        }
    )


IDENTICAL_QUESTIONS: Final = Scenario(
    "identical-questions-while-workers-die",
    "W15",
    "worker killed while it answers the same in many threads",
    kill_workers_of_identical_questions,
)
