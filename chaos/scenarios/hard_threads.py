"""Hard threads: very long, with endless paging, without a root, deleted while read."""

from typing import Final

from chaos.load import Question
from chaos.run import ScenarioRun
from chaos.scenario import Scenario
from testing.memorizing_model import GREET
from testing.workspace import STARCHAT, Json

REPLIES_METHOD: Final = "conversations.replies"
LONG_THREAD_MESSAGES: Final = 5000
"""Messages of the long thread at scale 1."""
SHORT_THREAD_MESSAGES: Final = 4
"""Messages of the other threads."""
MAX_READS: Final = 5
"""Pages that the bot may read of one thread."""
PAGE_DELAY_SECONDS: Final = 1.0
"""Slack's response time for a page, in which the thread is deleted."""


def ask_in_hard_threads(run: ScenarioRun) -> None:
    """Ask in threads that began before the bot joined their channel."""
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
    """Post a thread in a new channel, then invite the bot."""
    workspace, user = run.cluster.workspace, run.cluster.users[0]
    fields = {"name": f"thread-{run.rng.random()}", "members": [user]}
    channel = str(workspace.send_control("create", **fields)["channel"])
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
    """Ask in a thread and delete all of it while the bot reads it."""
    workspace = run.cluster.workspace
    question = _ask_in_thread(run, thread)
    run.deleted.add(question.ts)
    _wait_until_read(run, thread)
    for message in reversed(workspace.read_messages(thread.channel, thread.ts, thread.user)):
        workspace.send_control("delete", channel=thread.channel, ts=message["ts"])


def _wait_until_read(run: ScenarioRun, thread: Question) -> None:
    run.cluster.workspace.wait_until(lambda: _find_reads(run, thread) or None)


def _find_reads(run: ScenarioRun, thread: Question) -> list[Json]:
    """Return the calls that read a page of the thread."""
    calls = run.cluster.workspace.api_calls(method=REPLIES_METHOD)
    return [call for call in calls if call["args"].get("channel") == thread.channel]


HARD_THREADS: Final = Scenario(
    "threads-hard-to-read",
    "D1",
    "threads with thousands of messages, endless paging, root or thread deleted while read",
    ask_in_hard_threads,
)
