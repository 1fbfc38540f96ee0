"""Edits and deletions: a question is answered once, by its latest text."""

from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot import texts
from contract import keys
from contract.job import job_id
from testing.polling import poll_until
from testing.processes import Process
from testing.queue_inspector import (
    TEAM,
    find_job,
    finish_job,
    job_turns,
    pending_job_ids,
    runnable_job_ids,
)
from testing.redis_server import RedisServer
from testing.workspace import ADA, BOT_TOKEN, GENERAL, LIN, Workspace, message_texts

Json = dict[str, Any]


@pytest.fixture(scope="module", params=["restart", "finish"])
def setting(request: pytest.FixtureRequest) -> str:
    """Each value of `STARCHAT_ON_EDIT`."""
    return str(request.param)


@pytest.fixture(scope="module", autouse=True)
def bot(server: RedisServer, workspace: Workspace, setting: str) -> Iterator[Process]:
    """Run a bot with this setting."""
    variables = workspace.environment | {"STARCHAT_ON_EDIT": setting}
    with Process("bot", REDIS_URL=server.url, **variables) as process:
        process.wait_for_event("connected")
        workspace.wait_until_connected()
        yield process


def ask_as_ada(workspace: Workspace, redis: Redis, text: str, thread: str | None = None) -> str:
    """Ask as Ada and wait until the question is taken in; returns its `ts`."""
    ts = workspace.post_message(ADA, GENERAL, text, thread)
    poll_until(lambda: find_job(redis, GENERAL, ts), description="the job")
    poll_until(
        lambda: all(e["acked_at"] for e in workspace.delivery_attempts(ts)),
        description="acknowledgements",
    )
    return ts


def edit_as_ada(workspace: Workspace, ts: str, text: str) -> None:
    """Edit as Ada and wait until the bot has dealt with it."""
    before = len(list_acknowledgements(workspace))
    workspace.edit_message(ADA, GENERAL, ts, text)
    # Earlier events may never be acknowledged: another bot may have stopped during them.
    poll_until(
        lambda: (since := list_acknowledgements(workspace)[before:]) and all(since),
        description="the edit",
    )


def find_deliveries(workspace: Workspace, ts: str) -> list[Json]:
    """Return the deliveries that are about a message or its edits."""
    return [e for e in workspace.delivery_attempts() if ts in {e["ts"], e["changed_ts"]}]


def list_acknowledgements(workspace: Workspace) -> list[bool]:
    """Return for each message event whether it was acknowledged."""
    return [
        envelope["acked_at"] is not None
        for envelope in workspace.delivery_attempts()
        if envelope["event_type"] == "message"
    ]


def set_job_fields(redis: Redis, ts: str, **fields: str) -> None:
    """Write on the hash of a question's job."""
    for name, value in fields.items():
        redis.hset(f"rq:job:{job_id(TEAM, GENERAL, ts)}", name, value)


