"""
Slack error responses: broken HTTP responses, and each error name about a message or a channel.

`app_refusals` has the errors of the whole app.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Any, Final

from chaos.load import Question
from chaos.run import ScenarioRun
from chaos.scenario import Scenario
from contract import keys
from testing.memorizing_model import GREET
from testing.polling import poll_until
from testing.worker_harness import END_STATES, reply_metadata
from testing.workspace import STARCHAT

Rule = dict[str, Any]
POST_METHOD: Final = "chat.postMessage"
UPDATE_METHOD: Final = "chat.update"
REPLIES_METHOD: Final = "conversations.replies"
ONCE: Final = 1
TWICE: Final = 2
MAX_REFUSED_CALLS: Final = 3
"""Calls that a job may make after a permanent error, of bot and worker together."""


class ExpectedOutcome(StrEnum):
    """Outcome that a question must have when its calls end with an error."""

    REPLY = "reply"
    """The error is transient: the question is answered."""
    REPLY_OR_ERROR = "reply or error"
    """This one call is refused: the question is answered, or ends with an error message."""
    SILENCE = "silence"
    """Slack accepts no post there: no message appears, and the calls are few."""


TRANSIENT_ERRORS: Final = (
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
)
RATE_LIMIT_ERRORS: Final = ("ratelimited", "rate_limited", "message_limit_exceeded")
MIGRATION_ERRORS: Final = ("team_added_to_org", "external_channel_migrating")
REQUEST_ERRORS: Final = (
    "msg_too_long",
    "msg_blocks_too_long",
    "invalid_blocks",
    "invalid_blocks_format",
    "no_text",
    "metadata_too_large",
    "invalid_metadata_format",
    "invalid_arguments",
    "slack_connect_file_link_sharing_blocked",
)
CHANNEL_ERRORS: Final = (
    "is_archived",
    "not_in_channel",
    "channel_not_found",
    "restricted_action",
    "restricted_action_read_only_channel",
    "restricted_action_thread_locked",
    "messages_tab_disabled",
    "no_permission",
    "access_denied",
)
ERROR_CASES: Final = (
    *product(
        (POST_METHOD, UPDATE_METHOD),
        (*TRANSIENT_ERRORS, *RATE_LIMIT_ERRORS, *MIGRATION_ERRORS),
        (ExpectedOutcome.REPLY,),
        (TWICE,),
    ),
    *product((UPDATE_METHOD,), ("update_failed",), (ExpectedOutcome.REPLY,), (TWICE,)),
    *product(
        (UPDATE_METHOD,),
        ("edit_window_closed", "cant_update_message"),
        (ExpectedOutcome.REPLY,),
        (None,),
    ),
    *product(
        (POST_METHOD, UPDATE_METHOD), REQUEST_ERRORS, (ExpectedOutcome.REPLY_OR_ERROR,), (ONCE,)
    ),
    *product(
        (POST_METHOD, UPDATE_METHOD),
        CHANNEL_ERRORS,
        (ExpectedOutcome.SILENCE,),
        (None,),
    ),
    *product(
        (POST_METHOD,),
        ("thread_not_found", "cannot_reply_to_message"),
        (ExpectedOutcome.SILENCE,),
        (None,),
    ),
    *product(
        (UPDATE_METHOD,), ("message_not_found", "is_inactive"), (ExpectedOutcome.SILENCE,), (None,)
    ),
    *product(
        (REPLIES_METHOD,), (*TRANSIENT_ERRORS, "ratelimited"), (ExpectedOutcome.REPLY,), (ONCE,)
    ),
    *product(
        (REPLIES_METHOD,), ("missing_scope", "ekm_access_denied"), (ExpectedOutcome.REPLY,), (None,)
    ),
)
"""Method, error, expected outcome, and the number of calls that fail (`None`: all)."""


@dataclass(frozen=True, slots=True)
class ErrorCase:
    """A question in a separate channel, in which one method ends with one error."""

    method: str
    error: str
    expected: ExpectedOutcome
    question: Question

    def __str__(self) -> str:
        return f"{self.method} {self.error}"


def inject_errors(run: ScenarioRun) -> None:
    """Respond with HTTP errors, HTML and truncated bodies, then with each of Slack's errors."""
    rules: list[Rule] = [
        {"fault": "status", "status": status, "probability": 0.03} for status in (500, 502, 503)
    ]
    rules += [{"fault": fault, "probability": 0.03} for fault in ("html", "truncated")]
    rules = [{**rule, "method": method} for rule in rules for method in ("chat.*", "conv*.replies")]
    run.cluster.workspace.set_faults(*rules, seed=run.rng.randint(0, 999))
    run.ask_questions(run.scale_count(40, 10), seconds=2)
    run.wait_for_replies(90)
    calls = len(run.cluster.workspace.api_calls())
    cases = tuple(_ask_error_cases(run))
    run.wait_for_replies(90)
    _wait_for_jobs(run)
    run.cluster.workspace.set_faults()
    _check_outcomes(run, cases, calls)


