"""Slack Web API failures: rate limits, cut connections, lost channels and tokens."""

from collections import Counter
from typing import Any, Final

from chaos.load import Question
from chaos.run import ScenarioRun
from chaos.scenario import Scenario
from chaos.scenarios import slack_error_responses
from testing.worker_harness import reply_metadata
from testing.workspace import STARCHAT, RefusedError

Rule = dict[str, Any]
RETRY_AFTER_VALUES: Final = (1, 2, "abc", None, 0)
"""Values of the header, invalid and missing ones too."""
POST_METHOD: Final = "chat.postMessage"
SLOW_REPLY_SECONDS: Final = 11.0
"""Response time, one second above a worker's timeout."""
MAX_REFUSED_CALLS: Final = 3
"""Calls that a job may make after a permanent error."""


def limit_rate(run: ScenarioRun) -> None:
    """Answer every fifth call with 429, with and without a usable `Retry-After`."""
    share = 0.2 / len(RETRY_AFTER_VALUES)
    rules = [
        {"fault": "ratelimited", "method": f"{method}*", "retry_after": value, "probability": share}
        for value in RETRY_AFTER_VALUES
        for method in ("chat.", "conversations.")
    ]
    run.cluster.workspace.set_faults(*rules, seed=run.rng.randint(0, 999))
    run.ask_questions(run.scale_count(60, 16), seconds=4)
    run.wait_for_replies(90)


def cut_api_connections(run: ScenarioRun) -> None:
    """Cut connections before and after the effect, and respond after the client's timeout."""
    rules: list[Rule] = [
        {"fault": "drop_before", "method": "chat.*", "probability": 0.05},
        {"fault": "drop_after", "method": "chat.*", "probability": 0.05},
        {"fault": "drop_after", "method": "chat.*", "probability": 0.05, "reset": False},
        {"fault": "status_after", "method": "chat.*", "probability": 0.03},
        {
            "fault": "slow_after",
            "method": POST_METHOD,
            "count": 3,
            "skip": 9,
            "seconds": SLOW_REPLY_SECONDS,
        },
    ]
    run.cluster.workspace.set_faults(*rules, seed=run.rng.randint(0, 999))
    run.ask_questions(run.scale_count(100, 12), seconds=5)
    run.wait_for_replies(90)


def revoke_access(run: ScenarioRun) -> None:
    """Archive a channel, remove the bot from another, delete its messages, revoke its token."""
    workspace = run.cluster.workspace
    members = [*run.cluster.users, STARCHAT]
    archived, kicked = (
        str(
            workspace.send_control("create", name=f"{name}-{run.rng.random()}", members=members)[
                "channel"
            ]
        )
        for name in ("archived", "kicked")
    )
    in_lost_channels = [
        run.ask_one("Greet me.", channel=channel)
        for channel in (archived, kicked) * run.scale_count(5)
    ]
    workspace.send_control("archive", channel=archived)
    workspace.send_control("kick", channel=kicked)
    run.faults["archived"] += 1
    run.faults["kicked"] += 1
    deleted = [run.ask_one("Greet me.") for _ in range(run.scale_count(8, 2))]
    for question in deleted:
        _delete_replies(run, question)
    rest = run.ask_questions(run.scale_count(20, 6))
    workspace.send_control("app", revoked=True)
    run.faults["revoked"] += 1
    revoked = run.ask_questions(run.scale_count(6, 2), seconds=1)
    workspace.send_control("app", revoked=False)
    after = run.ask_questions(run.scale_count(10, 4))
    silent = run.watcher.wait_for_replies([*rest, *revoked, *after], 60)
    if silent:
        run.failures.append(f"{len(silent)} questions without a reply")
    tries = _count_refusals(run)
    max_tries = max(tries.values(), default=0)
    if max_tries > MAX_REFUSED_CALLS:
        run.failures.append(f"{max_tries} calls after a permanent error")
    run.notes.append(
        f"{len(in_lost_channels)} in lost channels, {len(revoked)} without a token,"
        f" {len(rest)} beside;"
        f" at most {max_tries} refused tries of one call"
    )


def _delete_replies(run: ScenarioRun, question: Question) -> None:
    if not run.watcher.wait_for_state(question, "placeholder", 20.0):
        return
    for ts in run.watcher.list_messages(question):
        try:
            run.cluster.workspace.send_control("delete", channel=question.channel, ts=ts)
        except RefusedError:
            continue
        run.faults["reply deleted"] += 1


def _count_refusals(run: ScenarioRun) -> Counter[tuple[str, str]]:
    """Count each job's calls that ended with a permanent error."""
    found: Counter[tuple[str, str]] = Counter()
    for call in run.cluster.workspace.api_calls():
        final = call["error"] in {
            "is_archived",
            "not_in_channel",
            "channel_not_found",
        }
        job = reply_metadata(call["args"]).get("job")
        if final and job and call["at"] >= run.started_at:
            found[job, call["method"]] += 1
    return found


RATE_LIMITED: Final = Scenario(
    "slack-rate-limited", "S1", "every fifth call is answered with 429", limit_rate
)
CONNECTIONS_CUT: Final = Scenario(
    "slack-connections-cut",
    "S3",
    "connections cut before and after the effect, late answers",
    cut_api_connections,
)
SLACK_API_FAILURES: Final = (
    RATE_LIMITED,
    slack_error_responses.ERROR_RESPONSES,
    CONNECTIONS_CUT,
    Scenario(
        "channel-or-token-revoked",
        "S9",
        "channel archived, bot removed, message deleted, token revoked",
        revoke_access,
        expects_answers=False,
    ),
)
MIXED_RULES: Final[tuple[Rule, ...]] = (
    {"fault": "ratelimited", "method": "chat.*", "probability": 0.03, "retry_after": 1},
    {"fault": "status", "method": "chat.*", "probability": 0.03},
    {"fault": "drop_after", "method": "chat.*", "probability": 0.03},
    {"fault": "drop_before", "method": "chat.*", "probability": 0.02},
)
