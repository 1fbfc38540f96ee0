"""A row about threads that are hard to read: far too long, without an end, gone meanwhile."""

from typing import Final

from chaos.load import Question
from chaos.run import ScenarioRun
from chaos.scenario import Scenario
from testing.memorizing_model import GREET
from testing.workspace import STARCHAT, Json

REPLIES_METHOD: Final = "conversations.replies"
LONG_THREAD_MESSAGES: Final = 5000
"""Messages of the long thread."""
SHORT_THREAD_MESSAGES: Final = 4
"""Messages of the others."""
MAX_READS: Final = 5
PAGE_DELAY_SECONDS: Final = 1.0
"""Seconds that Slack takes for a page, in which a thread may go."""


def ask_in_hard_threads(run: ScenarioRun) -> None:
    """Ask at the end of threads that the bot has never seen."""
    count = run.scale_count(LONG_THREAD_MESSAGES)
    long, endless, headless, gone = (
        _create_thread(run, n)
        for n in (count, SHORT_THREAD_MESSAGES, SHORT_THREAD_MESSAGES, SHORT_THREAD_MESSAGES)
    )
    run.cluster.workspace.set_faults(
        {"fault": "endless", "method": REPLIES_METHOD, "channel": endless.channel},
        *(
            {
                "fault": "slow",
                "method": REPLIES_METHOD,
                "channel": thread.channel,
                "seconds": PAGE_DELAY_SECONDS,
            }
            for thread in (headless, gone)
        ),
    )
    asked = {
        "long": _ask_in_thread(run, long),
        "endless": _ask_in_thread(run, endless),
        "headless": _ask_in_thread(run, headless),
    }
    _wait_until_read(run, headless)
    run.cluster.workspace.delete_message(headless.user, headless.channel, headless.ts)
    _delete_thread(run, gone)
    run.wait_for_replies()
    reads = {name: len(_find_reads(run, question)) for name, question in asked.items()}
    run.notes.append(f"{count} messages: {reads['long']} reads; endless: {reads['endless']} reads")
    for name, question in asked.items():
        if reads[name] > MAX_READS:
            run.failures.append(f"{reads[name]} reads of one {name} thread")
        if not run.watcher.wait_for_state(question, "final"):
            run.failures.append(f"no reply in the {name} thread")
    if run.watcher.wait_for_state(asked["long"], "final"):
        run.notes.append(f"answered after {run.watcher.measure_wait(asked['long']):.1f} s")


def _create_thread(run: ScenarioRun, count: int) -> Question:
    """Let a thread grow in a channel that the bot joins only then."""
    workspace, user = run.cluster.workspace, run.cluster.users[0]
    wish = {"name": f"thread-{run.rng.random()}", "members": [user]}
    channel = str(workspace.send_control("create", **wish)["channel"])
    root = workspace.post_raw(channel, "How do I sort a list?", user=user)
    for number in range(count):
        workspace.post_raw(channel, f"Number {number}.", user=user, thread_ts=root)
    workspace.send_control("invite", channel=channel, user=STARCHAT)
    run.faults["odd thread"] += 1
    return Question(root, channel, root, user, "", run.started_at)


def _ask_in_thread(run: ScenarioRun, thread: Question) -> Question:
    question = run.load.ask_question(GREET, user=thread.user, previous=thread)
    run.questions.append(question)
    return question


def _delete_thread(run: ScenarioRun, thread: Question) -> None:
    """Delete a whole thread, question included, while the bot reads it."""
    workspace = run.cluster.workspace
    question = _ask_in_thread(run, thread)
    run.deleted.add(question.ts)
    _wait_until_read(run, thread)
    for message in reversed(workspace.read_messages(thread.channel, thread.ts, thread.user)):
        workspace.send_control("delete", channel=thread.channel, ts=message["ts"])


def _wait_until_read(run: ScenarioRun, thread: Question) -> None:
    run.cluster.workspace.wait_until(lambda: _find_reads(run, thread) or None)


def _find_reads(run: ScenarioRun, thread: Question) -> list[Json]:
    """Return the calls that have begun to read a thread."""
    calls = run.cluster.workspace.api_calls(method=REPLIES_METHOD)
    return [call for call in calls if call["args"].get("channel") == thread.channel]


HARD_THREADS: Final = Scenario(
    "D1", "threads of thousands, without an end, beheaded or gone while read", ask_in_hard_threads
)
