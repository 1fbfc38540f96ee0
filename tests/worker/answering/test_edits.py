"""Edits and deletions of a question while a worker runs it, with and without a command."""

import signal

from bot.store.job_updates import JobUpdates, UpdateOutcome
from contract import keys
from contract.job import Job
from testing.memorizing_model import ANSWERS, ENDLESS, GREET, MUTEX
from testing.polling import poll_until
from testing.process_tree import wait_until_paused
from testing.processes import Process
from testing.worker_harness import StandbyWorker, WorkerHarness, reply_text
from testing.workspace import ADA


def edit_question(harness: WorkerHarness, job: Job, text: str) -> UpdateOutcome:
    """Edit a question and put the new text into its job, as the bot does."""
    harness.workspace.edit_message(ADA, job.thread.channel, job.ts, text)
    new_turn = job.question.model_copy(update={"text": text})
    return JobUpdates(harness.redis).replace_payload(
        job.id, lambda old: old.model_copy(update={"turns": (new_turn,)}), restart=True
    )


def hide_worker(harness: WorkerHarness, job: Job) -> None:
    """Remove the worker's name from a job, so that no command reaches the worker."""
    harness.redis.hdel(f"rq:job:{job.id}", "worker_name")


def test_edit_restarts_reply_without_costing_an_attempt(
    harness: WorkerHarness, worker: Process
) -> None:
    """The worker stops at once and answers the new text in the same message."""
    job = harness.enqueue_question(ENDLESS)
    [growing] = harness.wait_for_growth(job)
    assert edit_question(harness, job, MUTEX) is UpdateOutcome.RESTARTED
    harness.wait_for_log(worker, "job edited", job)
    harness.wait_for_result(job)
    [message] = harness.wait_for_end(job)

    assert message["ts"] == growing["ts"]
    assert reply_text([message]).strip() == ANSWERS[MUTEX]
    assert harness.redis.hget(f"rq:job:{job.id}", keys.ATTEMPTS) == b"1"
    assert not any(
        "Something went wrong" in call["args"]["text"] for call in harness.job_calls(job)
    )


def test_edit_without_command_is_noticed_before_save(
    harness: WorkerHarness, worker: Process
) -> None:
    """The answer to the old text is neither saved nor shown as final."""
    job = harness.enqueue_question(ENDLESS)
    harness.wait_for_growth(job)
    hide_worker(harness, job)
    assert edit_question(harness, job, GREET) is UpdateOutcome.RESTARTED
    harness.wait_for_result(job)
    [message] = harness.wait_for_end(job)

    assert reply_text([message]).strip() == ANSWERS[GREET]
    finals = [c for c in harness.job_calls(job) if "'state': 'final'" in str(c["args"])]
    assert len(finals) == 1


def test_deletion_without_command_is_noticed_before_save(
    harness: WorkerHarness, worker: Process
) -> None:
    """Neither the reply nor its text remains."""
    job = harness.enqueue_question(ENDLESS)
    harness.wait_for_growth(job)
    hide_worker(harness, job)
    harness.workspace.delete_message(ADA, job.thread.channel, job.ts)
    harness.job_queue.cancel_job(job.id)
    harness.wait_for_log(worker, "job ended", job)

    assert harness.reply_messages(job) == []
    poll_until(lambda: not harness.redis.exists(f"rq:job:{job.id}"))


def test_deletion_after_final_withdraws_the_reply(
    harness: WorkerHarness, model: str, standby: StandbyWorker
) -> None:
    """A question counts as running until its outcome is recorded."""
    with harness.start_worker(
        model, STARCHAT_FAILPOINT="after_final:pause", STARCHAT_LEASE_SECONDS="30"
    ) as worker:
        worker.wait_for_event("model loaded")
        job = harness.enqueue_question(MUTEX)
        wait_until_paused(worker.pid)
        assert harness.wait_for_end(job)
        harness.workspace.delete_message(ADA, job.thread.channel, job.ts)
        harness.job_queue.cancel_job(job.id)
        worker.send_signal(signal.SIGCONT)
        harness.wait_for_log(worker, "job ended", job)
        cache_key = keys.answer_cache(job.thread.team, job.thread.channel, job.thread.ts)

        assert harness.reply_messages(job) == []
        assert not harness.redis.hexists(cache_key, job.ts)
        poll_until(lambda: not harness.redis.exists(f"rq:job:{job.id}"))


def test_withdrawn_job_of_dead_worker_is_not_generated(
    harness: WorkerHarness, worker: Process, standby: StandbyWorker
) -> None:
    """The next worker only removes what was posted."""
    job = harness.enqueue_question(MUTEX)
    harness.workspace.delete_message(ADA, job.thread.channel, job.ts)
    harness.redis.hset(f"rq:job:{job.id}", keys.WITHDRAWN, "1")
    standby.resume_worker()
    ended = harness.wait_for_log(worker, "job ended", job)

    assert ended["outcome"] in {"withdrawn", "abandoned"}
    assert harness.reply_messages(job) == []
    assert not any("'state': 'final'" in str(call["args"]) for call in harness.job_calls(job))
