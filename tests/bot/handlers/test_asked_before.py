"""A bot whose channels link to earlier answers: the job of a like question has one, or none."""

import json
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.asked_before.terms import read_terms
from bot.asked_before.texts import QUESTION_WITHDRAWN
from bot.handlers.asked_before.answer_check import Trial
from bot.messages.votes.presses import Mark, Press, PressKind
from bot.records.asked_questions import find_like_answers, record_question
from bot.records.database import Records
from bot.records.votes import ReplyKey, VotedReply, add_press
from bot.slack.users import User
from contract import keys
from contract.earlier_answer import EarlierAnswer
from contract.job import Job, Thread
from contract.texts import WITHDRAW_BUTTON
from testing.polling import poll_until
from testing.processes import Process
from testing.queue_inspector import TEAM, find_job
from testing.redis_server import RedisServer
from testing.workspace import ADA, GENERAL, LIN, PYTHON, SAM, STARCHAT, Workspace, message_texts
from tests.bot.handlers.bot_starts import run_connected_bot
from tests.bot.handlers.edit_steps import edit_as_ada
from tests.bot.handlers.test_answer_check import answer
from tests.bot.handlers.test_reply_details import press_details, wait_for_words
from tests.bot.handlers.vote_steps import post_reply, press_vote

RULE = "asked_before = true"
FILE = f"[channels.{GENERAL}]\n{RULE}\n[channels.{PYTHON}]\n{RULE}\n"


@pytest.fixture(scope="module")
def private_channel(workspace: Workspace) -> str:
    """Create a private channel; return its id."""
    fields = {"name": "own-secret", "members": [ADA, LIN, STARCHAT], "private": True}
    return str(workspace.post_json("_control/create", fields)["channel"])


@pytest.fixture(scope="module", autouse=True)
def linking_bot(
    server: RedisServer,
    workspace: Workspace,
    private_channel: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Process]:
    """Run a bot with the rule in two public channels and a private one."""
    path: Path = tmp_path_factory.mktemp("rules") / "channels.toml"
    path.write_text(f"{FILE}[channels.{private_channel}]\n{RULE}\n", "utf-8")
    with run_connected_bot(workspace, server, STARCHAT_CHANNELS_FILE=str(path)) as process:
        yield process


@pytest.fixture
def records(workspace: Workspace) -> Iterator[Records]:
    """Open the bot's database."""
    found = Records(workspace.database_url)
    yield found
    found.close_database()


def answer_and_mark(
    workspace: Workspace, redis: Redis, web: WebClient, records: Records, text: str
) -> tuple[str, str]:
    """Let Ada ask and Lin mark the answer; return question and reply once both are stored."""
    ts, reply = post_reply(workspace, redis, web, f"@StarChat {text}")
    press_vote(workspace, ts, reply, "ran")
    terms, thread = read_terms(text), Thread(team=TEAM, channel=PYTHON, ts="1.0")
    assert terms is not None
    find = partial(find_like_answers, thread=thread, ts="1.0", terms=terms)
    poll_until(lambda: records.read(find), description="the question and its vote")
    return ts, reply


def ask(workspace: Workspace, redis: Redis, channel: str, text: str, user: str = LIN) -> Job:
    """Let Lin or another person ask; return the job as soon as it may run."""
    ts = workspace.post_message(user, channel, text)
    job: Job = poll_until(lambda: find_job(redis, channel, ts), description="the job")
    return job


def ask_until_linked(
    workspace: Workspace, redis: Redis, channel: str, text: str, user: str = LIN
) -> EarlierAnswer:
    """Let a person ask until there is a link: a busy machine may leave it out of a question."""
    found: EarlierAnswer = poll_until(
        lambda: ask(workspace, redis, channel, text, user).earlier_answer, description="a link"
    )
    return found


def test_like_question_gets_the_answer_until_it_is_withdrawn(
    workspace: Workspace, redis: Redis, web: WebClient, records: Records
) -> None:
    """In the same channel and in another one. Its author withdraws it by a button of *Details*."""
    ts, reply = answer_and_mark(workspace, redis, web, records, "how do I sort a list in Python?")
    for channel in (GENERAL, PYTHON):
        text = "@StarChat Python: sorting a list, please"
        assert ask_until_linked(workspace, redis, channel, text) == EarlierAnswer(
            author_name="Ada",
            asked_at=int(float(ts)),
            num_ran=1,
            permalink=web.chat_getPermalink(channel=GENERAL, message_ts=reply)["permalink"],
        )
    assert ask(workspace, redis, GENERAL, "@StarChat sort a dict in python").earlier_answer is None

    press_details(workspace, reply, ADA)
    wait_for_words(workspace, ts, ADA, str(WITHDRAW_BUTTON))
    [details] = [
        message["ts"]
        for message in workspace.read_messages(GENERAL, ts, ADA)
        if str(WITHDRAW_BUTTON) in str(message.get("blocks"))
    ]
    click = {"user": ADA, "channel": GENERAL, "ts": details, "action_id": "withdraw_question"}
    workspace.post_json("_page/click", click)
    poll_until(
        lambda: str(QUESTION_WITHDRAWN) in message_texts(workspace.read_messages(GENERAL, ts, ADA)),
        description="the word about the withdrawal",
    )
    again = ask(workspace, redis, GENERAL, "@StarChat sort a python list please")
    assert again.earlier_answer is None


