"""Deletion of replies: the asker or an administrator removes all messages and files of a reply."""

import contextlib
from collections.abc import Iterator

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot import texts
from bot.current_code.summary import describe_request
from bot.current_code.texts import HEADING
from contract import keys
from contract.job import job_id
from testing.polling import poll_until
from testing.processes import Process
from testing.queue_inspector import TEAM, find_job, runnable_job_ids
from testing.redis_server import RedisServer
from testing.workspace import (
    ADA,
    BOT_TOKEN,
    GENERAL,
    LIN,
    SAM,
    RefusedError,
    Workspace,
    message_texts,
)
from tests.bot.handlers.bot_starts import run_connected_bot
from tests.bot.handlers.edit_steps import ask_as_ada, post_answer, set_job_fields
from tests.bot.handlers.rework_steps import add_controls, name_files, point_to_earlier, share_file

pytestmark = pytest.mark.usefixtures("bot")


@pytest.fixture(scope="module")
def bot(server: RedisServer, workspace: Workspace) -> Iterator[Process]:
    """A bot whose administrator is Sam."""
    with run_connected_bot(workspace, server, STARCHAT_ADMINS=SAM) as process:
        yield process


def press_delete(workspace: Workspace, reply: str, user: str = ADA) -> None:
    """Press *Delete* below a reply."""
    click = {"user": user, "channel": GENERAL, "ts": reply, "action_id": "delete_reply"}
    workspace.post_json("_page/click", click)


def test_reply_is_deleted_with_its_parts_and_files(
    workspace: Workspace, redis: Redis, web: WebClient
) -> None:
    """Another reply of the thread stays; the job is long forgotten."""
    ts = ask_as_ada(workspace, redis, "@StarChat sort a list")
    first, _ = post_answer(workspace, redis, ts, "Part one", "Part two")
    web = WebClient(token=BOT_TOKEN, base_url=workspace.api_url)
    web.files_upload_v2(channel=GENERAL, thread_ts=ts, content="x = 1\n", filename="reply.py")
    poll_until(lambda: len(workspace.bot_replies(GENERAL, ts)) == 3, description="the file")
    payload = {"job": "other", "part": 1, "question": "1.000000", "state": "final"}
    other = web.chat_postMessage(
        channel=GENERAL,
        thread_ts=ts,
        text="Another",
        metadata={"event_type": keys.METADATA_EVENT_TYPE, "event_payload": payload},
    )
    add_controls(workspace, web, ts, first, ADA)
    for key in redis.scan_iter("rq:job:*"):
        redis.delete(key)
    press_delete(workspace, first)

    poll_until(
        lambda: [m["ts"] for m in workspace.bot_replies(GENERAL, ts)] == [other["ts"]],
        description="the deletion",
    )
    poll_until(lambda: not redis.exists(keys.deletion_schedule(TEAM)), description="the end")
    assert workspace.api_calls(method="files.delete")[-1]["ok"]
    assert not redis.hexists(keys.answer_cache(TEAM, GENERAL, ts), ts)


def test_other_people_cannot_delete(workspace: Workspace, redis: Redis, web: WebClient) -> None:
    """They read who can, and the reply stays."""
    ts = ask_as_ada(workspace, redis, "@StarChat sort a list")
    [reply] = post_answer(workspace, redis, ts, "An answer")
    add_controls(workspace, web, ts, reply, ADA)
    press_delete(workspace, reply, LIN)

    poll_until(
        lambda: (
            str(texts.DELETE_REFUSED) in message_texts(workspace.read_messages(GENERAL, ts, LIN))
        ),
        description="the refusal",
    )
    assert [m["ts"] for m in workspace.bot_replies(GENERAL, ts)] == [reply]


def test_second_press_changes_nothing(workspace: Workspace, redis: Redis, web: WebClient) -> None:
    """A double click is one deletion."""
    ts = ask_as_ada(workspace, redis, "@StarChat sort a list")
    [reply] = post_answer(workspace, redis, ts, "An answer")
    add_controls(workspace, web, ts, reply, ADA)
    press_delete(workspace, reply)
    with contextlib.suppress(RefusedError):
        press_delete(workspace, reply)

    poll_until(lambda: not workspace.bot_replies(GENERAL, ts), description="the deletion")
    poll_until(lambda: not redis.exists(keys.deletion_schedule(TEAM)), description="the end")


