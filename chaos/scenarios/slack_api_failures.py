"""Rows in which Slack's Web API limits, breaks off, or takes something away."""

from collections import Counter
from typing import Any, Final

from chaos.load import Question
from chaos.run import Trial
from chaos.scenario import Row
from chaos.scenarios import slack_error_responses
from testing.worker_harness import payload
from testing.workspace import STARCHAT, RefusedError

Rule = dict[str, Any]
RETRY_AFTER: Final = (1, 2, "abc", None, 0)
"""Values of the header, nonsense and silence too."""
SAFE: Final = "chat.update"
POST: Final = "chat.postMessage"
TIMEOUT: Final = 11.0
"""Seconds after which a worker gives up waiting for an answer, and one more."""
MOST_TRIES: Final = 3
"""How often a job may try what Slack refuses for good."""


def limited(trial: Trial) -> None:
    """Answer every fifth call with 429, with and without a usable `Retry-After`."""
    share = 0.2 / len(RETRY_AFTER)
    rules = [
        {"fault": "ratelimited", "method": f"{method}*", "retry_after": value, "probability": share}
        for value in RETRY_AFTER
        for method in ("chat.", "conversations.")
    ]
    trial.stage.workspace.faults(*rules, seed=trial.dice.randint(0, 999))
    trial.ask(trial.many(60, 16), over=4)
    trial.settle(90)


def unsure(trial: Trial) -> None:
    """Cut connections before and after the effect, and answer too late to be heard."""
    rules: list[Rule] = [
        {"fault": "drop_before", "method": "chat.*", "probability": 0.05},
        {"fault": "drop_after", "method": "chat.*", "probability": 0.05},
        {"fault": "drop_after", "method": "chat.*", "probability": 0.05, "reset": False},
        {"fault": "status_after", "method": "chat.*", "probability": 0.03},
        {"fault": "slow_after", "method": POST, "count": 3, "skip": 9, "seconds": TIMEOUT},
    ]
    trial.stage.workspace.faults(*rules, seed=trial.dice.randint(0, 999))
    trial.ask(trial.many(100, 12), over=5)
    trial.settle(90)


def taken_away(trial: Trial) -> None:
    """Archive a channel, throw the bot out of another, delete its messages, revoke its token."""
    workspace = trial.stage.workspace
    members = [*trial.stage.people, STARCHAT]
    archived, kicked = (
        str(
            workspace.control("create", name=f"{name}-{trial.dice.random()}", members=members)[
                "channel"
            ]
        )
        for name in ("archived", "kicked")
    )
    there = [trial.say("Greet me.", channel=where) for where in (archived, kicked) * trial.many(5)]
    workspace.control("archive", channel=archived)
    workspace.control("kick", channel=kicked)
    trial.faults["archived"] += 1
    trial.faults["kicked"] += 1
    deleted = [trial.say("Greet me.") for _ in range(trial.many(8, 2))]
    for question in deleted:
        _delete_under(trial, question)
    rest = trial.ask(trial.many(20, 6))
    workspace.control("app", revoked=True)
    trial.faults["revoked"] += 1
    revoked = trial.ask(trial.many(6, 2), over=1)
    workspace.control("app", revoked=False)
    after = trial.ask(trial.many(10, 4))
    silent = trial.following.wait(after, 60)
    if silent:
        trial.broken.append(f"{len(silent)} questions after all that have no reply")
    tries = _refused(trial)
    most = max(tries.values(), default=0)
    if most > MOST_TRIES:
        trial.broken.append(f"{most} tries of what was refused for good")
    trial.notes.append(
        f"{len(there)} in lost channels, {len(revoked)} without a token, {len(rest)} beside;"
        f" at most {most} refused tries of one call"
    )


def _delete_under(trial: Trial, question: Question) -> None:
    if not trial.following.shown(question, "placeholder", 20.0):
        return
    for ts in trial.following.messages(question):
        try:
            trial.stage.workspace.control("delete", channel=question.channel, ts=ts)
        except RefusedError:
            continue
        trial.faults["deleted under us"] += 1


def _refused(trial: Trial) -> Counter[tuple[str, str]]:
    """Count how often each job's call was refused by what does not change."""
    found: Counter[tuple[str, str]] = Counter()
    for call in trial.stage.workspace.calls():
        final = call["error"] in {
            "is_archived",
            "not_in_channel",
            "channel_not_found",
            "token_revoked",
        }
        job = payload(call["args"]).get("job")
        if final and job and call["at"] >= trial.began:
            found[job, call["method"]] += 1
    return found


LIMITED: Final = Row("S1", "every fifth call is answered with 429", limited)
UNSURE: Final = Row("S3", "connections cut before and after the effect, late answers", unsure)
ROWS: Final = (
    LIMITED,
    slack_error_responses.ROW,
    UNSURE,
    Row("S9", "archived, thrown out, deleted under us, token revoked", taken_away, answered=False),
)
MIXED_RULES: Final[tuple[Rule, ...]] = (
    {"fault": "ratelimited", "method": "chat.*", "probability": 0.03, "retry_after": 1},
    {"fault": "status", "method": "chat.*", "probability": 0.03},
    {"fault": "drop_after", "method": "chat.*", "probability": 0.03},
    {"fault": "drop_before", "method": "chat.*", "probability": 0.02},
)
