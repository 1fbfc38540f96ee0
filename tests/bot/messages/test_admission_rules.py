"""Admission by a channel's rules: answers without a mention, and authors who may not ask."""

from typing import Any

import pytest

from bot.messages.admission import Policy, Verdict, admit, parse_command, refuse_asker
from bot.rules.channel_rules import DEFAULT_RULES, ChannelRules
from testing.slack_events import ADA, BOT_IDENTITY, LIN, MENTION, make_message_event, message_ts

TALKATIVE = ChannelRules(without_mention=True)
BOT = {"bot_id": "B0DEPLOY01", "user": "U0DEPLOY01"}
EXTERNAL = {"outer": {"is_ext_shared_channel": True}, "user_team": "T0OTHER001"}


def admit_in(rules: ChannelRules, text: str, **event: Any) -> Verdict:
    """Decide about a message in a channel with these rules."""
    post = make_message_event(2, text, **event)
    return admit(post, BOT_IDENTITY, policy=Policy(), mode=None, num_people=None, rules=rules)


def test_new_message_is_a_question_where_the_rules_say_so() -> None:
    """Without the rule it is for people."""
    assert admit_in(TALKATIVE, "what is a mutex?") is Verdict.ANSWER
    assert admit_in(DEFAULT_RULES, "what is a mutex?") is Verdict.IGNORE
    assert admit_in(TALKATIVE, "help") is Verdict.ANSWER
    assert admit_in(TALKATIVE, " ") is Verdict.IGNORE
    assert admit_in(TALKATIVE, f"{MENTION} help") is Verdict.HELP


@pytest.mark.parametrize(
    ("text", "event"),
    [
        (f"<@{LIN}> can you look?", {}),
        ("an alert", BOT),
        ("joined", {"subtype": "channel_join"}),
        ("in a thread", {"thread_ts": message_ts(1)}),
        ("from another workspace", EXTERNAL),
    ],
)
def test_bot_does_not_butt_in(text: str, event: dict[str, Any]) -> None:
    """Words to another person, bots, services, others' threads and outsiders get no answer."""
    assert admit_in(TALKATIVE, text, **event) is Verdict.IGNORE


def test_direct_messages_are_as_before() -> None:
    """The rule concerns channels."""
    direct = {"channel": "D01", "channel_type": "im"}
    assert admit_in(TALKATIVE, "hi", **direct) is Verdict.ANSWER


@pytest.mark.parametrize(
    ("rules", "verdict"),
    [
        ({}, None),
        ({"who": "list", "users": [ADA]}, None),
        ({"who": "list", "users": [LIN]}, Verdict.NOT_ALLOWED),
        ({"who": "group", "group": "S1A"}, Verdict.NOT_ALLOWED),
        ({"who": "none"}, Verdict.CHANNEL_CLOSED),
    ],
)
def test_author_learns_why_not(rules: dict[str, object], verdict: Verdict | None) -> None:
    """A closed channel has words different from a list."""
    members = frozenset({LIN})
    assert refuse_asker({ADA}, ChannelRules.model_validate(rules), members) is verdict


@pytest.mark.parametrize(
    "text",
    ["what are you told here?", "What are you told here", "*rules*", "_what_ are you TOLD here?!"],
)
def test_anybody_may_ask_for_the_rules(text: str) -> None:
    """In plain words, or by the command."""
    assert parse_command(f"{MENTION} {text}", BOT_IDENTITY) is Verdict.RULES


@pytest.mark.parametrize("text", ["current code", "*Current code*!", "current_code", "当前代码"])
def test_current_code_is_a_command(text: str) -> None:
    """Two words, which a question may contain."""
    assert parse_command(f"{MENTION} {text}", BOT_IDENTITY) is Verdict.CODE
    assert parse_command(f"{MENTION} {text} please", BOT_IDENTITY) is None


@pytest.mark.parametrize("text", ["what are you told here about tests?", "the rules", "told here"])
def test_longer_questions_are_for_the_model(text: str) -> None:
    """Only the exact question is a command."""
    assert parse_command(text, BOT_IDENTITY) is None
    assert parse_command(f"what are you told here? {'a' * 300}", BOT_IDENTITY) is None
