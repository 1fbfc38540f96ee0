"""Re-answers: the *Answer again* button replaces the reply to an edited question."""

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
    job_turns,
    pending_job_ids,
)
from testing.workspace import ADA, BOT_TOKEN, GENERAL, LIN, Workspace, message_texts
from tests.bot.handlers.edit_steps import (
    ask_as_ada,
    edit_as_ada,
    find_offers,
    post_answer,
    press_offer,
    set_job_fields,
)

pytestmark = pytest.mark.usefixtures("bot")


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

    assert find_job(redis, GENERAL, ts) is not None
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
        lambda: (
            str(texts.QUESTION_NOT_FOUND) in message_texts(workspace.read_messages(GENERAL, ts))
        ),
        description="the refusal",
    )

    assert pending_job_ids(redis) == []
