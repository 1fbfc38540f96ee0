"""One question on its whole way: accepted, taken, shown, answered, recorded."""

import json
from itertools import pairwise

import pytest
from rq import Queue
from rq.serializers import JSONSerializer

from contract import keys
from contract.job import QUEUE, Display
from testing import memorizing_model
from testing.processes import Process
from testing.worker_harness import QUICK, Desk, notices, words
from testing.workspace import ADA, GENERAL, LIN, STARCHAT
from worker.slack.reply_message import SLOWER

PACE = float(QUICK["STARCHAT_EDIT_INTERVAL"])
TRIES = 5
"""How often a stop may come too late where the machine is busy: the reply takes two seconds."""

pytestmark = pytest.mark.usefixtures("worker")


def test_a_question_gets_its_answer_in_its_thread(desk: Desk) -> None:
    """What the model knows by heart stands in the thread, once, with the disclaimer."""
    job = desk.ask(memorizing_model.MUTEX)

    [message] = desk.wait_ended(job)

    assert words([message]) == memorizing_model.ANSWERS[memorizing_model.MUTEX]
    assert "may be wrong" in notices([message])
    assert desk.said_by_us(job) == [message]


def test_code_arrives_byte_for_byte(desk: Desk) -> None:
    """The lines of a code block are the model's lines."""
    job = desk.ask(memorizing_model.COUNT)

    message = desk.wait_ended(job)

    code = memorizing_model.ANSWERS[memorizing_model.COUNT].split("\n", 1)[1].removesuffix("\n```")
    assert words(message) == code


def test_nothing_the_model_writes_pings_or_unfurls(desk: Desk) -> None:
    """Slack's own signs in an answer stay what they are: text."""
    job = desk.ask(memorizing_model.HELLO)

    [message] = desk.wait_ended(job)

    assert message.get("pings", []) == []
    assert message.get("unfurls", []) == []
    assert words([message]) == memorizing_model.ANSWERS[memorizing_model.HELLO].replace("*", "")


def test_a_follow_up_knows_what_was_answered_before(desk: Desk) -> None:
    """A question accepted while the reply before it grows is still answered with that reply."""
    first = desk.ask(memorizing_model.MUTEX)
    second = desk.ask(memorizing_model.FOLLOW_UP, after=first)

    desk.wait_ended(first)
    messages = desk.wait_ended(second)

    assert words(messages) in memorizing_model.FOLLOW_UPS[memorizing_model.MUTEX]
    assert words(messages)


def test_replies_in_a_thread_come_in_the_order_asked(desk: Desk) -> None:
    """Three people's questions in one thread are answered one after the other."""
    jobs = [desk.ask(memorizing_model.MUTEX)]
    for text, user in (
        (memorizing_model.GREET, LIN),
        (memorizing_model.IN_PLACE, ADA),
        (memorizing_model.COUNT, LIN),
    ):
        jobs.append(desk.ask(text, user=user, after=jobs[-1]))

    desk.wait_ended(jobs[-1])

    first, last = [], []
    for job in jobs:
        calls = [call["n"] for call in desk.calls(job)]
        first.append(calls[0])
        last.append(calls[-1])
    assert all(end < begin for end, begin in zip(last, first[1:], strict=False))


def test_a_sign_appears_within_a_second_of_the_job_being_taken(desk: Desk, worker: Process) -> None:
    """The placeholder is there long before the answer is."""
    job = desk.ask(memorizing_model.MUTEX)
    desk.wait_ended(job)

    [post] = desk.calls(job, "chat.postMessage")
    assert post["args"]["metadata"]["event_payload"]["state"] == "placeholder"
    taken = next(line for line in worker.lines if job.id in line and "job taken" in line)
    assert json.loads(taken)["age"] < 1


def test_an_ordinary_reply_costs_few_calls(desk: Desk) -> None:
    """One post, edits further and further apart, one final; none of them is refused."""
    job = desk.ask(memorizing_model.ENDLESS)
    desk.wait_ended(job)

    calls = desk.calls(job)
    states = [call["args"]["metadata"]["event_payload"]["state"] for call in calls]
    assert states == ["placeholder", *["growing"] * (len(calls) - 2), "final"]
    times = [call["at"] for call in calls[:-1]]
    least = [PACE * SLOWER**number for number in range(len(times))]
    assert all(b - a > 0.9 * wait for (a, b), wait in zip(pairwise(times), least, strict=False))
    assert [call["error"] for call in calls if not call["ok"]] == []
    assert [call["unknown"] for call in calls if call["unknown"]] == []


def test_a_reply_may_appear_only_when_it_is_finished(desk: Desk) -> None:
    """Where readers want no growing text there is one placeholder and one edit."""
    job = desk.ask(memorizing_model.MUTEX, display=Display.FINAL)
    desk.wait_ended(job)

    states = [c["args"]["metadata"]["event_payload"]["state"] for c in desk.calls(job)]
    assert states == ["placeholder", "final"]


