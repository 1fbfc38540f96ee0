"""Current code: a thread's code as files in the thread, once for each request."""

import json

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.current_code import texts
from bot.handlers.current_code.delivery import MAX_TRIES
from contract import keys
from contract.answers import Answer
from contract.attached_files import CachedFile
from testing.polling import poll_until
from testing.queue_inspector import TEAM, find_job
from testing.workspace import ADA, BOT_TOKEN, GENERAL, LIN, Workspace, message_texts
from tests.bot.handlers.edit_steps import ask_as_ada, post_answer
from tests.bot.handlers.rework_steps import add_controls, wait_for_word

pytestmark = pytest.mark.usefixtures("bot")

POSTED = "import os\n\n\ndef half(n):\n    return n / 2\n"
HALF = "def half(n):\n    return n // 2\n"
THIRD = "def third(n):\n    return n / 3\n"


def store_answer(
    redis: Redis, thread: str, ts: str, code: str, *, is_covered: bool = False
) -> None:
    """Store a reply with a block of code, as a worker does."""
    answer = Answer(text=f"Here:\n\n```python\n{code}```\n", is_covered=is_covered)
    redis.hset(keys.answer_cache(TEAM, GENERAL, thread), ts, answer.model_dump_json())


def press_code(workspace: Workspace, reply: str, user: str = LIN) -> None:
    """Press *Current code* below a reply."""
    click = {"user": user, "channel": GENERAL, "ts": reply, "action_id": "current_code"}
    workspace.post_json("_page/click", click)


def find_files(workspace: Workspace, thread: str) -> list[dict[str, str]]:
    """Return the files that the bot has shared in a thread, each with its message's text."""
    return [
        {**file, "comment": message["text"], "ts": message["ts"]}
        for message in workspace.bot_replies(GENERAL, thread)
        for file in message.get("files") or []
    ]


def wait_for_files(workspace: Workspace, thread: str, count: int) -> list[dict[str, str]]:
    """Wait until the bot has shared so many files in a thread."""

    def find_all() -> list[dict[str, str]] | None:
        found = find_files(workspace, thread)
        return found if len(found) >= count else None

    return poll_until(find_all, description="the files")


def wait_for_end(redis: Redis) -> None:
    """Wait until no run is left."""
    poll_until(lambda: not redis.exists(keys.code_schedule(TEAM)), description="the end")


def post_file(workspace: Workspace, redis: Redis, text: str) -> str:
    """Ask about a file whose text a worker has read; return the `ts` of the question."""
    file = {"name": "app.py", "content": POSTED}
    ts = workspace.post_message(ADA, GENERAL, text, files=[file])
    [message] = [m for m in workspace.read_messages(GENERAL) if m["ts"] == ts]
    share = keys.file_field(message["files"][0]["id"], ts)
    cached = CachedFile(text=POSTED).model_dump_json()
    redis.hset(keys.file_cache(TEAM, GENERAL, ts), share, cached)
    poll_until(lambda: find_job(redis, GENERAL, ts), description="the job")
    return ts


def test_three_turns_become_files(workspace: Workspace, redis: Redis, web: WebClient) -> None:
    """One message for a press of another person; a second press is another message."""
    ts = post_file(workspace, redis, "@StarChat halve *whole* numbers")
    [reply] = post_answer(workspace, redis, ts, "Half")
    store_answer(redis, ts, ts, HALF)
    second = ask_as_ada(workspace, redis, "@StarChat and a third", ts)
    store_answer(redis, ts, second, "# app.py\n" + THIRD)
    add_controls(workspace, web, ts, reply, ADA)
    press_code(workspace, reply)
    files = wait_for_files(workspace, ts, 2)
    wait_for_end(redis)

    assert [(one["title"], one["filetype"]) for one in files] == [
        ("app.py", "python"),
        ("app.py.diff", "diff"),
    ]
    whole = POSTED.replace("n / 2", "n // 2") + "\n\n" + THIRD
    assert files[0]["preview"] == whole
    assert "-    return n / 2\n+    return n // 2\n" in files[1]["preview"]
    comment = files[0]["comment"]
    assert comment.startswith(str(texts.HEADING))
    assert "Ada (“halve whole numbers”)" in comment
    assert "Ada (“and a third”)" in comment
    press_code(workspace, reply)
    again = wait_for_files(workspace, ts, 4)
    assert ([one["preview"] for one in again[::2]], len({one["ts"] for one in again})) == (
        [whole, whole],
        2,
    )


