"""Untaken questions: their authors see that they are kept, even if a worker seems free."""

import json

import pytest
from redis import Redis

from bot import texts
from contract import keys
from contract.job import job_id
from testing.polling import poll_until
from testing.queue_inspector import TEAM, find_job
from testing.workspace import ADA, GENERAL, LIN, Workspace, message_texts

pytestmark = pytest.mark.usefixtures("bot")


@pytest.fixture(autouse=True)
def free_worker(redis: Redis) -> None:
    """Report a worker with free slots; it was killed a moment ago, and takes nothing."""
    seconds, _ = redis.time()
    status = {"reported_at": seconds, "slots": 4, "busy_slots": 0}
    redis.hset(keys.WORKER_STATUSES, "w1", json.dumps(status))


def test_question_of_a_dead_worker_is_kept(workspace: Workspace) -> None:
    """A placeholder tells it, although a slot seems to be free."""
    ts = workspace.post_message(ADA, GENERAL, "@StarChat hi")
    replies = poll_until(lambda: workspace.bot_replies(GENERAL, ts), description="the placeholder")

    assert message_texts(replies) == [str(texts.QUESTION_KEPT)]


def test_next_question_of_a_thread_is_kept(workspace: Workspace) -> None:
    """A status tells it: a message would come above the reply to the first question."""
    start = len(workspace.api_calls())
    root = workspace.post_message(ADA, GENERAL, "@StarChat hi")
    workspace.post_message(LIN, GENERAL, "@StarChat and me?", root)
    [call] = poll_until(
        lambda: workspace.api_calls(start, "assistant.threads.setStatus", thread=root),
        description="the status",
    )

    # The two signs come by separate threads, in any order.
    replies = poll_until(
        lambda: workspace.bot_replies(GENERAL, root), description="the first placeholder"
    )
    assert (call["args"]["thread_ts"], call["args"]["status"]) == (
        root,
        str(texts.WAITS_IN_THREAD),
    )
    assert message_texts(replies) == [str(texts.QUESTION_KEPT)]


def test_unread_question_is_kept(workspace: Workspace) -> None:
    """Its thread is read slowly; the placeholder does not wait for that."""
    workspace.set_faults({"method": "conversations.replies", "fault": "slow", "seconds": 5})
    root = workspace.post_message(LIN, GENERAL, "the build fails")
    workspace.post_message(ADA, GENERAL, "@StarChat why?", root)
    poll_until(lambda: workspace.bot_replies(GENERAL, root), description="the placeholder")

    assert message_texts(workspace.bot_replies(GENERAL, root)) == [str(texts.QUESTION_KEPT)]
    workspace.set_faults()


def test_taken_question_gets_no_second_sign(workspace: Workspace, redis: Redis) -> None:
    """The worker that runs it posts a placeholder itself; the next question proves the wait."""
    taken = workspace.post_message(ADA, GENERAL, "@StarChat hi")
    poll_until(lambda: find_job(redis, GENERAL, taken), description="the job")
    redis.hset(f"rq:job:{job_id(TEAM, GENERAL, taken)}", "status", "started")
    waits = workspace.post_message(LIN, GENERAL, "@StarChat and me?")
    poll_until(lambda: workspace.bot_replies(GENERAL, waits), description="the placeholder")

    assert workspace.bot_replies(GENERAL, taken) == []
