"""Placeholders: one for each question that waits, within a second."""

import json
from collections.abc import Iterator

import pytest
from redis import Redis
from rq.job import Job as RqJob
from slack_sdk import WebClient

from bot import texts
from bot.concurrency import BackgroundTasks
from bot.handlers.placeholders import PlaceholderPoster
from bot.handlers.rules.reader_languages import ReaderLanguages
from bot.slack.poster import Poster
from bot.store.acceptance import QueueLimits
from contract import keys
from contract.conversation import Speaker, Turn
from contract.job import Job, Thread
from contract.texts import MODEL_LOADING
from testing.polling import poll_until
from testing.prepared_queue import PreparedQueue
from testing.slack_events import BOT_IDENTITY
from testing.workspace import ADA, GENERAL, Workspace
from testing.workspace import message_texts as shown_texts


@pytest.fixture
def queue(redis: Redis) -> PreparedQueue:
    """Return a queue where a person has one slot."""
    return PreparedQueue(redis, QueueLimits(max_running_per_user=1))


@pytest.fixture
def placeholders(
    redis: Redis, web: WebClient, background: BackgroundTasks, languages: ReaderLanguages
) -> PlaceholderPoster:
    """Return a poster."""
    return PlaceholderPoster(redis, PreparedQueue(redis), Poster(web), background, languages)


@pytest.fixture(autouse=True)
def restore_workspace(workspace: Workspace) -> Iterator[None]:
    """Remove injected faults after each test."""
    yield
    workspace.set_faults()


def ask_as_ada(workspace: Workspace, thread: str | None = None) -> Job:
    """Ask as Ada and return the job."""
    ts = workspace.post_message(ADA, GENERAL, "what is a mutex?", thread)
    return Job(
        thread=Thread(team=BOT_IDENTITY.team, channel=GENERAL, ts=thread or ts),
        ts=ts,
        user=ADA,
        user_team=BOT_IDENTITY.team,
        turns=(Turn(speaker=Speaker.USER, text="what is a mutex?", ts=ts),),
    )


def report_worker(
    redis: Redis, *, slots: int, busy: int, loading: bool = False, pace: float = 8.0
) -> None:
    """Report the status of a worker."""
    seconds, _ = redis.time()
    status = {
        "reported_at": seconds,
        "slots": slots,
        "busy_slots": busy,
        "loading": loading,
        "seconds_per_reply": pace,
    }
    redis.hset(keys.WORKER_STATUSES, "w1", json.dumps(status))


def list_bot_messages(workspace: Workspace, job: Job) -> list[str]:
    """Return the texts of the bot's messages in a job's thread."""
    return shown_texts(workspace.bot_replies(GENERAL, job.thread.ts))


def enqueue_and_show(placeholders: PlaceholderPoster, queue: PreparedQueue, job: Job) -> None:
    """Enqueue a job and schedule its placeholder."""
    queue.enqueue(job)
    placeholders.schedule_placeholder(job.thread, job.ts, ADA)


def test_no_placeholder_if_worker_is_free(
    placeholders: PlaceholderPoster,
    queue: PreparedQueue,
    background: BackgroundTasks,
    workspace: Workspace,
    redis: Redis,
) -> None:
    """A free worker posts the placeholder itself."""
    report_worker(redis, slots=4, busy=1)
    job = ask_as_ada(workspace)
    enqueue_and_show(placeholders, queue, job)
    background.drain(10)

    assert list_bot_messages(workspace, job) == []
    assert not redis.hexists(RqJob.key_for(job.id), keys.PLACEHOLDER_OWNER)


def test_placeholder_shows_position_and_wait(
    placeholders: PlaceholderPoster,
    queue: PreparedQueue,
    background: BackgroundTasks,
    workspace: Workspace,
    redis: Redis,
) -> None:
    """Behind a busy worker, the placeholder has the position and an estimate."""
    report_worker(redis, slots=1, busy=1)
    for user in ("U1", "U2", "U3"):
        queue.enqueue(ask_as_ada(workspace).model_copy(update={"user": user}))
    job = ask_as_ada(workspace)
    enqueue_and_show(placeholders, queue, job)
    background.drain(10)

    assert list_bot_messages(workspace, job) == [
        "3 questions are ahead of yours. I expect to start in about 25 seconds."
    ]


def test_placeholder_while_model_loads(
    placeholders: PlaceholderPoster,
    queue: PreparedQueue,
    background: BackgroundTasks,
    workspace: Workspace,
    redis: Redis,
) -> None:
    """While the model loads, the placeholder says so."""
    report_worker(redis, slots=4, busy=0, loading=True)
    job = ask_as_ada(workspace)
    enqueue_and_show(placeholders, queue, job)
    background.drain(10)

    assert list_bot_messages(workspace, job) == [str(MODEL_LOADING)]


def test_stale_worker_status_is_ignored(
    placeholders: PlaceholderPoster,
    queue: PreparedQueue,
    background: BackgroundTasks,
    workspace: Workspace,
    redis: Redis,
) -> None:
    """A worker whose status is stale counts as dead."""
    report_worker(redis, slots=4, busy=0)
    status = json.loads(redis.hget(keys.WORKER_STATUSES, "w1") or b"")
    status["reported_at"] -= keys.WORKER_STALE_SECONDS + 1
    redis.hset(keys.WORKER_STATUSES, "w1", json.dumps(status))
    job = ask_as_ada(workspace)
    enqueue_and_show(placeholders, queue, job)
    background.drain(10)

    assert list_bot_messages(workspace, job) == [str(texts.NO_WORKER)]