def test_words_ask_for_it_too(workspace: Workspace, redis: Redis) -> None:
    """In Chinese as well; Slack's second event of a mention is no second request."""
    ts = ask_as_ada(workspace, redis, "@StarChat a third")
    post_answer(workspace, redis, ts, "Third")
    store_answer(redis, ts, ts, THIRD)
    word = workspace.post_message(LIN, GENERAL, "@StarChat 当前代码", ts)
    [file] = wait_for_files(workspace, ts, 1)
    wait_for_end(redis)
    workspace.wait_for_acks(word)

    assert (file["title"], file["preview"]) == ("third.py", THIRD)
    assert len(find_files(workspace, ts)) == 1


def test_deleted_reply_leaves_the_code(workspace: Workspace, redis: Redis, web: WebClient) -> None:
    """The files below a reply are no parts of it."""
    ts = ask_as_ada(workspace, redis, "@StarChat a third")
    [reply] = post_answer(workspace, redis, ts, "Third")
    store_answer(redis, ts, ts, THIRD)
    add_controls(workspace, web, ts, reply, ADA)
    press_code(workspace, reply)
    wait_for_files(workspace, ts, 1)
    click = {"user": ADA, "channel": GENERAL, "ts": reply, "action_id": "delete_reply"}
    workspace.post_json("_page/click", click)
    poll_until(
        lambda: reply not in [m["ts"] for m in workspace.bot_replies(GENERAL, ts)],
        description="the deletion",
    )
    poll_until(lambda: not redis.exists(keys.deletion_schedule(TEAM)), description="the end")
    assert [one["title"] for one in find_files(workspace, ts)] == ["third.py"]


def test_code_that_is_not_shown_is_counted(
    workspace: Workspace, redis: Redis, web: WebClient
) -> None:
    """Of a covered reply, and in a file of a reply whose text is no longer kept."""
    ts = ask_as_ada(workspace, redis, "@StarChat a third")
    post_answer(workspace, redis, ts, "Third")
    store_answer(redis, ts, ts, THIRD)
    second = ask_as_ada(workspace, redis, "@StarChat halve", ts)
    post_answer(workspace, redis, second, "It is covered.", thread=ts)
    store_answer(redis, ts, second, HALF, is_covered=True)
    third = ask_as_ada(workspace, redis, "@StarChat and a fourth", ts)
    [last] = post_answer(workspace, redis, third, "In a file", thread=ts)
    web.files_upload_v2(channel=GENERAL, thread_ts=ts, content="x = 1\n", filename="reply.py")
    poll_until(lambda: find_files(workspace, ts), description="the file of the reply")
    add_controls(workspace, web, ts, last, ADA)
    press_code(workspace, last)
    [_, file] = wait_for_files(workspace, ts, 2)
    wait_for_end(redis)

    assert file["preview"] == THIRD
    assert file["comment"].split("\n")[-3:] == [
        str(texts.describe_lost(1)),
        str(texts.describe_covered(1)),
        str(texts.REQUESTER_LINE.with_values(user=f"<@{LIN}>")),
    ]


