"""A row about threads that are hard to read: far too long, without an end, gone meanwhile."""

from typing import Final

from chaos.load import Question
from chaos.run import Trial
from chaos.scenario import Row
from testing.memorizing_model import GREET
from testing.workspace import STARCHAT, Json

REPLIES: Final = "conversations.replies"
MESSAGES: Final = 5000
"""Messages of the long thread."""
FEW: Final = 4
"""Messages of the others."""
MOST_READS: Final = 5
SLOW: Final = 1.0
"""Seconds that Slack takes for a page, in which a thread may go."""


def threads(trial: Trial) -> None:
    """Ask at the end of threads that the bot has never seen."""
    count = trial.many(MESSAGES)
    long, endless, headless, gone = (_thread(trial, n) for n in (count, FEW, FEW, FEW))
    trial.stage.workspace.faults(
        {"fault": "endless", "method": REPLIES, "channel": endless.channel},
        *(
            {"fault": "slow", "method": REPLIES, "channel": one.channel, "seconds": SLOW}
            for one in (headless, gone)
        ),
    )
    asked = {
        "long": _asked(trial, long),
        "endless": _asked(trial, endless),
        "headless": _asked(trial, headless),
    }
    _wait_read(trial, headless)
    trial.stage.workspace.delete(headless.person, headless.channel, headless.ts)
    _vanish(trial, gone)
    trial.settle()
    reads = {name: len(_reads(trial, question)) for name, question in asked.items()}
    trial.notes.append(
        f"{count} messages: {reads['long']} reads; endless: {reads['endless']} reads"
    )
    for name, question in asked.items():
        if reads[name] > MOST_READS:
            trial.broken.append(f"{reads[name]} reads of one {name} thread")
        if not trial.following.shown(question, "final"):
            trial.broken.append(f"no reply in the {name} thread")
    if trial.following.shown(asked["long"], "final"):
        trial.notes.append(f"answered after {trial.following.waited(asked['long']):.1f} s")


def _thread(trial: Trial, count: int) -> Question:
    """Let a thread grow in a channel that the bot joins only then."""
    workspace, person = trial.stage.workspace, trial.stage.people[0]
    wish = {"name": f"thread-{trial.dice.random()}", "members": [person]}
    channel = str(workspace.control("create", **wish)["channel"])
    root = workspace.raw_post(channel, "How do I sort a list?", user=person)
    for number in range(count):
        workspace.raw_post(channel, f"Number {number}.", user=person, thread_ts=root)
    workspace.control("invite", channel=channel, user=STARCHAT)
    trial.faults["odd thread"] += 1
    return Question(root, channel, root, person, "", trial.began)


def _asked(trial: Trial, thread: Question) -> Question:
    question = trial.crowd.ask(GREET, person=thread.person, after=thread)
    trial.questions.append(question)
    return question


def _vanish(trial: Trial, thread: Question) -> None:
    """Delete a whole thread, question included, while the bot reads it."""
    workspace = trial.stage.workspace
    question = _asked(trial, thread)
    trial.deleted.add(question.ts)
    _wait_read(trial, thread)
    for message in reversed(workspace.messages(thread.channel, thread.ts, thread.person)):
        workspace.control("delete", channel=thread.channel, ts=message["ts"])


def _wait_read(trial: Trial, thread: Question) -> None:
    trial.stage.workspace.wait_until(lambda: _reads(trial, thread) or None)


def _reads(trial: Trial, thread: Question) -> list[Json]:
    """Return the calls that have begun to read a thread."""
    calls = trial.stage.workspace.calls(method=REPLIES)
    return [call for call in calls if call["args"].get("channel") == thread.channel]


ROW: Final = Row("D1", "threads of thousands, without an end, beheaded or gone while read", threads)
