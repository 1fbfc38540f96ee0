"""Waiting line: the place of a question that waits, below its thread, as far as Slack takes it."""

from collections.abc import Iterator

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.concurrency import BackgroundTasks
from bot.handlers.presence.extra_calls import ExtraCalls
from bot.handlers.presence.waiting_line import (
    MAX_CALLS,
    MAX_SILENCE_SECONDS,
    RENEW_SECONDS,
    WaitingLine,
)
from bot.slack.poster import Poster
from contract import keys
from contract.job import Job, Thread
from contract.language import Language
from testing.prepared_queue import PreparedQueue
from testing.queue_inspector import TEAM, finish_job, make_job
from testing.workspace import ADA, GENERAL, LIN, Json, Workspace

METHOD = "assistant.threads.setStatus"
OTHERS = 3


@pytest.fixture
def clock() -> list[float]:
    """Return the time (s), which a test moves."""
    return [1.0]


@pytest.fixture
def line(
    redis: Redis, web: WebClient, background: BackgroundTasks, clock: list[float]
) -> WaitingLine:
    """Return a line that a test looks at."""
    calls = ExtraCalls(redis, TEAM)
    return WaitingLine(redis, calls, Poster(web), background, lambda: clock[0])


@pytest.fixture(autouse=True)
def _end_faults(workspace: Workspace) -> Iterator[None]:
    yield
    workspace.set_faults()


@pytest.fixture
def others(redis: Redis) -> list[Job]:
    """Jobs that are ahead."""
    jobs = [make_job(number) for number in range(1, OTHERS + 1)]
    for job in jobs:
        PreparedQueue(redis).enqueue(job)
    return jobs


def wait_in_line(workspace: Workspace, redis: Redis, line: WaitingLine, user: str = ADA) -> Job:
    """Ask a question behind the others, whose placeholder has told its place."""
    ts = workspace.post_message(user, GENERAL, "what is a mutex?")
    thread = Thread(team=TEAM, channel=GENERAL, ts=ts)
    job = make_job(9).model_copy(update={"thread": thread, "ts": ts, "user": user})
    PreparedQueue(redis).enqueue(job)
    place = PreparedQueue(redis).count_jobs_ahead(job.id)
    line.watch_question(thread, job.id, place, Language.ENGLISH)
    return job


def list_statuses(workspace: Workspace, job: Job) -> list[str]:
    """Return the statuses that were shown in a job's thread."""
    calls: list[Json] = workspace.api_calls(method=METHOD)
    mine = [call["args"] for call in calls if call["args"]["thread_ts"] == job.thread.ts]
    return [str(arguments["status"]) for arguments in mine]


def test_place_is_shown_when_it_changes(
    workspace: Workspace, redis: Redis, line: WaitingLine, others: list[Job], clock: list[float]
) -> None:
    """It is not repeated before Slack would remove it, and ends with the wait."""
    job = wait_in_line(workspace, redis, line)
    line.refresh_lines()
    assert list_statuses(workspace, job) == []
    finish_job(redis, others[0].id)
    line.refresh_lines()
    line.refresh_lines()
    two = "will answer your question after 2 others."
    assert list_statuses(workspace, job) == [two]
    shown = workspace.get_json("_page/messages", user=ADA, channel=GENERAL)["statuses"]
    assert shown[job.thread.ts] == two
    clock[0] += RENEW_SECONDS
    line.refresh_lines()
    assert list_statuses(workspace, job) == [two, two]
    finish_job(redis, others[1].id)
    line.refresh_lines()
    finish_job(redis, others[2].id)
    line.refresh_lines()
    assert list_statuses(workspace, job)[2:] == [
        "will answer your question after 1 other.",
        "will answer your question next.",
    ]

    redis.hset(f"rq:job:{job.id}", "status", "started")
    line.refresh_lines()
    line.refresh_lines()
    assert len(list_statuses(workspace, job)) == 4


def test_line_is_removed_where_no_session_replaces_it(
    workspace: Workspace, redis: Redis, line: WaitingLine, others: list[Job]
) -> None:
    """A worker's session takes its place; without sessions the bot removes it."""
    redis.set(keys.session_latch(TEAM), 1)
    job = wait_in_line(workspace, redis, line)
    finish_job(redis, others[0].id)
    line.refresh_lines()
    redis.delete(f"rq:job:{job.id}")
    line.refresh_lines()

    assert list_statuses(workspace, job)[-1] == ""


@pytest.mark.parametrize(
    "error", ["missing_scope", "feature_disabled", "not_authorized", "unknown_method"]
)
def test_refused_status_is_left_out_for_an_hour(
    workspace: Workspace, redis: Redis, line: WaitingLine, others: list[Job], error: str
) -> None:
    """The others' lines cost no call either, and no person reads of it."""
    workspace.set_faults({"method": METHOD, "fault": "error", "error": error})
    jobs = [wait_in_line(workspace, redis, line, user) for user in (ADA, LIN)]
    finish_job(redis, others[0].id)
    line.refresh_lines()
    line.refresh_lines()

    assert sum(len(list_statuses(workspace, job)) for job in jobs) == 1
    assert 0 < redis.ttl(keys.extra_latch(TEAM, "status")) <= 3600
    assert all(workspace.bot_replies(GENERAL, job.thread.ts) == [] for job in jobs)


def test_error_of_one_call_is_no_reason_to_leave_it_out(
    workspace: Workspace, redis: Redis, line: WaitingLine, others: list[Job]
) -> None:
    """The next look tries again."""
    workspace.set_faults(
        {"method": METHOD, "fault": "error", "error": "internal_error", "count": 1}
    )
    job = wait_in_line(workspace, redis, line)
    finish_job(redis, others[0].id)
    line.refresh_lines()
    line.refresh_lines()

    assert len(list_statuses(workspace, job)) == 2
    assert not redis.exists(keys.extra_latch(TEAM, "status"))


def test_long_line_changes_step_by_step(
    workspace: Workspace, redis: Redis, line: WaitingLine, others: list[Job]
) -> None:
    """One look makes few calls; those who have waited longest for one come first."""
    jobs = [wait_in_line(workspace, redis, line) for _ in range(MAX_CALLS + 1)]
    finish_job(redis, others[0].id)
    line.refresh_lines()
    assert sum(len(list_statuses(workspace, job)) for job in jobs) == MAX_CALLS

    line.refresh_lines()
    assert all(list_statuses(workspace, job) for job in jobs)


def test_look_that_was_dropped_is_planned_again(
    workspace: Workspace, redis: Redis, line: WaitingLine, others: list[Job], clock: list[float]
) -> None:
    """A pool whose tasks are too many drops it; the next question brings another one."""
    line.background = BackgroundTasks(1, 0)
    job = wait_in_line(workspace, redis, line)
    line.background.drain(5)
    finish_job(redis, others[0].id)
    clock[0] += MAX_SILENCE_SECONDS + 1
    line.background = BackgroundTasks(1)
    wait_in_line(workspace, redis, line, LIN)
    line.background.drain(60)

    assert len(list_statuses(workspace, job)) == 1
