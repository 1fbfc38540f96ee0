"""A question that is edited or deleted while a worker runs it, whether the worker hears or not."""

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


def edit_question(desk: WorkerHarness, job: Job, text: str) -> UpdateOutcome:
    """Edit a question and put the new text into its job, as the bot does."""
    desk.workspace.edit_message(ADA, job.thread.channel, job.ts, text)
    new_turn = job.question.model_copy(update={"text": text})
    return JobUpdates(desk.redis).replace_payload(
        job.id, lambda old: old.model_copy(update={"turns": (new_turn,)}), restart=True
    )


def hide_worker(desk: WorkerHarness, job: Job) -> None:
    """Make it unknown which worker runs a job, so that no command reaches it."""
    desk.redis.hdel(f"rq:job:{job.id}", "worker_name")


def test_an_edit_begins_the_reply_anew(desk: WorkerHarness, worker: Process) -> None:
    """The worker stops at once, and what it had begun costs no attempt."""
    job = desk.enqueue_question(ENDLESS)
    [grown] = desk.wait_for_growth(job)
    assert edit_question(desk, job, MUTEX) is UpdateOutcome.RESTARTED
    desk.wait_for_log(worker, "job edited", job)
    desk.wait_for_result(job)
    [reply] = desk.wait_for_end(job)

    assert reply["ts"] == grown["ts"]
    assert reply_text([reply]).strip() == ANSWERS[MUTEX]
    assert desk.redis.hget(f"rq:job:{job.id}", keys.ATTEMPTS) == b"1"
    assert not any("Something went wrong" in call["args"]["text"] for call in desk.job_calls(job))


def test_an_edit_that_the_worker_does_not_hear_is_noticed_at_the_end(
    desk: WorkerHarness, worker: Process
) -> None:
    """The answer to the old text is never saved, nor shown as final."""
    job = desk.enqueue_question(ENDLESS)
    desk.wait_for_growth(job)
    hide_worker(desk, job)
    assert edit_question(desk, job, GREET) is UpdateOutcome.RESTARTED
    desk.wait_for_result(job)
    [reply] = desk.wait_for_end(job)

    assert reply_text([reply]).strip() == ANSWERS[GREET]
    finals = [c for c in desk.job_calls(job) if "'state': 'final'" in str(c["args"])]
    assert len(finals) == 1


def test_a_deletion_that_the_worker_does_not_hear_is_noticed_at_the_end(
    desk: WorkerHarness, worker: Process
) -> None:
    """Neither the reply nor any text of it stays."""
    job = desk.enqueue_question(ENDLESS)
    desk.wait_for_growth(job)
    hide_worker(desk, job)
    desk.workspace.delete_message(ADA, job.thread.channel, job.ts)
    desk.job_queue.cancel_job(job.id)
    desk.wait_for_log(worker, "job ended", job)

    assert desk.reply_messages(job) == []
    poll_until(lambda: not desk.redis.exists(f"rq:job:{job.id}"))


def test_a_deletion_between_the_final_and_its_record_takes_the_reply_away(
    desk: WorkerHarness, model: str, survivor: StandbyWorker
) -> None:
    """The last moment at which the question counts as running is when its end is written."""
    with desk.start_worker(
        model, STARCHAT_FAILPOINT="after_final:pause", STARCHAT_LEASE_SECONDS="30"
    ) as worker:
        worker.wait_for_event("model loaded", timeout=120)
        job = desk.enqueue_question(MUTEX)
        wait_until_paused(worker.pid)
        assert desk.wait_for_end(job)
        desk.workspace.delete_message(ADA, job.thread.channel, job.ts)
        desk.job_queue.cancel_job(job.id)
        worker.send_signal(signal.SIGCONT)
        desk.wait_for_log(worker, "job ended", job)
        memory = keys.answer_cache(job.thread.team, job.thread.channel, job.thread.ts)

        assert desk.reply_messages(job) == []
        assert not desk.redis.hexists(memory, job.ts)
        poll_until(lambda: not desk.redis.exists(f"rq:job:{job.id}"))


def test_a_withdrawn_job_of_a_dead_worker_is_not_generated_again(
    desk: WorkerHarness, worker: Process, survivor: StandbyWorker
) -> None:
    """Whoever takes it over only clears away what was posted."""
    job = desk.enqueue_question(MUTEX)
    desk.workspace.delete_message(ADA, job.thread.channel, job.ts)
    desk.redis.hset(f"rq:job:{job.id}", keys.WITHDRAWN, "1")
    survivor.resume_worker()
    ended = desk.wait_for_log(worker, "job ended", job)

    assert ended["outcome"] in {"withdrawn", "abandoned"}
    assert desk.reply_messages(job) == []
    assert not any("'state': 'final'" in str(call["args"]) for call in desk.job_calls(job))
