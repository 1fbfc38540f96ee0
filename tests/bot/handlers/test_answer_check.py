"""Answer check: what an earlier answer must be so that a question is linked to it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis
from slack_sdk import WebClient
from structlog.testing import capture_logs

from bot.concurrency import BackgroundTasks
from bot.handlers.asked_before.answer_check import AnswerCheck
from bot.handlers.asked_before.check_threads import CheckThreads
from bot.handlers.asked_before.withdrawal import QuestionWithdrawal
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.rules.reader_languages import ReaderLanguages
from bot.handlers.votes.reply_source import ReplySource
from bot.messages.block_actions import WithdrawalRequested
from bot.records.asked_questions import LikeAnswer
from bot.rules.channel_rules import ChannelRules
from bot.slack.poster import Poster
from bot.slack.users import User, UserDirectory
from bot.store.thread_cache import ThreadCache
from bot.store.vote_outbox import VoteOutbox
from contract import keys
from contract.conversation import Speaker, Turn
from contract.job import Job, Thread, job_id
from contract.language import Language
from contract.reply_controls import ReplyAddress, ReplyVersions, build_controls
from contract.reply_details import ReplyDetails
from testing.queue_inspector import TEAM
from testing.slack_events import BOT_IDENTITY
from testing.workspace import ADA, GENERAL, LIN, PYTHON, SAM, Workspace
from tests.bot.handlers.rule_parts import build_rule_reader

RULE = ChannelRules(asked_before=True)
VERSION = "0a0b0c"
LONG_SECONDS = 600.0
"""Time limit of a check that no busy machine reaches."""


@pytest.fixture
def check(redis: Redis, web: WebClient, tmp_path: Path) -> Iterator[AnswerCheck]:
    """Check answers in two channels that have the rule."""
    rules = build_rule_reader(redis, web, tmp_path, {GENERAL: RULE, PYTHON: RULE})
    source = ReplySource(BOT_IDENTITY, ThreadCache(redis, web, BOT_IDENTITY))
    redis.set(keys.user_profile(TEAM, ADA), User(name="Ada", is_bot=False).model_dump_json())
    with ThreadPoolExecutor(1) as pool:
        users = UserDirectory(redis, web, pool, pool)
        outbox = VoteOutbox(redis, TEAM)
        threads = CheckThreads(1)
        yield AnswerCheck(
            web, rules, users, Poster(web), source, outbox, threads, max_seconds=LONG_SECONDS
        )
        threads.stop_threads()


def answer(workspace: Workspace, web: WebClient, channel: str = GENERAL) -> LikeAnswer:
    """Answer a question of Ada's as a worker does; return the answer as the database has it."""
    ts = workspace.post_raw(channel, "sort a list", user=ADA)
    controls = build_controls(
        ReplyAddress(thread_ts=ts, ts=ts, asker=ADA),
        ReplyDetails(reply_id=VERSION),
        ReplyVersions(is_cut=False, has_previous=False, has_others=False, is_covered=False),
        is_direct=False,
        has_code=True,
        language=Language.ENGLISH,
    )
    name = job_id(TEAM, channel, ts)
    payload = {"job": name, "part": 1, "question": ts, "state": "final"}
    metadata = {"event_type": keys.METADATA_EVENT_TYPE, "event_payload": payload}
    reply = web.chat_postMessage(
        channel=channel, thread_ts=ts, text="sorted(names)", blocks=controls, metadata=metadata
    )
    thread = Thread(team=TEAM, channel=channel, ts=ts)
    return LikeAnswer(thread, ts, ADA, str(reply["ts"]), VERSION, 1, 1.0)


def add_rule(check: AnswerCheck, channel: str) -> AnswerCheck:
    """Return a check for which one more channel has the rule."""
    file = {**check.rules.file, channel: RULE}
    return replace(check, rules=replace(check.rules, file=file))


def make_job(channel: str) -> Job:
    """Return a question of Lin's."""
    turn = Turn(speaker=Speaker.USER, text="sort a list", ts="9.0")
    thread = Thread(team=TEAM, channel=channel, ts="9.0")
    return Job(thread=thread, ts="9.0", user=LIN, user_team=TEAM, turns=(turn,))