def post_answer(workspace: Workspace, redis: Redis, ts: str, *parts: str) -> list[str]:
    """Answer a question as a worker does; returns the messages of the reply."""
    web = WebClient(token=BOT_TOKEN, base_url=workspace.api_url)
    name = job_id(TEAM, GENERAL, ts)
    posted = []
    for number, text in enumerate(parts, 1):
        payload = {"job": name, "part": number, "question": ts, "state": "final"}
        words = {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
        said = web.chat_postMessage(
            channel=GENERAL,
            text=text,
            thread_ts=ts,
            blocks=[{"type": "rich_text", "elements": [words]}],
            metadata={"event_type": keys.METADATA_EVENT_TYPE, "event_payload": payload},
        )
        posted.append(str(said["ts"]))
    finish_job(redis, name)
    redis.lrem("rq:queue:starchat", 0, name)
    set_job_fields(redis, ts, status="finished", **{keys.PLACEHOLDER: posted[0]})
    return posted


def find_offers(workspace: Workspace, thread: str, user: str = ADA) -> list[Json]:
    """Return the buttons that a person sees in a thread."""
    return [
        message
        for message in workspace.read_messages(GENERAL, thread, user)
        if any(block["type"] == "actions" for block in message.get("blocks", []))
    ]


def press_offer(workspace: Workspace, offer: Json) -> None:
    """Press the button of an offer as Ada."""
    wish = {"user": ADA, "channel": GENERAL, "ts": offer["ts"], "action_id": "answer_again"}
    workspace.post_json("_page/click", wish)


def test_edit_replaces_text_of_waiting_job(workspace: Workspace, redis: Redis) -> None:
    """The job keeps its position and gets the new text, without an offer."""
    first = ask_as_ada(workspace, redis, "@StarChat what is a mutx?")
    second = ask_as_ada(workspace, redis, "@StarChat and a lock?", first)
    line = (pending_job_ids(redis), runnable_job_ids(redis))
    edit_as_ada(workspace, first, "@StarChat what is a mutex?")

    assert job_turns(redis, GENERAL, first) == [(None, "what is a mutex?")]
    assert [text for _, text in job_turns(redis, GENERAL, second)] == [
        "what is a mutex?",
        "and a lock?",
    ]
    edit_as_ada(workspace, second, "@StarChat and a spin lock?")
    assert job_turns(redis, GENERAL, second)[-1] == (None, "and a spin lock?")
    assert (pending_job_ids(redis), runnable_job_ids(redis)) == line
    assert find_offers(workspace, first) == []


@pytest.mark.parametrize("seed", [0, 3])
def test_edit_before_its_question_is_applied(workspace: Workspace, redis: Redis, seed: int) -> None:
    """In either order of the two events, the job has the new text."""
    workspace.set_faults(deliveries={"reorder": 4, "hold": 1.0}, seed=seed)
    ts = workspace.post_message(ADA, GENERAL, "@StarChat what is a mutx?")
    workspace.edit_message(ADA, GENERAL, ts, "@StarChat what is a mutex?")
    workspace.wait_until(
        lambda: len(sent := find_deliveries(workspace, ts)) > 2 and all(e["acked_at"] for e in sent)
    )
    workspace.set_faults()

    assert job_turns(redis, GENERAL, ts) == [(None, "what is a mutex?")]


def test_deleted_message_leaves_waiting_jobs(workspace: Workspace, redis: Redis) -> None:
    """The text of a deleted message is removed from the payloads of later questions."""
    root = workspace.post_message(LIN, GENERAL, "my key is hunter2")
    ts = ask_as_ada(workspace, redis, "@StarChat why?", root)
    assert len(job_turns(redis, GENERAL, ts)) == 2
    workspace.delete_message(LIN, GENERAL, root)
    poll_until(lambda: len(job_turns(redis, GENERAL, ts)) == 1, description="the smaller job")

    assert [text for _, text in job_turns(redis, GENERAL, ts)] == ["why?"]


def test_unfurl_is_no_edit(workspace: Workspace, redis: Redis) -> None:
    """An answered question that unfurls, or is saved unchanged, gets no offer."""
    ts = ask_as_ada(workspace, redis, "@StarChat what is https://example.com?")
    post_answer(workspace, redis, ts, "A page.")
    edit_as_ada(workspace, ts, "@StarChat what is https://example.com?")
    edit_as_ada(workspace, ts, "@StarChat what is https://example.org?")
    poll_until(lambda: find_offers(workspace, ts), description="the offer")

    assert len(find_offers(workspace, ts)) == 1


def test_edit_to_command_cancels_job(workspace: Workspace, redis: Redis) -> None:
    """A question that is edited into a command is not answered."""
    ts = ask_as_ada(workspace, redis, "@StarChat my secret")
    poll_until(lambda: workspace.bot_replies(GENERAL, ts), description="the placeholder")
    edit_as_ada(workspace, ts, "@StarChat help")

    assert pending_job_ids(redis) == []
    poll_until(
        lambda: not workspace.bot_replies(GENERAL, ts),
        description="the deletion of the placeholder",
    )


def test_edit_of_running_question_follows_setting(
    workspace: Workspace, redis: Redis, setting: str
) -> None:
    """With `restart` the job gets the new text; with `finish` its author gets the button."""
    ts = ask_as_ada(workspace, redis, "@StarChat what is a mutx?")
    set_job_fields(redis, ts, status="started", worker_name="w1")
    edit_as_ada(workspace, ts, "@StarChat what is a mutex?")

    if setting == "restart":
        assert job_turns(redis, GENERAL, ts) == [(None, "what is a mutex?")]
        assert find_offers(workspace, ts) == []
    else:
        assert job_turns(redis, GENERAL, ts) == [(None, "what is a mutx?")]
        [offer] = poll_until(lambda: find_offers(workspace, ts), description="the offer")
        assert offer["text"] == texts.EDITED_WHILE_RUNNING
        press_offer(workspace, offer)
        poll_until(
            lambda: texts.STILL_ANSWERING in message_texts(workspace.read_messages(GENERAL, ts)),
            description="the refusal",
        )
        assert len(pending_job_ids(redis)) == 1


def test_reanswer_replaces_old_reply(workspace: Workspace, redis: Redis) -> None:
    """Only the author sees the button; the new answer replaces the old message."""
    ts = ask_as_ada(workspace, redis, "@StarChat what is a mutx?")
    first, rest = post_answer(workspace, redis, ts, "A muckle?", "More of it.")
    edit_as_ada(workspace, ts, "@StarChat what is a mutex?")
    [offer] = poll_until(lambda: find_offers(workspace, ts), description="the offer")
    assert find_offers(workspace, ts, LIN) == []
    press_offer(workspace, offer)
    poll_until(lambda: pending_job_ids(redis), description="the job")

    assert job_turns(redis, GENERAL, ts) == [(None, "what is a mutex?")]
    name = f"rq:job:{job_id(TEAM, GENERAL, ts)}"
    assert redis.hget(name, keys.PLACEHOLDER) == first.encode()
    poll_until(lambda: not find_offers(workspace, ts), description="the end of the offer")
    poll_until(lambda: rest not in {m["ts"] for m in workspace.bot_replies(GENERAL, ts)})
    assert [m["ts"] for m in workspace.bot_replies(GENERAL, ts)] == [first]


def test_reanswer_deletes_old_file(workspace: Workspace, redis: Redis) -> None:
    """The file of the old reply is deleted with it."""
    ts = ask_as_ada(workspace, redis, "@StarChat sort a list")
    [first] = post_answer(workspace, redis, ts, "As a file:")
    web = WebClient(token=BOT_TOKEN, base_url=workspace.api_url)
    shared = web.files_upload_v2(
        channel=GENERAL, thread_ts=ts, content="sorted(x)\n", filename="reply.py"
    )
    set_job_fields(redis, ts, **{f"{keys.FILE_ID_PREFIX}2": str(shared["files"][0]["id"])})
    poll_until(lambda: len(workspace.bot_replies(GENERAL, ts)) == 2, description="the file")
    edit_as_ada(workspace, ts, "@StarChat sort a list in place")
    [offer] = poll_until(lambda: find_offers(workspace, ts), description="the offer")
    press_offer(workspace, offer)

    poll_until(
        lambda: len(workspace.bot_replies(GENERAL, ts)) == 1, description="the end of the file"
    )
    assert [m["ts"] for m in workspace.bot_replies(GENERAL, ts)] == [first]


def test_reanswer_finds_reply_after_job_expired(workspace: Workspace, redis: Redis) -> None:
    """After the job has expired, the reply is found by its metadata in the thread."""
    ts = ask_as_ada(workspace, redis, "@StarChat what is a mutx?")
    [reply] = post_answer(workspace, redis, ts, "A muckle?")
    redis.delete(f"rq:job:{job_id(TEAM, GENERAL, ts)}", keys.thread_cache(TEAM, GENERAL, ts))
    edit_as_ada(workspace, ts, "@StarChat what is a mutex?")
    [offer] = poll_until(lambda: find_offers(workspace, ts), description="the offer")
    press_offer(workspace, offer)
    poll_until(lambda: pending_job_ids(redis), description="the job")

    name = f"rq:job:{job_id(TEAM, GENERAL, ts)}"
    assert redis.hget(name, keys.PLACEHOLDER) == reply.encode()


def test_redelivered_edit_is_offered_once(workspace: Workspace, redis: Redis, bot: Process) -> None:
    """A redelivered edit is not offered again; a second edit is."""
    workspace.set_faults(deliveries={"duplicate": 1.0, "copies": 3})
    ts = ask_as_ada(workspace, redis, "@StarChat what is a mutx?")
    post_answer(workspace, redis, ts, "A muckle?")
    edit_as_ada(workspace, ts, "@StarChat what is a mutex?")
    poll_until(lambda: find_offers(workspace, ts), description="the offer")
    edit_as_ada(workspace, ts, "@StarChat what is a semaphore?")
    poll_until(lambda: len(find_offers(workspace, ts)) == 2, description="the second offer")
    workspace.set_faults()

    assert "what is a" not in bot.log_text


def test_reanswer_of_deleted_question_is_refused(workspace: Workspace, redis: Redis) -> None:
    """The author of a deleted question reads that it is gone."""
    ts = ask_as_ada(workspace, redis, "@StarChat what is a mutx?")
    post_answer(workspace, redis, ts, "A muckle?")
    edit_as_ada(workspace, ts, "@StarChat what is a mutex?")
    [offer] = poll_until(lambda: find_offers(workspace, ts), description="the offer")
    workspace.delete_message(ADA, GENERAL, ts)
    copy = keys.thread_cache(TEAM, GENERAL, ts)
    poll_until(lambda: b"mutex" not in (redis.hget(copy, ts) or b""), description="the deletion")
    press_offer(workspace, offer)
    poll_until(
        lambda: texts.QUESTION_NOT_FOUND in message_texts(workspace.read_messages(GENERAL, ts)),
        description="the refusal",
    )

    assert pending_job_ids(redis) == []


def test_edit_of_other_message_is_ignored(workspace: Workspace, redis: Redis) -> None:
    """An edited message that was no question makes no job and no offer."""
    ts = workspace.post_message(ADA, GENERAL, "hello")
    edit_as_ada(workspace, ts, "@StarChat hello")

    assert pending_job_ids(redis) == []
    assert find_offers(workspace, ts) == []