def _ask_error_cases(run: ScenarioRun) -> Iterator[ErrorCase]:
    """Ask one question for each error, all at once."""
    workspace = run.cluster.workspace
    members = [*run.cluster.users, STARCHAT]
    channels = []
    for number, _ in enumerate(ERROR_CASES):
        name = f"error-{number}-{run.rng.randint(0, 999_999)}"
        channels.append(
            str(workspace.send_control("create", name=name, members=members)["channel"])
        )
    workspace.set_faults(
        *(
            {"fault": "error", "method": method, "error": error, "count": count, "channel": channel}
            for channel, (method, error, _, count) in zip(channels, ERROR_CASES, strict=True)
        )
    )
    for channel, (method, error, expected, _) in zip(channels, ERROR_CASES, strict=True):
        question = _ask_in_channel(run, channel, in_thread=method == REPLIES_METHOD)
        if expected is ExpectedOutcome.SILENCE:
            run.excused.add(question.ts)
        yield ErrorCase(method, error, expected, question)


def _ask_in_channel(run: ScenarioRun, channel: str, *, in_thread: bool) -> Question:
    """Ask a question, `in_thread` in a thread that the bot must read first."""
    user = run.rng.choice(run.cluster.users)
    if not in_thread:
        return run.ask_one(GREET, user=user, channel=channel)
    root = run.cluster.workspace.post_message(user, channel, "Has anybody seen this?")
    thread = Question(root, channel, root, user, "", 0.0)
    question = run.load.ask_question(GREET, user=user, previous=thread)
    run.questions.append(question)
    return question


def _wait_for_jobs(run: ScenarioRun) -> None:
    """Wait until no job is pending, those without a reply included."""
    with run.cluster.connect_redis() as redis:
        poll_until(
            lambda: not redis.zcard(keys.PENDING_JOBS),
            timeout=60.0,
            description="the end of all jobs",
        )


def _check_outcomes(run: ScenarioRun, cases: tuple[ErrorCase, ...], calls: int) -> None:
    tries = Counter[str]()
    for call in run.cluster.workspace.api_calls(calls):
        if call["fault"] and (job := reply_metadata(call["args"]).get("question")):
            tries[job] += 1
    for case in cases:
        shown = {state for state in END_STATES if run.watcher.count_versions(case.question, state)}
        is_expected = {
            ExpectedOutcome.REPLY: shown == {"final"},
            ExpectedOutcome.REPLY_OR_ERROR: bool(shown),
            ExpectedOutcome.SILENCE: not shown and tries[case.question.ts] <= MAX_REFUSED_CALLS,
        }[case.expected]
        if not is_expected:
            seen = ", ".join(sorted(shown)) or "nothing"
            run.failures.append(f"{case}: {seen} after {tries[case.question.ts]} tries")
    names = {case.error for case in cases}
    outcome_counts = Counter(case.expected for case in cases)
    summary = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcome_counts.items()))
    run.notes.append(f"{len(names)} error names, expected: {summary}")


ERROR_RESPONSES: Final = Scenario(
    "slack-error-responses",
    "S2",
    "HTTP 500, 502, 503, HTML, truncated bodies, each error name about a message or channel",
    inject_errors,
)