def test_edit_of_the_earlier_question_withdraws_it(
    workspace: Workspace, redis: Redis, web: WebClient, records: Records
) -> None:
    """At once: also while the deletion waits for the database."""
    ts, _ = answer_and_mark(workspace, redis, web, records, "how do I flatten a tuple in Rust?")
    like = "@StarChat Rust: flatten a tuple"
    ask_until_linked(workspace, redis, GENERAL, like)
    edit_as_ada(workspace, ts, "@StarChat how do I zip a tuple in Rust?")

    assert ask(workspace, redis, GENERAL, like).earlier_answer is None


def test_question_that_was_edited_unseen_is_dropped(
    linking_bot: Process, workspace: Workspace, redis: Redis, web: WebClient, records: Records
) -> None:
    """A bot that was away has not seen the edit; the next hit drops the row."""
    text = "how do I rotate a matrix in Haskell?"
    ts, _ = answer_and_mark(workspace, redis, web, records, text)
    edit_as_ada(workspace, ts, "@StarChat how do I scale a matrix in Haskell?")
    terms, thread = read_terms(text), Thread(team=TEAM, channel=GENERAL, ts=ts)
    assert terms is not None
    find = partial(find_like_answers, thread=thread, ts="1.0", terms=terms)
    poll_until(lambda: not records.read(find), description="the withdrawal")
    records.write(partial(record_question, thread=thread, ts=ts, user=ADA, terms=terms))
    assert records.read(find)

    def is_noticed() -> bool:
        like = "@StarChat Haskell: rotate a matrix"
        assert ask(workspace, redis, GENERAL, like).earlier_answer is None
        return "changed question dropped" in linking_bot.log_text

    poll_until(is_noticed, description="the edit")
    poll_until(lambda: not records.read(find), description="the end of the row")


def test_answer_in_a_private_channel_is_linked_there_alone(
    linking_bot: Process,
    private_channel: str,
    workspace: Workspace,
    redis: Redis,
    web: WebClient,
    records: Records,
) -> None:
    """A public channel has no link to it, although it ran for two colleagues."""
    terms = read_terms("how do I seal a tuple in Ruby?")
    assert terms is not None
    like, text = answer(workspace, web, private_channel), "@StarChat Ruby: seal a tuple"
    record = partial(record_question, thread=like.thread, ts=like.question_ts, user=ADA)
    records.write(partial(record, terms=terms))
    key = ReplyKey(TEAM, private_channel, like.message_ts, like.version)
    facts = VotedReply(like.thread.ts, json.dumps({"question_ts": like.question_ts}))
    press = Press(ts="1.0", kind=PressKind.SET, mark=Mark.RAN)
    for user in (LIN, SAM):
        records.write(partial(add_press, key=key, user=user, press=press, reply=facts))

    def list_events(job: Job) -> list[dict[str, object]]:
        return [json.loads(line) for line in linking_bot.log_text.splitlines() if job.id in line]

    def is_refused() -> bool:
        job = ask(workspace, redis, PYTHON, text)
        assert job.earlier_answer is None
        poll_until(
            lambda: any(event["event"] == "question read" for event in list_events(job)),
            description="the log of the question",
        )
        # A busy machine may leave the check out, and then the question says nothing.
        expected = {"event": "no earlier answer linked", "found": 1, "unchecked": 0}
        return any(expected.items() <= event.items() for event in list_events(job))

    poll_until(is_refused, description="a finished check")
    found = ask_until_linked(workspace, redis, private_channel, text)
    assert found.num_ran == 2


def test_author_of_the_earlier_question_is_not_linked_to_it(
    workspace: Workspace, redis: Redis, web: WebClient, records: Records
) -> None:
    """They know that answer; a colleague is linked before and after."""
    answer_and_mark(workspace, redis, web, records, "how do I pad a tensor in Kotlin?")
    like = "@StarChat Kotlin: pad a tensor"
    ask_until_linked(workspace, redis, GENERAL, like)

    assert ask(workspace, redis, GENERAL, like, ADA).earlier_answer is None
    ask_until_linked(workspace, redis, GENERAL, like)


def test_failed_and_late_checks_find_nothing() -> None:
    """The next like question is tried."""

    def fail(channel: str) -> str:
        raise ConnectionError(channel)

    trial, late = Trial(math.inf), Trial(0)
    assert trial.run(fail, "C1") is None
    assert trial.run(str.lower, "C1") == "c1"
    assert late.run(str.lower, "C1") is None
    assert trial.num_unchecked == late.num_unchecked == 1


def test_guest_is_linked_within_the_channel_alone(
    workspace: Workspace, redis: Redis, web: WebClient, records: Records
) -> None:
    """A guest may not be in the other channel. A failure of Slack leaves out the link, no more."""
    answer_and_mark(workspace, redis, web, records, "how do I hash a tuple in Julia?")
    # The cache says otherwise, and later too: Slack is asked.
    person = {"id": SAM, "name": "sam", "real_name": "Sam"}
    workspace.send_control("person", **person, is_restricted=True)
    member = User(name="Sam", is_bot=False)
    redis.set(keys.user_profile(TEAM, SAM), member.model_dump_json())
    like = "@StarChat Julia: hash a tuple"

    assert ask(workspace, redis, PYTHON, like, SAM).earlier_answer is None
    ask_until_linked(workspace, redis, GENERAL, like, SAM)
    ask_until_linked(workspace, redis, PYTHON, like)
    guest = User(name="Sam", is_bot=False, is_guest=True)
    redis.set(keys.user_profile(TEAM, SAM), guest.model_dump_json())
    workspace.send_control("person", **person)
    ask_until_linked(workspace, redis, PYTHON, like, SAM)
    fault = {"method": "conversations.info", "fault": "error", "channel": GENERAL}
    workspace.set_faults(fault)
    try:
        assert ask(workspace, redis, GENERAL, like).earlier_answer is None
    finally:
        workspace.set_faults()
