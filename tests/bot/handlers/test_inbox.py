"""Inbox: a question is acknowledged before its thread is read, and no slow read delays others."""

from collections.abc import Iterator

import pytest
from redis import Redis

from bot import texts
from contract import keys
from contract.job import job_id
from testing.polling import poll_until
from testing.processes import Process
from testing.queue_inspector import TEAM, find_job, job_turns, pending_job_ids, runnable_job_ids
from testing.workspace import ADA, GENERAL, LIN, PYTHON, SAM, STARCHAT, Workspace

pytestmark = pytest.mark.usefixtures("bot")

REFUSED_READ = {"method": "conversations.replies", "fault": "error"}
SLOW_READ = {"method": "conversations.replies", "fault": "slow", "channel": GENERAL}


@pytest.fixture(autouse=True)
def restore_workspace(workspace: Workspace) -> Iterator[None]:
    """Remove injected faults after each test."""
    yield
    workspace.set_faults()


def ask_in_uncached_thread(
    workspace: Workspace, channel: str = GENERAL, text: str = "@StarChat why?"
) -> tuple[str, str]:
    """Ask in a thread that the bot does not know; return the `ts` of root and question."""
    root = workspace.post_message(LIN, channel, "the build fails")
    ts = workspace.post_message(ADA, channel, text, root)
    workspace.wait_for_acks(ts)
    return root, ts


def wait_for_read(workspace: Workspace, since: int, root: str) -> None:
    """Wait until the bot has begun to read a thread."""
    poll_until(
        lambda: workspace.api_calls(since, "conversations.replies", thread=root),
        description="the read",
    )


def is_unread(redis: Redis, ts: str, channel: str = GENERAL) -> bool:
    """Return whether a question is accepted and its thread is not read yet."""
    return bool(redis.hexists(f"rq:job:{job_id(TEAM, channel, ts)}", keys.RECEIVED))


def test_slow_reads_delay_no_other_question(workspace: Workspace, redis: Redis) -> None:
    """Twenty threads with slow reads are acknowledged, and other channels are read beside them."""
    workspace.set_faults({**SLOW_READ, "seconds": 6})
    slow = [
        workspace.post_message(
            user, GENERAL, "@StarChat why?", workspace.post_message(LIN, GENERAL, "it fails")
        )
        for user in (ADA, LIN, SAM)
        for _ in range(7)
    ]
    workspace.wait_for_acks(*slow)
    direct = workspace.open_dm(ADA, STARCHAT)
    _, other = ask_in_uncached_thread(workspace, PYTHON)
    asked = workspace.post_message(LIN, workspace.open_dm(LIN, STARCHAT), "what is a mutex?")
    workspace.wait_for_acks(other, asked)

    assert direct
    assert job_turns(redis, PYTHON, other) == [("Lin", "the build fails"), ("Ada", "why?")]
    assert find_job(redis, workspace.open_dm(LIN, STARCHAT), asked) is not None
    assert all(is_unread(redis, ts) for ts in slow)


def test_mention_added_to_an_undecided_message_is_answered(
    workspace: Workspace, redis: Redis, own_channel: str
) -> None:
    """The edit comes while a reader finds out that the former text was no question."""
    root, first = ask_in_uncached_thread(workspace, own_channel)
    assert find_job(redis, own_channel, first) is not None
    # Lin writes in the thread too, so that only a mention is a question.
    redis.delete(
        keys.thread_cache(TEAM, own_channel, root), keys.thread_people(TEAM, own_channel, root)
    )
    workspace.set_faults({**SLOW_READ, "channel": own_channel, "seconds": 2, "count": 1})
    start = len(workspace.api_calls())
    ts = workspace.post_message(ADA, own_channel, "I see", root)
    wait_for_read(workspace, start, root)
    assert is_unread(redis, ts, own_channel)
    workspace.edit_message(ADA, own_channel, ts, "@StarChat I see, and now?")

    assert job_turns(redis, own_channel, ts)[-1] == ("Ada", "I see, and now?")


def test_edit_of_unread_question_is_answered(
    workspace: Workspace, redis: Redis, own_channel: str
) -> None:
    """A question that is edited while its thread is read is asked with its new text."""
    workspace.set_faults({**SLOW_READ, "channel": own_channel, "seconds": 2, "count": 1})
    start = len(workspace.api_calls())
    root, ts = ask_in_uncached_thread(workspace, own_channel, text="@StarChat what is a mutx?")
    wait_for_read(workspace, start, root)
    workspace.edit_message(ADA, own_channel, ts, "@StarChat what is a mutex?")

    assert job_turns(redis, own_channel, ts)[-1] == ("Ada", "what is a mutex?")


def test_deleted_unread_question_leaves_no_text(
    workspace: Workspace, redis: Redis, own_channel: str
) -> None:
    """A question that is deleted while its thread is read becomes no job."""
    workspace.set_faults({**SLOW_READ, "channel": own_channel, "seconds": 2, "count": 1})
    start = len(workspace.api_calls())
    root, ts = ask_in_uncached_thread(workspace, own_channel, text="@StarChat hunter2")
    wait_for_read(workspace, start, root)
    workspace.delete_message(ADA, own_channel, ts)

    job_key = f"rq:job:{job_id(TEAM, own_channel, ts)}"
    poll_until(lambda: not redis.exists(job_key), description="the deletion of its job")
    poll_until(lambda: not redis.exists(keys.inbox(TEAM)), description="the empty inbox")


def test_unreadable_thread_is_answered_without_it(
    workspace: Workspace, redis: Redis, own_channel: str
) -> None:
    """If Slack refuses to show a thread, its question is answered alone."""
    workspace.set_faults({**REFUSED_READ, "channel": own_channel, "error": "thread_not_found"})
    _, ts = ask_in_uncached_thread(workspace, own_channel)

    assert job_turns(redis, own_channel, ts) == [(None, "why?")]