def test_placeholder_behind_own_question(
    placeholders: PlaceholderPoster,
    queue: PreparedQueue,
    background: BackgroundTasks,
    workspace: Workspace,
    redis: Redis,
) -> None:
    """A user without a free slot reads that an earlier question comes first."""
    report_worker(redis, slots=4, busy=1)
    queue.enqueue(ask_as_ada(workspace))
    second = ask_as_ada(workspace)
    enqueue_and_show(placeholders, queue, second)
    background.drain(10)

    assert list_bot_messages(workspace, second) == [str(texts.BEHIND_OWN_QUESTIONS)]


def test_no_placeholder_behind_question_of_same_thread(
    placeholders: PlaceholderPoster,
    queue: PreparedQueue,
    background: BackgroundTasks,
    workspace: Workspace,
) -> None:
    """A placeholder would come above the earlier question's reply."""
    first = ask_as_ada(workspace)
    queue.enqueue(first)
    second = ask_as_ada(workspace, first.ts)
    enqueue_and_show(placeholders, queue, second)
    background.drain(10)

    assert list_bot_messages(workspace, second) == []


def test_first_placeholder_owner_posts(
    placeholders: PlaceholderPoster,
    queue: PreparedQueue,
    background: BackgroundTasks,
    workspace: Workspace,
    redis: Redis,
) -> None:
    """Only the process that sets the owner first posts the placeholder."""
    job = ask_as_ada(workspace)
    queue.enqueue(job)
    redis.hset(RqJob.key_for(job.id), keys.PLACEHOLDER_OWNER, "worker:1")
    placeholders.schedule_placeholder(job.thread, job.ts, ADA)
    background.drain(10)

    assert list_bot_messages(workspace, job) == []


def test_late_placeholder_is_deleted(
    placeholders: PlaceholderPoster,
    queue: PreparedQueue,
    background: BackgroundTasks,
    workspace: Workspace,
    redis: Redis,
) -> None:
    """If a worker posted its own placeholder first, the bot deletes the late one."""
    workspace.set_faults({"method": "chat.postMessage", "fault": "slow", "seconds": 1.5})
    job = ask_as_ada(workspace)
    enqueue_and_show(placeholders, queue, job)
    key = RqJob.key_for(job.id)
    poll_until(lambda: redis.hexists(key, keys.PLACEHOLDER_OWNER), description="the intent")
    redis.hset(key, keys.PLACEHOLDER, "1700000000.000100")
    background.drain(10)
    assert list_bot_messages(workspace, job) == []
    assert redis.hget(key, keys.PLACEHOLDER) == b"1700000000.000100"


def test_placeholder_of_deleted_question_is_deleted(
    placeholders: PlaceholderPoster,
    queue: PreparedQueue,
    background: BackgroundTasks,
    workspace: Workspace,
    redis: Redis,
) -> None:
    """If the question was deleted during the post, the placeholder is deleted too."""
    workspace.set_faults({"method": "chat.postMessage", "fault": "slow", "seconds": 1.5})
    job = ask_as_ada(workspace)
    enqueue_and_show(placeholders, queue, job)
    poll_until(
        lambda: redis.hexists(RqJob.key_for(job.id), keys.PLACEHOLDER_OWNER),
        description="the intent",
    )
    queue.cancel_job(job.id)
    background.drain(10)

    assert list_bot_messages(workspace, job) == []
    assert not redis.exists(RqJob.key_for(job.id))


@pytest.mark.parametrize("fault", ["drop_after", "status_after", "truncated", "error"])
def test_ambiguous_placeholder_keeps_its_owner(
    placeholders: PlaceholderPoster,
    queue: PreparedQueue,
    background: BackgroundTasks,
    workspace: Workspace,
    redis: Redis,
    fault: str,
) -> None:
    """The owner field remains, so the worker searches before it posts."""
    workspace.set_faults({"method": "chat.postMessage", "fault": fault, "count": 1})
    job = ask_as_ada(workspace)
    enqueue_and_show(placeholders, queue, job)
    background.drain(10)

    assert redis.hexists(RqJob.key_for(job.id), keys.PLACEHOLDER_OWNER)
    assert not redis.hexists(RqJob.key_for(job.id), keys.PLACEHOLDER)


def test_rejected_placeholder_clears_its_owner(
    placeholders: PlaceholderPoster,
    queue: PreparedQueue,
    background: BackgroundTasks,
    workspace: Workspace,
    redis: Redis,
) -> None:
    """After a rejection, the worker posts without a search."""
    fault = {"fault": "error", "error": "msg_too_long", "count": 1}
    workspace.set_faults({"method": "chat.postMessage", **fault})
    job = ask_as_ada(workspace)
    enqueue_and_show(placeholders, queue, job)
    background.drain(10)

    assert list_bot_messages(workspace, job) == []
    assert not redis.hexists(RqJob.key_for(job.id), keys.PLACEHOLDER_OWNER)


def test_no_placeholder_for_cancelled_job(
    placeholders: PlaceholderPoster,
    queue: PreparedQueue,
    background: BackgroundTasks,
    workspace: Workspace,
) -> None:
    """A question that was deleted at once gets no placeholder."""
    job = ask_as_ada(workspace)
    queue.enqueue(job)
    queue.cancel_job(job.id)
    placeholders.schedule_placeholder(job.thread, job.ts, ADA)
    background.drain(10)

    assert list_bot_messages(workspace, job) == []