def find_name(check: AnswerCheck, *likes: LikeAnswer, channel: str = PYTHON) -> str | None:
    """Return whose answer a question of Lin's in a channel is linked to."""
    job = make_job(channel)
    with capture_logs() as logs:
        found = check.find_readable(job, lambda: list(likes))
    if found is not None:
        return found.author_name
    # All were refused: no check failed, and none was late.
    counts = {"found": len(likes), "unchecked": 0}
    event = {"event": "no earlier answer linked", "log_level": "info", "job": job.id}
    assert event | counts in logs
    return None


def test_version_that_is_no_longer_shown_is_not_linked(
    check: AnswerCheck, workspace: Workspace, web: WebClient
) -> None:
    """It ran for a colleague, and the message shows another one; a shown one behind it is found."""
    shown = answer(workspace, web)
    replaced = LikeAnswer(
        shown.thread, shown.question_ts, ADA, shown.message_ts, "0d", num_ran=9, similarity=1.0
    )

    assert find_name(check, shown) == "Ada"
    assert find_name(check, replaced) is None
    assert find_name(check, replaced, shown) == "Ada"


def test_channel_without_the_rule_is_not_linked(
    check: AnswerCheck, workspace: Workspace, web: WebClient, own_channel: str
) -> None:
    """Although the channel that asks has it, and everyone can read the other one."""
    like = answer(workspace, web, own_channel)

    assert find_name(check, like) is None
    assert find_name(add_rule(check, own_channel), like) == "Ada"


def test_author_without_a_name_is_not_linked(
    check: AnswerCheck, workspace: Workspace, web: WebClient, redis: Redis
) -> None:
    """A sentence with an id says nothing, and would ping."""
    like = answer(workspace, web)
    assert find_name(check, like) == "Ada"
    unknown = User(name=ADA, is_bot=False, is_resolved=False)
    redis.set(keys.user_profile(TEAM, ADA), unknown.model_dump_json())

    assert find_name(check, like) is None


def test_private_channel_is_linked_within_itself_alone(
    check: AnswerCheck, workspace: Workspace, web: WebClient
) -> None:
    """With the rule on in both channels."""
    fields = {"name": "own-secret", "members": [ADA, LIN, BOT_IDENTITY.user_id], "private": True}
    channel = str(workspace.post_json("_control/create", fields)["channel"])
    check = add_rule(check, channel)
    like = answer(workspace, web, channel)

    assert find_name(check, like) is None
    assert find_name(check, like, channel=channel) == "Ada"


def test_question_without_a_free_thread_waits_for_none(
    check: AnswerCheck, workspace: Workspace, web: WebClient
) -> None:
    """Its check is never made; the next one is, as soon as the thread is free."""
    like, looked_up = answer(workspace, web), threading.Event()
    goes_on, num_second = threading.Event(), 0

    def look_up_slowly() -> list[LikeAnswer]:
        looked_up.set()
        goes_on.wait()
        return [like]

    def look_up_second() -> list[LikeAnswer]:
        nonlocal num_second
        num_second += 1
        return [like]

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(check.find_readable, make_job(PYTHON), look_up_slowly)
        try:
            looked_up.wait()
            # It would not wait for long, and would be made by the only thread afterwards.
            impatient = replace(check, max_seconds=0.1)
            assert impatient.find_readable(make_job(PYTHON), look_up_second) is None
        finally:
            goes_on.set()
        assert first.result() is not None
    assert find_name(check, like) == "Ada"
    assert num_second == 0


def test_asker_alone_withdraws_a_question(
    redis: Redis, web: WebClient, background: BackgroundTasks, languages: ReaderLanguages
) -> None:
    """A forged press of another person changes nothing."""
    outbox, threads = VoteOutbox(redis, TEAM), ThreadCache(redis, web, BOT_IDENTITY)
    notices = NoticeOutbox(redis, TEAM, Poster(web), threads, languages, background)
    withdrawal = QuestionWithdrawal(outbox, notices)
    thread = Thread(team=TEAM, channel=GENERAL, ts="1.0")
    address = ReplyAddress(thread_ts="1.0", ts="1.0", asker=ADA)
    for user, num_entries in ((LIN, 0), (SAM, 0), (ADA, 1)):
        withdrawal.withdraw_question(WithdrawalRequested(thread=thread, address=address, user=user))
        assert len(outbox.read_page(0)) == num_entries
