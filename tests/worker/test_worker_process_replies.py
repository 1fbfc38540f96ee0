"""One question on its whole way: accepted, taken, shown, answered, recorded."""

import json
from itertools import pairwise

import pytest
from rq import Queue
from rq.serializers import JSONSerializer

from contract import keys
from contract.job import QUEUE_NAME, Streaming
from testing import memorizing_model
from testing.processes import Process
from testing.worker_harness import FAST_SETTINGS, WorkerHarness, context_text, reply_text
from testing.workspace import ADA, GENERAL, LIN, STARCHAT
from worker.errors import QuestionTooLongError
from worker.slack.reply_message import BACKOFF_FACTOR

EDIT_INTERVAL_SECONDS = float(FAST_SETTINGS["STARCHAT_EDIT_INTERVAL"])
MAX_ATTEMPTS = 5
"""How often a stop may come too late where the machine is busy: the reply takes two seconds."""

pytestmark = pytest.mark.usefixtures("worker")


def test_a_question_gets_its_answer_in_its_thread(desk: WorkerHarness) -> None:
    """What the model knows by heart stands in the thread, once, with the disclaimer."""
    job = desk.enqueue_question(memorizing_model.MUTEX)

    [message] = desk.wait_for_end(job)

    assert reply_text([message]) == memorizing_model.ANSWERS[memorizing_model.MUTEX]
    assert "may be wrong" in context_text([message])
    assert desk.bot_messages(job) == [message]


def test_code_arrives_byte_for_byte(desk: WorkerHarness) -> None:
    """The lines of a code block are the model's lines."""
    job = desk.enqueue_question(memorizing_model.COUNT)

    message = desk.wait_for_end(job)

    code = memorizing_model.ANSWERS[memorizing_model.COUNT].split("\n", 1)[1].removesuffix("\n```")
    assert reply_text(message) == code


def test_nothing_the_model_writes_pings_or_unfurls(desk: WorkerHarness) -> None:
    """Slack's own signs in an answer stay what they are: text."""
    job = desk.enqueue_question(memorizing_model.HELLO)

    [message] = desk.wait_for_end(job)

    assert message.get("pings", []) == []
    assert message.get("unfurls", []) == []
    assert reply_text([message]) == memorizing_model.ANSWERS[memorizing_model.HELLO].replace(
        "*", ""
    )


def test_a_follow_up_knows_what_was_answered_before(desk: WorkerHarness) -> None:
    """A question accepted while the reply before it grows is still answered with that reply."""
    first = desk.enqueue_question(memorizing_model.MUTEX)
    second = desk.enqueue_question(memorizing_model.FOLLOW_UP, previous=first)

    desk.wait_for_end(first)
    messages = desk.wait_for_end(second)

    assert reply_text(messages) in memorizing_model.FOLLOW_UPS[memorizing_model.MUTEX]
    assert reply_text(messages)


def test_replies_in_a_thread_come_in_the_order_asked(desk: WorkerHarness) -> None:
    """Three people's questions in one thread are answered one after the other."""
    jobs = [desk.enqueue_question(memorizing_model.MUTEX)]
    for text, user in (
        (memorizing_model.GREET, LIN),
        (memorizing_model.IN_PLACE, ADA),
        (memorizing_model.COUNT, LIN),
    ):
        jobs.append(desk.enqueue_question(text, user=user, previous=jobs[-1]))

    desk.wait_for_end(jobs[-1])

    first, last = [], []
    for job in jobs:
        calls = [call["number"] for call in desk.job_calls(job)]
        first.append(calls[0])
        last.append(calls[-1])
    assert all(end < begin for end, begin in zip(last, first[1:], strict=False))


def test_a_sign_appears_within_a_second_of_the_job_being_taken(
    desk: WorkerHarness, worker: Process
) -> None:
    """The placeholder is there long before the answer is."""
    job = desk.enqueue_question(memorizing_model.MUTEX)
    desk.wait_for_end(job)

    [post] = desk.job_calls(job, "chat.postMessage")
    assert post["args"]["metadata"]["event_payload"]["state"] == "placeholder"
    taken = next(line for line in worker.lines if job.id in line and "job claimed" in line)
    assert json.loads(taken)["age"] < 1


def test_an_ordinary_reply_costs_few_calls(desk: WorkerHarness) -> None:
    """One post, edits further and further apart, one final; none of them is refused."""
    job = desk.enqueue_question(memorizing_model.ENDLESS)
    desk.wait_for_end(job)

    calls = desk.job_calls(job)
    states = [call["args"]["metadata"]["event_payload"]["state"] for call in calls]
    assert states == ["placeholder", *["growing"] * (len(calls) - 2), "final"]
    times = [call["at"] for call in calls[:-1]]
    least = [EDIT_INTERVAL_SECONDS * BACKOFF_FACTOR**number for number in range(len(times))]
    assert all(b - a > 0.9 * wait for (a, b), wait in zip(pairwise(times), least, strict=False))
    assert [call["error"] for call in calls if not call["ok"]] == []
    assert [call["unknown"] for call in calls if call["unknown"]] == []


def test_a_reply_may_appear_only_when_it_is_finished(desk: WorkerHarness) -> None:
    """Where readers want no growing text there is one placeholder and one edit."""
    job = desk.enqueue_question(memorizing_model.MUTEX, streaming=Streaming.OFF)
    desk.wait_for_end(job)

    states = [c["args"]["metadata"]["event_payload"]["state"] for c in desk.job_calls(job)]
    assert states == ["placeholder", "final"]


