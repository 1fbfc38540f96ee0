"""Rows in which Slack's Web API answers nonsense, and with each of the errors that it has."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Any, Final

from chaos.load import Question
from chaos.run import Trial
from chaos.scenario import Row
from contract import keys
from testing.memorizing_model import GREET
from testing.polling import until
from testing.worker_harness import END, payload
from testing.workspace import STARCHAT

Rule = dict[str, Any]
POST: Final = "chat.postMessage"
UPDATE: Final = "chat.update"
REPLIES: Final = "conversations.replies"
ONCE: Final = 1
TWICE: Final = 2
MOST_TRIES: Final = 3
"""How often a job may try what Slack refuses for good: the bot's sign, the worker's placeholder."""


class End(StrEnum):
    """What must become of a question whose calls end with an error."""

    REPLY = "reply"
    """The error goes away: the person never hears of it."""
    TOLD = "told"
    """This very call is refused: there is a reply all the same, or a clear error."""
    SILENCE = "silence"
    """Nobody may post there: nothing is said, and nothing is tried again and again."""


TRANSIENT: Final = ("internal_error", "fatal_error", "service_unavailable", "request_timeout")
SLOW_DOWN: Final = ("ratelimited", "rate_limited", "message_limit_exceeded")
MOVING: Final = ("team_added_to_org", "external_channel_migrating")
REQUEST: Final = (
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
PLACE: Final = (
    "is_archived",
    "not_in_channel",
    "channel_not_found",
    "restricted_action",
    "restricted_action_read_only_channel",
    "restricted_action_thread_locked",
    "messages_tab_disabled",
    "no_permission",
    "missing_scope",
    "access_denied",
    "ekm_access_denied",
    "team_access_not_granted",
    "enterprise_is_restricted",
    "accesslimited",
)
TOKEN: Final = (
    "invalid_auth",
    "not_authed",
    "account_inactive",
    "token_revoked",
    "token_expired",
    "not_allowed_token_type",
    "org_login_required",
)
DEALT: Final = (
    *product((POST, UPDATE), (*TRANSIENT, *SLOW_DOWN, *MOVING), (End.REPLY,), (TWICE,)),
    *product((UPDATE,), ("update_failed",), (End.REPLY,), (TWICE,)),
    *product((UPDATE,), ("edit_window_closed", "cant_update_message"), (End.REPLY,), (None,)),
    *product((POST, UPDATE), REQUEST, (End.TOLD,), (ONCE,)),
    *product((POST, UPDATE), (*PLACE, *TOKEN), (End.SILENCE,), (None,)),
    *product((POST,), ("thread_not_found", "cannot_reply_to_message"), (End.SILENCE,), (None,)),
    *product((UPDATE,), ("message_not_found", "is_inactive"), (End.SILENCE,), (None,)),
    *product((REPLIES,), (*TRANSIENT, "ratelimited"), (End.REPLY,), (ONCE,)),
    *product((REPLIES,), ("missing_scope", "ekm_access_denied"), (End.REPLY,), (None,)),
)
"""Which method ends with which error for a question, what becomes of it, and how often it does."""


@dataclass(frozen=True, slots=True)
class Dealt:
    """A question in a channel of its own, where one method ends with one error."""

    method: str
    error: str
    end: End
    question: Question

    def __str__(self) -> str:
        return f"{self.method} {self.error}"


def failing(trial: Trial) -> None:
    """Answer with 500, 502, 503, a page and half an answer; then with each error of Slack's own."""
    rules: list[Rule] = [
        {"fault": "status", "status": status, "probability": 0.03} for status in (500, 502, 503)
    ]
    rules += [{"fault": fault, "probability": 0.03} for fault in ("html", "truncated")]
    rules = [{**rule, "method": method} for rule in rules for method in ("chat.*", "conv*.replies")]
    trial.stage.workspace.faults(*rules, seed=trial.dice.randint(0, 999))
    trial.ask(trial.many(40, 10), over=2)
    trial.settle(90)
    calls = len(trial.stage.workspace.calls())
    dealt = tuple(_dealt(trial))
    trial.settle(90)
    _wait_over(trial)
    trial.stage.workspace.faults()
    _judge(trial, dealt, calls)


def _dealt(trial: Trial) -> Iterator[Dealt]:
    """Deal each error to a question of its own, all at once."""
    workspace = trial.stage.workspace
    members = [*trial.stage.people, STARCHAT]
    channels = []
    for number, _ in enumerate(DEALT):
        name = f"error-{number}-{trial.dice.randint(0, 999_999)}"
        channels.append(str(workspace.control("create", name=name, members=members)["channel"]))
    workspace.faults(
        *(
            {"fault": "error", "method": method, "error": error, "count": count, "channel": channel}
            for channel, (method, error, _, count) in zip(channels, DEALT, strict=True)
        )
    )
    for channel, (method, error, end, _) in zip(channels, DEALT, strict=True):
        question = _asked(trial, channel, inside=method == REPLIES)
        if end is End.SILENCE:
            trial.excused.add(question.ts)
        yield Dealt(method, error, end, question)


def _asked(trial: Trial, channel: str, *, inside: bool) -> Question:
    """Let somebody ask, `inside` a thread that the bot must read first."""
    person = trial.dice.choice(trial.stage.people)
    if not inside:
        return trial.say(GREET, person=person, channel=channel)
    root = trial.stage.workspace.post(person, channel, "Has anybody seen this?")
    thread = Question(root, channel, root, person, "", 0.0)
    question = trial.crowd.ask(GREET, person=person, after=thread)
    trial.questions.append(question)
    return question


def _wait_over(trial: Trial) -> None:
    """Wait until no question of the row waits or runs any more, those in silence included."""
    with trial.stage.direct() as redis:
        until(lambda: not redis.zcard(keys.PENDING), within=60.0, what="an end of all jobs")


def _judge(trial: Trial, dealt: tuple[Dealt, ...], calls: int) -> None:
    tries = Counter[str]()
    for call in trial.stage.workspace.calls(calls):
        if call["fault"] and (job := payload(call["args"]).get("question")):
            tries[job] += 1
    for one in dealt:
        shown = {state for state in END if trial.following.count(one.question, state)}
        right = {
            End.REPLY: shown == {"final"},
            End.TOLD: bool(shown),
            End.SILENCE: not shown and tries[one.question.ts] <= MOST_TRIES,
        }[one.end]
        if not right:
            seen = ", ".join(sorted(shown)) or "nothing"
            trial.broken.append(f"{one}: {seen} after {tries[one.question.ts]} tries")
    names = {one.error for one in dealt}
    ends = Counter(one.end for one in dealt)
    said = ", ".join(f"{count} {end}" for end, count in sorted(ends.items()))
    trial.notes.append(f"{len(names)} error names, due: {said}")


ROW: Final = Row("S2", "500, 502, 503, a page, half an answer, each error of Slack's own", failing)