def test_deletion_of_a_dead_bot_is_completed(workspace: Workspace, redis: Redis) -> None:
    """Its request is in Redis; a malformed one beside it is dropped."""
    ts = ask_as_ada(workspace, redis, "@StarChat sort a list")
    post_answer(workspace, redis, ts, "An answer")
    redis.zadd(keys.deletion_schedule(TEAM), {f"{GENERAL}:{ts}:{ts}": 0, "poison": 0})

    poll_until(lambda: not workspace.bot_replies(GENERAL, ts), description="the deletion")
    poll_until(lambda: not redis.exists(keys.deletion_schedule(TEAM)), description="the end")


def wait_until_deleted(workspace: Workspace, redis: Redis, ts: str) -> None:
    """Wait until a question has no reply, and nothing is left to delete."""
    poll_until(lambda: not workspace.bot_replies(GENERAL, ts), description="the deletion")
    poll_until(lambda: not redis.exists(keys.deletion_schedule(TEAM)), description="the end")


def test_reaction_deletes_for_administrators_and_the_asker(
    workspace: Workspace, redis: Redis, web: WebClient
) -> None:
    """It may be to any message of the reply; other people read who can delete."""
    replies = []
    for _ in range(2):
        ts = ask_as_ada(workspace, redis, "@StarChat sort a list")
        first, second = post_answer(workspace, redis, ts, "Part one", "Part two")
        add_controls(workspace, web, ts, first, ADA)
        replies.append((ts, second))
    ts, second = replies[0]
    workspace.set_reaction(LIN, GENERAL, second, "wastebasket")
    poll_until(
        lambda: (
            str(texts.DELETE_REFUSED) in message_texts(workspace.read_messages(GENERAL, ts, LIN))
        ),
        description="the refusal",
    )
    assert len(workspace.bot_replies(GENERAL, ts)) == 2

    for (ts, second), user in zip(replies, (SAM, ADA), strict=True):
        workspace.set_reaction(user, GENERAL, second, "wastebasket")
        wait_until_deleted(workspace, redis, ts)


def test_reaction_deletes_a_pointer_to_an_earlier_answer(
    workspace: Workspace, redis: Redis, web: WebClient
) -> None:
    """Its message says who asked, long after its job is forgotten."""
    ts = ask_as_ada(workspace, redis, "@StarChat sort a list")
    reply = point_to_earlier(workspace, redis, web, ts)
    redis.delete(f"rq:job:{job_id(TEAM, GENERAL, ts)}")
    workspace.set_reaction(ADA, GENERAL, reply, "wastebasket")
    wait_until_deleted(workspace, redis, ts)
    assert not redis.hexists(keys.answer_cache(TEAM, GENERAL, ts), ts)


def test_reaction_to_a_file_deletes_its_reply(
    workspace: Workspace, redis: Redis, web: WebClient
) -> None:
    """It has no metadata: it belongs to the reply above it."""
    ts = ask_as_ada(workspace, redis, "@StarChat sort a list")
    [first] = post_answer(workspace, redis, ts, "An answer")
    web.files_upload_v2(channel=GENERAL, thread_ts=ts, content="x = 1\n", filename="reply.py")
    [_, file] = poll_until(
        lambda: (found := workspace.bot_replies(GENERAL, ts))[1:] and found, description="the file"
    )
    add_controls(workspace, web, ts, first, ADA)
    workspace.set_reaction(ADA, GENERAL, file["ts"], "wastebasket")
    wait_until_deleted(workspace, redis, ts)


@pytest.mark.parametrize("names_files", [True, False], ids=["named", "unnamed"])
def test_late_file_below_another_reply_is_deleted_with_its_own(
    workspace: Workspace, redis: Redis, web: WebClient, *, names_files: bool
) -> None:
    """
    *Show* posted it there, and the job is forgotten; the other reply may be of old times.

    The message that names the file is deleted last: until then, a second attempt finds the file.
    """
    ts = ask_as_ada(workspace, redis, "@StarChat sort a list")
    [first] = post_answer(workspace, redis, ts, "An answer")
    add_controls(workspace, web, ts, first, ADA)
    following = ask_as_ada(workspace, redis, "@StarChat and in place?", ts)
    [other] = post_answer(workspace, redis, following, "Another", thread=ts)
    file, posted = share_file(workspace, web, ts)
    name_files(workspace, web, ts, first, file)
    if names_files:
        name_files(workspace, web, ts, other)
    for question in (ts, following):
        redis.delete(f"rq:job:{job_id(TEAM, GENERAL, question)}")
    workspace.set_reaction(ADA, GENERAL, posted, "wastebasket")

    poll_until(
        lambda: [m["ts"] for m in workspace.bot_replies(GENERAL, ts)] == [other],
        description="the deletion",
    )
    poll_until(lambda: not redis.exists(keys.deletion_schedule(TEAM)), description="the end")
    assert workspace.api_calls(method="files.delete")[-1]["args"]["file"] == file
    assert workspace.api_calls(method="chat.delete")[-1]["args"]["ts"] == first