def test_thread_without_code_gets_a_word(workspace: Workspace, redis: Redis) -> None:
    """For the person who asked alone."""
    ts = ask_as_ada(workspace, redis, "@StarChat hello")
    post_answer(workspace, redis, ts, "Hello!")
    workspace.post_message(LIN, GENERAL, "@StarChat current code", ts)
    wait_for_word(workspace, ts, str(texts.CODE_MISSING), LIN)
    shown = message_texts(workspace.read_messages(GENERAL, ts, ADA))
    assert str(texts.CODE_MISSING) not in shown


def test_request_while_one_runs_gets_a_word(workspace: Workspace, redis: Redis) -> None:
    """The thread's run is of another bot, which may be dead: it is completed, once."""
    ts = ask_as_ada(workspace, redis, "@StarChat a third")
    [reply] = post_answer(workspace, redis, ts, "Third")
    store_answer(redis, ts, ts, THIRD)
    web = WebClient(token=BOT_TOKEN, base_url=workspace.api_url)
    add_controls(workspace, web, ts, reply, ADA)
    redis.hset(keys.code_run(TEAM, GENERAL, ts), mapping={"user": ADA, "tries": 1})
    redis.zadd(keys.code_schedule(TEAM), {f"{GENERAL}:{ts}": 2**40})
    press_code(workspace, reply)
    wait_for_word(workspace, ts, str(texts.CODE_RUNNING), LIN)
    assert not find_files(workspace, ts)
    redis.zadd(keys.code_schedule(TEAM), {f"{GENERAL}:{ts}": 0, "poison": 0})
    assert len(wait_for_files(workspace, ts, 1)) == 1
    wait_for_end(redis)


def test_files_of_a_dead_bot_are_shared_once(workspace: Workspace, redis: Redis) -> None:
    """Its uploads are in Redis; what Slack shows already is not shared again."""
    ts = ask_as_ada(workspace, redis, "@StarChat a third")
    post_answer(workspace, redis, ts, "Third")
    store_answer(redis, ts, ts, THIRD)
    workspace.post_message(LIN, GENERAL, "@StarChat current code", ts)
    [file] = wait_for_files(workspace, ts, 1)
    wait_for_end(redis)
    recorded = json.dumps([{"id": file["id"], "title": "third.py"}])
    redis.hset(
        keys.code_run(TEAM, GENERAL, ts), mapping={"user": LIN, "tries": 1, "files": recorded}
    )
    redis.zadd(keys.code_schedule(TEAM), {f"{GENERAL}:{ts}": 0})
    wait_for_end(redis)

    assert [one["title"] for one in find_files(workspace, ts)] == ["third.py"]


def test_app_without_the_permission_says_so(workspace: Workspace, redis: Redis) -> None:
    """Nothing is posted into the thread."""
    ts = ask_as_ada(workspace, redis, "@StarChat a third")
    post_answer(workspace, redis, ts, "Third")
    store_answer(redis, ts, ts, THIRD)
    method = "files.getUploadURLExternal"
    workspace.set_faults({"fault": "error", "method": method, "error": "missing_scope"})
    workspace.post_message(LIN, GENERAL, "@StarChat current code", ts)
    wait_for_word(workspace, ts, str(texts.CODE_NOT_ALLOWED), LIN)
    workspace.set_faults()
    assert not find_files(workspace, ts)


def test_run_that_ends_its_bots_is_given_up(workspace: Workspace, redis: Redis) -> None:
    """After as many tries as if Slack had failed; its person reads so."""
    ts = ask_as_ada(workspace, redis, "@StarChat a third")
    post_answer(workspace, redis, ts, "Third")
    store_answer(redis, ts, ts, THIRD)
    run = keys.code_run(TEAM, GENERAL, ts)
    redis.hset(run, mapping={"user": LIN, "tries": MAX_TRIES})
    redis.zadd(keys.code_schedule(TEAM), {f"{GENERAL}:{ts}": 0})
    wait_for_word(workspace, ts, str(texts.CODE_NOT_SHARED), LIN)
    wait_for_end(redis)
    assert not find_files(workspace, ts)
