"""Forged queue entries run no code in a worker and do not block it."""

from collections.abc import Callable
from pathlib import Path

from redis import Redis

from bot.store.acceptance import QueueLimits
from testing.polling import poll_until
from testing.prepared_queue import PreparedQueue
from testing.queue_inspector import make_job
from tests.adversarial.envelopes import CANARY_WORD
from tests.adversarial.queue_entries import generate_cases
from tests.adversarial.queue_runner import QueueRunner
from worker.jobs.leases import INTERMEDIATE_QUEUE, LeaseManager
from worker.jobs.rq_worker import RqWorker


def test_adversarial_queue_entry_has_expected_outcome(
    redis: Redis, tmp_path: Path, read_logs: Callable[[], str]
) -> None:
    """No entry runs code or is logged, unreadable ones are quarantined, and valid jobs follow."""
    canary = tmp_path / "canary"
    worker = RqWorker(redis, "w1", LeaseManager(redis, 30.0, "w1"), 3600)
    worker.register_birth()  # type: ignore[no-untyped-call]
    cases = list(generate_cases(str(canary)))
    queue = QueueRunner(redis, worker)
    queue.push_entries(cases)
    outcomes = [queue.process_next() for _ in cases]
    PreparedQueue(redis, QueueLimits()).enqueue(make_job(1))

    wrong_outcomes = [
        f"{case.id}: {outcome}, not {case.outcome}; {violations}"
        for case, (outcome, violations) in zip(cases, outcomes, strict=True)
        if outcome is not case.outcome or violations
    ]
    assert not wrong_outcomes, "\n".join(wrong_outcomes)
    assert not canary.exists()
    assert CANARY_WORD not in read_logs()
    assert worker.claim_job(str(worker.dequeue_job_id())) is not None
    reaper = LeaseManager(redis, 0.02, "w2")
    poll_until(
        lambda: reaper.reap_jobs() == [] and not list_unreleased(redis),
        description="the last job id to be released",
    )


def list_unreleased(redis: Redis) -> list[object]:
    """Return the job ids that workers still hold."""
    return list(redis.lrange(INTERMEDIATE_QUEUE, 0, -1))