def test_reaction_deletes_current_code_for_who_asked(
    workspace: Workspace, redis: Redis, web: WebClient
) -> None:
    """With its files; the reply that it was made of stays, and other people read who can."""
    ts = ask_as_ada(workspace, redis, "@StarChat a third")
    post_answer(workspace, redis, ts, "An answer")
    web.files_upload_v2(
        channel=GENERAL,
        thread_ts=ts,
        content="x = 1\n",
        filename="a.py",
        initial_comment=str(describe_request(HEADING, ADA)),
    )
    [_, code] = poll_until(
        lambda: (found := workspace.bot_replies(GENERAL, ts))[1:] and found, description="the code"
    )
    workspace.set_reaction(LIN, GENERAL, code["ts"], "wastebasket")
    poll_until(
        lambda: (
            str(texts.DELETE_REFUSED) in message_texts(workspace.read_messages(GENERAL, ts, LIN))
        ),
        description="the refusal",
    )
    assert len(workspace.bot_replies(GENERAL, ts)) == 2
    workspace.set_reaction(ADA, GENERAL, code["ts"], "wastebasket")
    poll_until(lambda: len(workspace.bot_replies(GENERAL, ts)) == 1, description="the deletion")
    poll_until(lambda: not redis.exists(keys.deletion_schedule(TEAM)), description="the end")
    assert workspace.api_calls(method="files.delete")[-1]["ok"]


def test_reaction_to_a_waiting_question_takes_it_out_of_the_line(
    workspace: Workspace, redis: Redis
) -> None:
    """Its placeholder goes, and the next question may run."""
    ts = ask_as_ada(workspace, redis, "@StarChat one")
    following = ask_as_ada(workspace, redis, "@StarChat two", ts)
    [placeholder] = poll_until(
        lambda: [
            message["ts"]
            for message in workspace.bot_replies(GENERAL, ts)
            if message["metadata"]["event_payload"]["question"] == ts
        ],
        description="the placeholder",
    )
    poll_until(
        lambda: redis.hget(f"rq:job:{job_id(TEAM, GENERAL, ts)}", keys.PLACEHOLDER),
        description="its record",
    )
    workspace.set_reaction(ADA, GENERAL, placeholder, "wastebasket")

    poll_until(
        lambda: placeholder not in [m["ts"] for m in workspace.bot_replies(GENERAL, ts)],
        description="the deletion",
    )
    poll_until(lambda: not redis.exists(keys.deletion_schedule(TEAM)), description="the end")
    assert find_job(redis, GENERAL, ts) is None
    assert runnable_job_ids(redis) == [job_id(TEAM, GENERAL, following)]


def test_growing_reply_is_deleted_after_its_worker_has_ended_it(
    workspace: Workspace, redis: Redis
) -> None:
    """Until then its message stays, since the worker would post it again."""
    ts = ask_as_ada(workspace, redis, "@StarChat sort a list")
    [growing] = post_answer(workspace, redis, ts, "So far")
    redis.zadd(keys.PENDING_JOBS, {job_id(TEAM, GENERAL, ts): 1})
    set_job_fields(redis, ts, status="started")
    workspace.set_reaction(ADA, GENERAL, growing, "wastebasket")
    job = f"rq:job:{job_id(TEAM, GENERAL, ts)}"
    poll_until(lambda: redis.hexists(job, keys.WITHDRAWN), description="the stop")
    assert [m["ts"] for m in workspace.bot_replies(GENERAL, ts)] == [growing]

    set_job_fields(redis, ts, status="finished")
    wait_until_deleted(workspace, redis, ts)
