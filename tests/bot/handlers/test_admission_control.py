"""Admission control where guests are denied: what the lookup of the author decides."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.handlers.admission_control import AdmissionControl, UserLookupError
from bot.handlers.job_builder import JobBuilder, Source
from bot.messages.admission import Policy, Verdict
from bot.messages.message import AuthorKind
from bot.slack.users import UserDirectory
from bot.store.acceptance import QueueLimits
from bot.store.job_queue import JobQueue
from bot.store.job_updates import JobUpdates
from bot.store.thread_cache import ALL_PEOPLE, ThreadCache
from bot.store.thread_modes import ThreadModes
from contract import keys
from contract.job import Streaming
from testing.slack_events import BOT_IDENTITY, MENTION, make_message_event, message_ts
from testing.workspace import ADA, DEPLOYBOT, GENERAL, Workspace
from tests.bot.handlers.rule_parts import build_rule_reader


@pytest.fixture
def admission(redis: Redis, web: WebClient, tmp_path: Path) -> Iterator[AdmissionControl]:
    """Return an admission control that denies guests."""
    with ThreadPoolExecutor(1) as names, ThreadPoolExecutor(1) as authors:
        users = UserDirectory(redis, web, names, authors)
        builder = JobBuilder(
            BOT_IDENTITY, Streaming.EDITS, ThreadCache(redis, web, BOT_IDENTITY), users
        )
        yield AdmissionControl(
            BOT_IDENTITY,
            Policy(allow_guests=False),
            ThreadModes(redis),
            builder,
            users,
            JobQueue(redis, QueueLimits()),
            JobUpdates(redis),
            build_rule_reader(redis, web, tmp_path),
        )


def test_author_that_slack_does_not_know_is_refused(admission: AdmissionControl) -> None:
    """Slack's answer is certain."""
    post = make_message_event(user="U0NOBODY01")

    assert admission.admit_message(post, Source.SLACK).verdict is Verdict.OUTSIDER


@pytest.mark.parametrize(
    "fault", [{"fault": "ratelimited"}, {"fault": "error", "error": "missing_scope"}]
)
def test_failed_lookup_is_no_refusal(
    admission: AdmissionControl, workspace: Workspace, fault: dict[str, str]
) -> None:
    """The bot tries again; after the last try, the author is asked to try again."""
    workspace.set_faults({"method": "users.info", **fault})
    try:
        with pytest.raises(UserLookupError):
            admission.admit_message(make_message_event(), Source.SLACK)
        last = admission.admit_message(make_message_event(), Source.LAST_TRY).verdict
    finally:
        workspace.set_faults()

    assert last is Verdict.UNVERIFIED
    assert admission.admit_message(make_message_event(), Source.SLACK).verdict is Verdict.ANSWER


@pytest.mark.parametrize(
    ("user", "is_person"), [(ADA, True), (DEPLOYBOT, False), ("U0NOBODY01", False)]
)
def test_message_posted_by_a_tool_is_its_persons(
    admission: AdmissionControl, *, user: str, is_person: bool
) -> None:
    """An app may post for a person: the user's profile decides who wrote the message."""
    post = admission.resolve_author(
        make_message_event(user=user, bot_id="B0TOOL0001"), Source.SLACK
    )

    assert post.message is not None
    assert (post.message.kind is AuthorKind.PERSON) is is_person
    assert (not post.bot_ids) is is_person
    if is_person:
        assert admission.admit_message(post, Source.SLACK).verdict is Verdict.ANSWER


def test_talk_before_the_first_question_is_no_follow_up(
    admission: AdmissionControl, redis: Redis
) -> None:
    """After an outage, a thread may hold messages that the bot reads after a later question."""
    talk, question, follow_up = (
        make_message_event(number, text, thread_ts=message_ts(1))
        for number, text in ((2, "it fails"), (3, MENTION), (4, "and here?"))
    )
    people = keys.thread_people(talk.thread.team, talk.thread.channel, talk.thread.ts)
    redis.sadd(people, "", ALL_PEOPLE, ADA)
    admission.thread_modes.join_thread(question.thread, question.ts)

    assert admission.admit_message(talk, Source.SLACK).verdict is Verdict.IGNORE
    assert admission.admit_message(follow_up, Source.SLACK).verdict is Verdict.ANSWER


def test_failed_lookup_of_a_tools_user_is_repeated(
    admission: AdmissionControl, workspace: Workspace
) -> None:
    """A question is not dropped while Slack does not say whether a person asked it."""
    post = make_message_event(bot_id="B0TOOL0001")
    workspace.set_faults({"method": "users.info", "fault": "ratelimited"})
    try:
        with pytest.raises(UserLookupError):
            admission.resolve_author(post, Source.SLACK)
        assert admission.resolve_author(post, Source.LAST_TRY).bot_ids
    finally:
        workspace.set_faults()

    assert not admission.resolve_author(post, Source.SLACK).bot_ids


def test_presser_must_be_one_who_may_ask(admission: AdmissionControl) -> None:
    """A guest, a member of another workspace, and a person whom Slack does not know may not."""
    for user, team, verdict in (
        (ADA, BOT_IDENTITY.team, None),
        (ADA, "T0OTHER001", Verdict.OUTSIDER),
        ("U0NOBODY01", BOT_IDENTITY.team, Verdict.OUTSIDER),
    ):
        assert admission.admit_presser(GENERAL, user, team, Source.SLACK)[1] is verdict
