"""Edits and deletions: a question is answered once, by its latest text."""

from collections.abc import Iterator

import pytest
from redis import Redis

from bot import texts
from contract import keys
from contract.job import job_id
from testing.earlier_answers import name_earlier_answer
from testing.polling import poll_until
from testing.processes import Process
from testing.queue_inspector import (
    TEAM,
    find_job,
    job_turns,
    pending_job_ids,
    runnable_job_ids,
)
from testing.redis_server import RedisServer
from testing.workspace import ADA, GENERAL, LIN, Workspace, message_texts
from tests.bot.handlers.edit_steps import (
    ask_as_ada,
    edit_as_ada,
    find_deliveries,
    find_offers,
    post_answer,
    press_offer,
    set_job_fields,
)


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


def names_earlier_answer(redis: Redis, ts: str) -> bool:
    """Return whether the job of a question names an answer to a like one."""
    job = find_job(redis, GENERAL, ts)
    assert job is not None
    return job.earlier_answer is not None


def test_edit_replaces_text_of_waiting_job(workspace: Workspace, redis: Redis) -> None:
    """
    The job keeps its position and gets the new text, without an offer.

    It loses the earlier answer to its old text; the job of a later question keeps its own.
    """
    first = ask_as_ada(workspace, redis, "@StarChat what is a mutx?")
    second = ask_as_ada(workspace, redis, "@StarChat and a lock?", first)
    line = (pending_job_ids(redis), runnable_job_ids(redis))
    for ts in (first, second):
        name_earlier_answer(redis, job_id(TEAM, GENERAL, ts))
    edit_as_ada(workspace, first, "@StarChat what is a mutex?")

    assert [names_earlier_answer(redis, ts) for ts in (first, second)] == [False, True]
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


def test_deleted_question_leaves_its_persons_list(workspace: Workspace, redis: Redis) -> None:
    """The Home tab links to no message that is gone."""
    ts = ask_as_ada(workspace, redis, "@StarChat what is a mutex?")
    listed = keys.user_questions(TEAM, ADA), keys.channel_questions(TEAM, GENERAL)
    redis.zadd(listed[0], {f"{GENERAL}:{ts}:{ts}": float(ts)})
    redis.zadd(listed[1], {f"{ts}:{ts}:{ADA}": float(ts)})
    workspace.delete_message(ADA, GENERAL, ts)

    poll_until(lambda: not redis.exists(*listed), description="the empty lists")


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
        assert offer["text"] == str(texts.EDITED_WHILE_RUNNING)
        press_offer(workspace, offer)
        poll_until(
            lambda: (
                str(texts.STILL_ANSWERING) in message_texts(workspace.read_messages(GENERAL, ts))
            ),
            description="the refusal",
        )
        assert len(pending_job_ids(redis)) == 1


def test_edit_of_other_message_is_ignored(workspace: Workspace, redis: Redis) -> None:
    """An edited message that never mentions the bot makes no job and no offer."""
    ts = workspace.post_message(ADA, GENERAL, "hello")
    edit_as_ada(workspace, ts, "@Lin hello")

    assert pending_job_ids(redis) == []
    assert find_offers(workspace, ts) == []


def test_mention_added_by_edit_is_asked_once(workspace: Workspace, redis: Redis) -> None:
    """The edit makes one job, a redelivery none, and a later edit updates it."""
    root = workspace.post_message(LIN, GENERAL, "the build fails")
    ts = workspace.post_message(ADA, GENERAL, "why?", root)
    edit_as_ada(workspace, ts, "why, @StarChat?")
    [event] = [e for e in workspace.delivery_attempts() if e["changed_ts"] == ts]
    workspace.redeliver_events(event["ts"])
    workspace.wait_until(lambda: len(workspace.wait_for_acks(event["ts"])) > 1)

    assert job_turns(redis, GENERAL, ts) == [("Lin", "the build fails"), ("Ada", "why, @starchat?")]
    assert len(pending_job_ids(redis)) == 1
    edit_as_ada(workspace, ts, "why does it fail, @StarChat?")
    assert job_turns(redis, GENERAL, ts)[-1] == ("Ada", "why does it fail, @starchat?")
    assert len(pending_job_ids(redis)) == 1