def test_rq_sees_the_job_as_finished(desk: Desk) -> None:
    """RQ's own records say how the job ended, and its text leaves Redis in time."""
    job = desk.ask(memorizing_model.GREET)
    desk.wait_ended(job)
    desk.wait_recorded(job)

    key = f"rq:job:{job.id}"
    assert 0 < desk.redis.ttl(key) <= keys.TEXT_TTL
    assert desk.redis.zscore("rq:finished:starchat", job.id)
    assert desk.redis.zscore(keys.PENDING, job.id) is None
    queue = Queue(QUEUE, connection=desk.redis, serializer=JSONSerializer)
    found = queue.fetch_job(job.id)
    assert found is not None
    assert found.return_value() == {"outcome": "answered"}


def test_no_text_is_in_the_log(desk: Desk, worker: Process) -> None:
    """Neither questions nor answers are logged."""
    job = desk.ask(memorizing_model.REVERSE)
    desk.wait_ended(job)
    desk.wait_recorded(job)

    assert job.id in worker.log
    assert "reverse" not in worker.log
    assert "xoxb" not in worker.log


def test_stopping_keeps_what_was_written(desk: Desk) -> None:
    """A reader's stop ends the generation; the reply says that it was stopped."""
    for _ in range(TRIES):
        job = desk.ask(memorizing_model.ENDLESS, channel=GENERAL)
        desk.wait_grown(job)
        desk.outbox.cancel(job.id)
        messages = desk.wait_ended(job)
        assert words(messages).startswith(memorizing_model.ROUND.strip())
        if "Stopped" in notices(messages):
            return
    raise AssertionError("no stop came before the end")


def test_a_deleted_question_takes_its_growing_reply_with_it(desk: Desk) -> None:
    """Who deletes a question while it is being answered sees no answer to it."""
    job = desk.ask(memorizing_model.ENDLESS)
    desk.wait_grown(job)

    desk.workspace.delete(ADA, GENERAL, job.ts)
    desk.outbox.cancel(job.id)

    desk.workspace.wait_until(lambda: not desk.said_by_us(job))


# -- where there is no reply


def test_a_question_longer_than_the_window_is_refused_kindly(desk: Desk) -> None:
    """Nothing of a question is cut off behind the back of who asked it."""
    job = desk.ask("why " * 3000)
    [message] = desk.wait_ended(job)
    assert "longer than I can read" in notices([message])
    assert words([message]) == ""


def test_a_placeholder_that_was_deleted_ends_the_job_in_silence(desk: Desk) -> None:
    """Who deletes the growing reply gets no other one."""
    job = desk.ask(memorizing_model.ENDLESS)
    [message] = desk.wait_grown(job)
    desk.workspace.control("delete", channel=GENERAL, ts=message["ts"])
    desk.wait_recorded(job)
    assert desk.said_by_us(job) == []
    assert desk.pending() == 0


def test_a_channel_that_was_archived_ends_the_job_in_silence(desk: Desk, worker: Process) -> None:
    """Where nobody may post, one line in the log is all."""
    channel = desk.workspace.control("create", name="old", members=[ADA, STARCHAT])["channel"]
    job = desk.question(memorizing_model.MUTEX, channel=channel)
    desk.workspace.control("archive", channel=channel)
    desk.outbox.accept(job)
    desk.wait_recorded(job)
    assert desk.wait_logged(worker, "no reply wanted", job)["error"] == "is_archived"
    assert len(desk.calls(job)) == 1


def test_a_worker_that_was_removed_from_the_channel_is_silent(desk: Desk, worker: Process) -> None:
    """Removed while it writes, the app leaves the channel alone."""
    channel = desk.workspace.control("create", name="left", members=[ADA, STARCHAT])["channel"]
    job = desk.question(memorizing_model.MUTEX, channel=channel)
    desk.workspace.control("kick", channel=channel)
    desk.outbox.accept(job)
    desk.wait_recorded(job)
    assert desk.wait_logged(worker, "no reply wanted", job)


def test_slack_may_fail_at_every_call_and_the_reply_is_there_once(desk: Desk) -> None:
    """With a third of all calls going wrong, each question still has its one answer."""
    faults = ("ratelimited", "status", "status_after", "html", "truncated", "drop_before")
    rules = [{"fault": fault, "probability": 0.06, "retry_after": 1} for fault in faults]
    desk.workspace.faults(*rules, seed=7)
    jobs = [desk.ask(memorizing_model.MUTEX) for _ in range(4)]
    try:
        found = [desk.wait_ended(job, within=90) for job in jobs]
        for job in jobs:
            desk.wait_recorded(job)
    finally:
        desk.workspace.faults()
    assert [words(messages) for messages in found] == [
        memorizing_model.ANSWERS[memorizing_model.MUTEX]
    ] * 4
    assert [len(desk.said_by_us(job)) for job in jobs] == [1] * 4
