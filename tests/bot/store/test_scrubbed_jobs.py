"""Scrubbed jobs: deleted and forgotten text leaves every unfinished job of its thread."""

import pytest
from redis import Redis
from rq.job import Job as RqJob

from bot.store.inbox import FillOutcome, Inbox
from bot.store.job_queue import JobQueue
from bot.store.job_updates import JobUpdates
from bot.store.purge import Purge
from bot.store.received import ReceivedMessage
from bot.store.rq_job import decode_payload
from contract import keys
from contract.conversation import Speaker, Turn
from contract.job import Job, Thread
from testing.prepared_queue import PreparedQueue, post_of

THREAD = Thread(team="T1", channel="C1", ts="1.000000")


def make_job(ts: str) -> Job:
    """Return a job with an earlier message, the reply to it, and its own question."""
    turns = (
        Turn(speaker=Speaker.USER, text="the canary", ts="1.000000"),
        Turn(speaker=Speaker.ASSISTANT, text="a canary!", ts="1.5", in_reply_to="1.000000"),
        Turn(speaker=Speaker.USER, text="harmless", ts="2.000000"),
        Turn(speaker=Speaker.USER, text=f"question {ts}", ts=ts),
    )
    return Job(thread=THREAD, ts=ts, user="U1", user_team="T1", turns=turns)


@pytest.fixture
def jobs(redis: Redis) -> dict[str, Job]:
    """Return a running and two waiting jobs of one thread, by their state."""
    queue = PreparedQueue(redis)
    found = {state: make_job(f"{n}.000000") for n, state in enumerate(("runs", "waits", "last"), 3)}
    for job in found.values():
        queue.enqueue(job)
    redis.hset(RqJob.key_for(found["runs"].id), "status", "started")
    return found


def read_job(redis: Redis, job: Job) -> Job:
    """Return a job as the next worker would read it."""
    data = redis.hget(RqJob.key_for(job.id), "data")
    found = decode_payload(redis, job.id, data or b"")
    assert found is not None
    return found


def test_deleted_message_leaves_running_and_waiting_jobs(
    redis: Redis, jobs: dict[str, Job]
) -> None:
    """The message and the reply to it are dropped; no running job restarts."""
    JobUpdates(redis).scrub_message(THREAD, "1.000000")

    for job in jobs.values():
        assert [turn.ts for turn in read_job(redis, job).turns] == ["2.000000", job.ts]
    assert redis.hget(RqJob.key_for(jobs["runs"].id), keys.REVISION) is None


def test_deleted_question_leaves_its_running_job(redis: Redis, jobs: dict[str, Job]) -> None:
    """Until its worker has ended the job, Redis holds it without the question."""
    JobUpdates(redis).scrub_message(THREAD, jobs["runs"].ts)

    assert read_job(redis, jobs["runs"]).question.text == ""
    assert read_job(redis, jobs["waits"]).question == jobs["waits"].question


@pytest.mark.parametrize("scope", ["message", "thread", "channel"])
def test_unread_job_is_not_filled_in_with_scrubbed_text(redis: Redis, scope: str) -> None:
    """What a reader of its thread has in memory is read again; the question is kept."""
    queue, job = JobQueue(redis), make_job("3.000000")
    inbox = Inbox(redis, "T1", queue)
    inbox.accept(ReceivedMessage(post=post_of(job)))
    revision = inbox.get_revision(job.id)
    if scope == "message":
        JobUpdates(redis).scrub_message(THREAD, "1.000000")
    elif scope == "thread":
        Purge(redis).drop_thread(THREAD)
    else:
        Purge(redis).drop_channel("T1", "C1")

    assert inbox.fill_job(job, revision) is FillOutcome.CONFLICT
    assert "canary" not in str(redis.hgetall(RqJob.key_for(job.id)))
    assert inbox.get_entry(job.id) is not None


def test_uninstall_deletes_unread_jobs(redis: Redis) -> None:
    """Neither inbox nor message stays, and a reader of the thread restores nothing."""
    queue, job = JobQueue(redis), make_job("3.000000")
    inbox = Inbox(redis, "T1", queue)
    inbox.accept(ReceivedMessage(post=post_of(job)))
    Purge(redis).drop_team("T1")

    assert inbox.fill_job(job, "0") is FillOutcome.GONE
    assert not redis.exists(RqJob.key_for(job.id), keys.inbox("T1"))


@pytest.mark.parametrize("scope", ["thread", "channel"])
def test_forget_leaves_each_job_its_question(
    redis: Redis, jobs: dict[str, Job], scope: str
) -> None:
    """Questions that wait for an answer keep it; the conversation before them is dropped."""
    if scope == "thread":
        Purge(redis).drop_thread(THREAD)
    else:
        Purge(redis).drop_channel("T1", "C1")

    for job in jobs.values():
        assert read_job(redis, job).turns == (job.question,)
