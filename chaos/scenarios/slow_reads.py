"""Slow reads of threads, in which bots are killed."""

from typing import Final

from chaos.load import Question
from chaos.run import ScenarioRun
from chaos.scenario import Scenario
from testing.memorizing_model import GREET

REPLIES_METHOD: Final = "conversations.replies"
READ_SECONDS: Final = 4.0
"""Slack's response time for a read, one second above its patience for an acknowledgement."""
BOT_KILLS: Final = 2


def ask_while_reads_are_slow(run: ScenarioRun) -> None:
    """Ask in threads that are read slowly, kill bots during the reads, and ask elsewhere."""
    workspace, (slow, other, *_) = run.cluster.workspace, run.cluster.channels
    workspace.set_faults(
        {"method": REPLIES_METHOD, "fault": "slow", "seconds": READ_SECONDS, "channel": slow}
    )
    for _ in range(BOT_KILLS):
        before = len(workspace.api_calls(method=REPLIES_METHOD))
        asked = [_ask_in_new_thread(run, slow) for _ in range(run.scale_count(8, 3))]
        workspace.wait_for_acks(*(question.ts for question in asked))
        workspace.wait_until(lambda: len(workspace.api_calls(method=REPLIES_METHOD)) > before)  # noqa: B023 - called at once
        run.kill_bot()
    elsewhere = [run.ask_one(GREET, channel=other) for _ in range(run.scale_count(8, 3))]
    workspace.wait_for_acks(*(question.ts for question in elsewhere))
    late = [
        delivery
        for question in elsewhere
        for delivery in workspace.delivery_attempts(question.ts)
        if delivery["failure"]
    ]
    if late:
        run.failures.append(f"{len(late)} deliveries elsewhere were not acknowledged in time")
    run.wait_for_replies()


def _ask_in_new_thread(run: ScenarioRun, channel: str) -> Question:
    """Ask in a thread whose root is a colleague's, so that the bot has no copy of it."""
    users = run.cluster.users
    root = run.cluster.workspace.post_message(users[0], channel, "The build fails.")
    thread = Question(root, channel, root, users[0], "", run.started_at)
    question = run.load.ask_question(GREET, user=run.rng.choice(users), previous=thread)
    run.questions.append(question)
    return question


SLOW_READS: Final = Scenario(
    "bots-killed-while-reads-are-slow",
    "B10",
    "threads read in 4 s each, one of two bots killed during that, questions elsewhere",
    ask_while_reads_are_slow,
)