def test_rq_sees_the_job_as_finished(desk: WorkerHarness) -> None:
    """RQ's own records say how the job ended, and its text leaves Redis in time."""
    job = desk.enqueue_question(memorizing_model.GREET)
    desk.wait_for_end(job)
    desk.wait_for_result(job)

    key = f"rq:job:{job.id}"
    assert 0 < desk.redis.ttl(key) <= keys.TEXT_TTL_SECONDS
    assert desk.redis.zscore("rq:finished:starchat", job.id)
    assert desk.redis.zscore(keys.PENDING_JOBS, job.id) is None
    queue = Queue(QUEUE_NAME, connection=desk.redis, serializer=JSONSerializer)
    found = queue.fetch_job(job.id)
    assert found is not None
    assert found.return_value() == {"outcome": "answered"}


def test_no_text_is_in_the_log(desk: WorkerHarness, worker: Process) -> None:
    """Neither questions nor answers are logged."""
    job = desk.enqueue_question(memorizing_model.REVERSE)
    desk.wait_for_end(job)
    desk.wait_for_result(job)

    assert job.id in worker.log_text
    assert "reverse" not in worker.log_text
    assert "xoxb" not in worker.log_text


def test_stopping_keeps_what_was_written(desk: WorkerHarness) -> None:
    """A reader's stop ends the generation; the reply says that it was stopped."""
    for _ in range(MAX_ATTEMPTS):
        job = desk.enqueue_question(memorizing_model.ENDLESS, channel=GENERAL)
        desk.wait_for_growth(job)
        desk.job_queue.cancel_job(job.id)
        messages = desk.wait_for_end(job)
        assert reply_text(messages).startswith(memorizing_model.ENDLESS_CHUNK.strip())
        if "Stopped" in context_text(messages):
            return
    raise AssertionError("no stop came before the end")


def test_a_deleted_question_takes_its_growing_reply_with_it(desk: WorkerHarness) -> None:
    """Who deletes a question while it is being answered sees no answer to it."""
    job = desk.enqueue_question(memorizing_model.ENDLESS)
    desk.wait_for_growth(job)

    desk.workspace.delete_message(ADA, GENERAL, job.ts)
    desk.job_queue.cancel_job(job.id)

    desk.workspace.wait_until(lambda: not desk.bot_messages(job))


# -- where there is no reply


def test_a_question_longer_than_the_window_is_refused_kindly(desk: WorkerHarness) -> None:
    """Nothing of a question is cut off behind the back of who asked it."""
    job = desk.enqueue_question("why " * 3000)
    [message] = desk.wait_for_end(job)
    assert QuestionTooLongError().user_message in context_text([message])
    assert reply_text([message]) == ""


def test_a_placeholder_that_was_deleted_ends_the_job_in_silence(desk: WorkerHarness) -> None:
    """Who deletes the growing reply gets no other one."""
    job = desk.enqueue_question(memorizing_model.ENDLESS)
    [message] = desk.wait_for_growth(job)
    desk.workspace.send_control("delete", channel=GENERAL, ts=message["ts"])
    desk.wait_for_result(job)
    assert desk.bot_messages(job) == []
    assert desk.count_pending() == 0


def test_a_channel_that_was_archived_ends_the_job_in_silence(
    desk: WorkerHarness, worker: Process
) -> None:
    """Where nobody may post, one line in the log is all."""
    channel = desk.workspace.send_control("create", name="old", members=[ADA, STARCHAT])["channel"]
    job = desk.post_question(memorizing_model.MUTEX, channel=channel)
    desk.workspace.send_control("archive", channel=channel)
    desk.job_queue.enqueue(job)
    desk.wait_for_result(job)
    assert desk.wait_for_log(worker, "reply abandoned", job)["error"] == "is_archived"
    assert len(desk.job_calls(job)) == 1


def test_a_worker_that_was_removed_from_the_channel_is_silent(
    desk: WorkerHarness, worker: Process
) -> None:
    """Removed while it writes, the app leaves the channel alone."""
    channel = desk.workspace.send_control("create", name="left", members=[ADA, STARCHAT])["channel"]
    job = desk.post_question(memorizing_model.MUTEX, channel=channel)
    desk.workspace.send_control("kick", channel=channel)
    desk.job_queue.enqueue(job)
    desk.wait_for_result(job)
    assert desk.wait_for_log(worker, "reply abandoned", job)


def test_slack_may_fail_at_every_call_and_the_reply_is_there_once(desk: WorkerHarness) -> None:
    """With a third of all calls going wrong, each question still has its one answer."""
    faults = ("ratelimited", "status", "status_after", "html", "truncated", "drop_before")
    rules = [{"fault": fault, "probability": 0.06, "retry_after": 1} for fault in faults]
    desk.workspace.set_faults(*rules, seed=7)
    jobs = [desk.enqueue_question(memorizing_model.MUTEX) for _ in range(4)]
    try:
        found = [desk.wait_for_end(job, timeout=90) for job in jobs]
        for job in jobs:
            desk.wait_for_result(job)
    finally:
        desk.workspace.set_faults()
    assert [reply_text(messages) for messages in found] == [
        memorizing_model.ANSWERS[memorizing_model.MUTEX]
    ] * 4
    assert [len(desk.bot_messages(job)) for job in jobs] == [1] * 4
