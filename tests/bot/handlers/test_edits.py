"""Who edits a question is answered to what it says now, once."""

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
    # What came before may stay unanswered for ever: it may have met the end of another bot.
    poll_until(
        lambda: (since := list_acknowledgements(workspace)[before:]) and all(since),
        description="the edit",
    )


def find_deliveries(workspace: Workspace, ts: str) -> list[Json]:
    """Return the deliveries that are about a message or its edits."""
    return [e for e in workspace.delivery_attempts() if ts in {e["ts"], e["changed_ts"]}]


def list_acknowledgements(workspace: Workspace) -> list[bool]:
    """Return which changes of messages were acknowledged."""
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


def test_a_waiting_question_is_answered_as_it_is_now(workspace: Workspace, redis: Redis) -> None:
    """The job keeps its place in line and holds the new text; nobody is asked anything."""
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
def test_an_edit_that_comes_before_its_question_is_not_lost(
    workspace: Workspace, redis: Redis, seed: int
) -> None:
    """In whatever order Slack tells of both, at once or not, the job has the new text."""
    workspace.set_faults(deliveries={"reorder": 4, "hold": 1.0}, seed=seed)
    ts = workspace.post_message(ADA, GENERAL, "@StarChat what is a mutx?")
    workspace.edit_message(ADA, GENERAL, ts, "@StarChat what is a mutex?")
    workspace.wait_until(
        lambda: len(sent := find_deliveries(workspace, ts)) > 2 and all(e["acked_at"] for e in sent)
    )
    workspace.set_faults()

    assert job_turns(redis, GENERAL, ts) == [(None, "what is a mutex?")]


def test_a_waiting_job_loses_what_is_deleted_before_it(workspace: Workspace, redis: Redis) -> None:
    """The text of an earlier message leaves the payloads of later questions with it."""
    root = workspace.post_message(LIN, GENERAL, "my key is hunter2")
    ts = ask_as_ada(workspace, redis, "@StarChat why?", root)
    assert len(job_turns(redis, GENERAL, ts)) == 2
    workspace.delete_message(LIN, GENERAL, root)
    poll_until(lambda: len(job_turns(redis, GENERAL, ts)) == 1, description="the smaller job")

    assert [text for _, text in job_turns(redis, GENERAL, ts)] == ["why?"]


def test_what_slack_does_with_a_link_is_no_edit(workspace: Workspace, redis: Redis) -> None:
    """An answered question that unfurls, or is saved unchanged, offers nothing."""
    ts = ask_as_ada(workspace, redis, "@StarChat what is https://example.com?")
    post_answer(workspace, redis, ts, "A page.")
    edit_as_ada(workspace, ts, "@StarChat what is https://example.com?")
    edit_as_ada(workspace, ts, "@StarChat what is https://example.org?")
    poll_until(lambda: find_offers(workspace, ts), description="the offer")

    assert len(find_offers(workspace, ts)) == 1


def test_a_question_that_becomes_a_command_is_withdrawn(workspace: Workspace, redis: Redis) -> None:
    """Nobody wants an answer to what is no question any more."""
    ts = ask_as_ada(workspace, redis, "@StarChat my secret")
    poll_until(lambda: workspace.bot_replies(GENERAL, ts), description="the sign")
    edit_as_ada(workspace, ts, "@StarChat help")

    assert pending_job_ids(redis) == []
    poll_until(lambda: not workspace.bot_replies(GENERAL, ts), description="the end of the sign")


def test_a_running_question_is_begun_anew_or_finished_first(
    workspace: Workspace, redis: Redis, setting: str
) -> None:
    """As the operator wants it: the job gets the new text, or the person gets the button."""
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


def test_an_answered_question_is_answered_again_on_request(
    workspace: Workspace, redis: Redis
) -> None:
    """The asker alone sees the button; the new answer comes in the place of the old one."""
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


def test_the_file_of_an_old_reply_goes_with_it(workspace: Workspace, redis: Redis) -> None:
    """Code that was asked for in other words would stand under the new answer."""
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


def test_a_reply_is_found_in_slack_where_redis_has_forgotten_the_job(
    workspace: Workspace, redis: Redis
) -> None:
    """An hour later the job is gone; the thread still says which message answers."""
    ts = ask_as_ada(workspace, redis, "@StarChat what is a mutx?")
    [reply] = post_answer(workspace, redis, ts, "A muckle?")
    redis.delete(f"rq:job:{job_id(TEAM, GENERAL, ts)}", keys.thread_cache(TEAM, GENERAL, ts))
    edit_as_ada(workspace, ts, "@StarChat what is a mutex?")
    [offer] = poll_until(lambda: find_offers(workspace, ts), description="the offer")
    press_offer(workspace, offer)
    poll_until(lambda: pending_job_ids(redis), description="the job")

    name = f"rq:job:{job_id(TEAM, GENERAL, ts)}"
    assert redis.hget(name, keys.PLACEHOLDER) == reply.encode()


def test_an_edit_that_is_delivered_twice_offers_once(
    workspace: Workspace, redis: Redis, bot: Process
) -> None:
    """Slack repeats what it believes lost; each edit is another occasion."""
    workspace.set_faults(deliveries={"duplicate": 1.0, "copies": 3})
    ts = ask_as_ada(workspace, redis, "@StarChat what is a mutx?")
    post_answer(workspace, redis, ts, "A muckle?")
    edit_as_ada(workspace, ts, "@StarChat what is a mutex?")
    poll_until(lambda: find_offers(workspace, ts), description="the offer")
    edit_as_ada(workspace, ts, "@StarChat what is a semaphore?")
    poll_until(lambda: len(find_offers(workspace, ts)) == 2, description="the second offer")
    workspace.set_faults()

    assert "what is a" not in bot.log_text


def test_a_question_that_was_deleted_is_not_answered_again(
    workspace: Workspace, redis: Redis
) -> None:
    """Who presses the button of a question that is gone reads so."""
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


def test_an_edit_of_what_nobody_asked_us_changes_nothing(
    workspace: Workspace, redis: Redis
) -> None:
    """Most messages that people edit are none of our business, nor become so by it."""
    ts = workspace.post_message(ADA, GENERAL, "hello")
    edit_as_ada(workspace, ts, "@StarChat hello")

    assert pending_job_ids(redis) == []
    assert find_offers(workspace, ts) == []