def test_error_of_the_app_keeps_question(
    workspace: Workspace, redis: Redis, own_channel: str
) -> None:
    """A token that Slack refuses for a moment costs no question its thread."""
    workspace.set_faults(
        {**REFUSED_READ, "channel": own_channel, "error": "token_expired", "count": 1}
    )
    _, ts = ask_in_uncached_thread(workspace, own_channel)

    assert job_turns(redis, own_channel, ts) == [("Lin", "the build fails"), ("Ada", "why?")]
    assert redis.hget(f"rq:job:{job_id(TEAM, own_channel, ts)}", keys.NUM_READS) is None


def postpone_question(workspace: Workspace, redis: Redis, channel: str) -> tuple[str, str]:
    """Ask while Slack refuses the bot's token; return root and job once the read is postponed."""
    workspace.set_faults({**REFUSED_READ, "channel": channel, "error": "token_expired", "count": 1})
    root, ts = ask_in_uncached_thread(workspace, channel)
    job = job_id(TEAM, channel, ts)
    poll_until(
        lambda: redis.hget(f"rq:job:{job}", keys.NUM_READS) == b"0", description="the postponement"
    )
    return root, job


def test_malformed_entry_is_removed(
    workspace: Workspace, redis: Redis, bot: Process, own_channel: str
) -> None:
    """An entry that is no question, as of another version, holds up nothing."""
    root, job = postpone_question(workspace, redis, own_channel)
    redis.hset(f"rq:job:{job}", keys.RECEIVED, '{"kind": "hunter2"}')
    redis.set("rq:job:hunter2", "no hash")
    redis.zadd(keys.inbox(TEAM), {job: 0, "hunter2": 0, "no job": 0})
    later = workspace.post_message(ADA, own_channel, "@StarChat and now?", root)

    poll_until(
        lambda: runnable_job_ids(redis) == [job_id(TEAM, own_channel, later)],
        description="the next",
    )
    assert not redis.exists(f"rq:job:{job}")
    poll_until(lambda: not redis.exists(keys.inbox(TEAM)), description="the empty inbox")
    assert '"kind": "hunter2"' not in bot.log_text


def test_question_that_is_never_read_ends_with_an_error(
    workspace: Workspace, redis: Redis, own_channel: str
) -> None:
    """After too many reads, the author is asked to try again."""
    root, job = postpone_question(workspace, redis, own_channel)
    redis.hset(f"rq:job:{job}", keys.NUM_READS, 9)
    redis.zadd(keys.inbox(TEAM), {job: 0})

    poll_until(
        lambda: any(
            str(texts.QUESTION_NOT_READ) in m["text"]
            for m in workspace.bot_replies(own_channel, root)
        ),
        description="the error",
    )
    poll_until(lambda: not pending_job_ids(redis), description="the end of the job")


def test_edits_and_deletions_are_acknowledged_without_slack(
    workspace: Workspace, redis: Redis
) -> None:
    """Without a copy of the thread, an edit replaces one turn and a deletion drops one."""
    root, ts = ask_in_uncached_thread(workspace)
    gone = workspace.post_message(LIN, GENERAL, "my key is hunter2", root)
    later = workspace.post_message(ADA, GENERAL, "@StarChat and now?", root)
    workspace.wait_for_acks(gone, later)
    expected = ["the build fails", "why?", "my key is hunter2", "and now?"]
    assert [text for _, text in job_turns(redis, GENERAL, later)] == expected
    assert find_job(redis, GENERAL, ts) is not None
    redis.delete(keys.thread_cache(TEAM, GENERAL, root))
    start = len(workspace.api_calls())
    workspace.edit_message(LIN, GENERAL, root, "the test fails")
    workspace.edit_message(ADA, GENERAL, later, "@StarChat and then?")
    workspace.delete_message(LIN, GENERAL, gone)

    expected = ["the test fails", "why?", "and then?"]
    poll_until(
        lambda: [text for _, text in job_turns(redis, GENERAL, later)] == expected,
        description="the changed job",
    )
    assert job_turns(redis, GENERAL, ts)[0] == ("Lin", "the test fails")
    assert workspace.api_calls(start, "conversations.replies") == []


def test_full_quota_refuses_questions_alone(workspace: Workspace, redis: Redis) -> None:
    """Only the thread shows whether a message asks the bot; a colleague's talk gets no refusal."""
    talk = workspace.post_message(LIN, GENERAL, "@StarChat what is a mutex?")
    own = workspace.post_message(ADA, GENERAL, "@StarChat what is a lock?")
    for number in range(7):
        workspace.post_message(ADA, PYTHON, f"@StarChat question {number}")
    poll_until(lambda: len(pending_job_ids(redis)) == 9, description="a full quota")
    poll_until(lambda: not redis.exists(keys.inbox(TEAM)), description="the nine questions")
    redis.delete(*(keys.thread_people(TEAM, GENERAL, root) for root in (talk, own)))
    start = len(workspace.api_calls())
    for root in (talk, own):
        workspace.wait_for_acks(workspace.post_message(ADA, GENERAL, "lunch?", root))
        # Until it is decided, the first one counts as a question of hers.
        poll_until(lambda: not redis.exists(keys.inbox(TEAM)), description="the decision")
    refusals = poll_until(
        lambda: workspace.api_calls(start, "chat.postEphemeral"), description="the refusal"
    )

    assert [(call["args"]["user"], call["args"]["thread_ts"]) for call in refusals] == [(ADA, own)]
    assert "You have 8 questions waiting" in refusals[0]["args"]["text"]
    assert len(pending_job_ids(redis)) == 9
