"""Deletion of replies: the asker removes all messages and files of a finished reply."""

import contextlib

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot import texts
from contract import keys
from testing.polling import poll_until
from testing.queue_inspector import TEAM
from testing.workspace import ADA, BOT_TOKEN, GENERAL, LIN, RefusedError, Workspace, message_texts
from tests.bot.handlers.edit_steps import ask_as_ada, post_answer
from tests.bot.handlers.rework_steps import add_controls

pytestmark = pytest.mark.usefixtures("bot")


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
