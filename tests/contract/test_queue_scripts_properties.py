"""Queue scripts under any sequence of questions, ends, withdrawals and deletions."""

from dataclasses import dataclass
from typing import Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from tests.contract.queue_scripts import QueueScripts

THREADS = ("1.0", "2.0", "3.0")
USERS = ("U1", "U2")


@dataclass
class TrackedTurn:
    """An accepted, unfinished job."""

    thread: str
    user: str
    running: bool = False


class QueueTraffic(RuleBasedStateMachine):
    """Users ask, workers answer, and questions are withdrawn."""

    turns: Bundle[str] = Bundle("turns")

    queue: ClassVar[QueueScripts]

    def __init__(self) -> None:
        super().__init__()
        self.queue.redis.flushall()
        self.unfinished: dict[str, TrackedTurn] = {}
        self.question_count = 0

    @rule(target=turns, thread=st.sampled_from(THREADS), user=st.sampled_from(USERS))
    def ask_question(self, thread: str, user: str) -> Any:
        """A user asks."""
        self.question_count += 1
        ts = f"{self.question_count}.1"
        own = sum(turn.user == user for turn in self.unfinished.values())
        receipt = self.queue.enqueue_job(ts, thread=thread, user=user)
        if own >= self.queue.max_pending_per_user:
            assert receipt.outcome == "user_quota_exceeded"
            return multiple()
        assert receipt == ("accepted", len(self.unfinished), len(self.unfinished) + 1)
        self.unfinished[ts] = TrackedTurn(thread, user)
        return ts

    @rule(ts=turns)
    def redeliver_event(self, ts: str) -> None:
        """Slack delivers a message again."""
        before = self.queue.runnable_jobs()

        assert self.queue.enqueue_job(ts).outcome == "duplicate"
        assert self.queue.runnable_jobs() == before

    @precondition(lambda self: any(turn.running for turn in self.unfinished.values()))
    @rule(choice=st.randoms(use_true_random=False))
    def finish_job(self, choice: Any) -> None:
        """A worker finishes a job."""
        ts = choice.choice([ts for ts, turn in self.unfinished.items() if turn.running])

        assert self.queue.end_job(ts) == 1
        del self.unfinished[ts]

    @rule()
    def take_job(self) -> None:
        """A worker takes the next job off the list."""
        ts = self.queue.start_next()
        if ts is not None:
            self.unfinished[ts].running = True

    @rule(ts=turns)
    def withdraw_question(self, ts: str) -> None:
        """A user deletes a question before a worker has started it."""
        if ts in self.unfinished and not self.unfinished[ts].running:
            self.queue.withdraw_job(ts)
            assert self.queue.end_job(ts, "canceled") == 1
            del self.unfinished[ts]

    @invariant()
    def thread_runs_one_turn(self) -> None:
        """Only a thread's oldest job runs or may run."""
        may_run = set(self.queue.runnable_jobs()) | {
            ts for ts, t in self.unfinished.items() if t.running
        }
        for thread in THREADS:
            own = [ts for ts, turn in self.unfinished.items() if turn.thread == thread]
            assert not may_run & set(own[1:])

    @invariant()
    def user_quota_holds(self) -> None:
        """No user has more running or runnable jobs than slots, and no slot stays empty."""
        queued = self.queue.runnable_jobs()
        assert len(queued) == len(set(queued))
        for user in USERS:
            own = [ts for ts, turn in self.unfinished.items() if turn.user == user]
            going = [ts for ts in own if ts in queued or self.unfinished[ts].running]
            heads = [ts for ts in own if self._queue_head(self.unfinished[ts].thread) == ts]
            assert len(going) == min(self.queue.max_running_per_user, len(heads))

    @invariant()
    def unfinished_turns_are_pending(self) -> None:
        """Each unfinished job is pending, and either running, queued or deferred."""
        assert self.queue.pending_jobs() == list(self.unfinished)
        queued = set(self.queue.runnable_jobs())
        running = {ts for ts, turn in self.unfinished.items() if turn.running}
        assert queued | running | self.queue.deferred_jobs() == set(self.unfinished)
        assert self.queue.job_statuses(self.unfinished) == [
            "queued" if ts in queued else "started" if ts in running else "deferred"
            for ts in self.unfinished
        ]

    def teardown(self) -> None:
        """Workers answer all that is left, and then no key holds a place."""
        for ts in [ts for ts, turn in self.unfinished.items() if turn.running]:
            self.queue.end_job(ts)
        self.queue.run_all_jobs()
        assert self.queue.quota_keys() == set()
        assert self.queue.deferred_jobs() == set()

    def _queue_head(self, thread: str) -> str:
        return next(ts for ts, turn in self.unfinished.items() if turn.thread == thread)


class JobDeletions(RuleBasedStateMachine):
    """Users ask and workers answer, while an operator deletes jobs with RQ's tools."""

    queue: ClassVar[QueueScripts]

    def __init__(self) -> None:
        super().__init__()
        self.queue.redis.flushall()
        self.question_count = 0

    @rule(thread=st.sampled_from(THREADS), user=st.sampled_from(USERS))
    def ask_question(self, thread: str, user: str) -> None:
        """A user asks."""
        self.question_count += 1
        self.queue.enqueue_job(f"{self.question_count}.1", thread=thread, user=user)

    @rule()
    def finish_job(self) -> None:
        """A worker finishes a job."""
        ts = self.queue.start_next()
        if ts is not None:
            self.queue.end_job(ts)

    @rule(choice=st.randoms(use_true_random=False))
    def delete_job(self, choice: Any) -> None:
        """An operator deletes any pending job."""
        pending = self.queue.pending_jobs()
        if pending:
            self.queue.delete_job(choice.choice(pending))

    def teardown(self) -> None:
        """A repair promotes all waiting jobs; one more question each clears the rest away."""
        self.queue.run_all_jobs()
        self.queue.repair_orphans()
        self.queue.run_all_jobs()
        assert self.queue.deferred_jobs() == set()
        for user in USERS:
            for thread in THREADS:
                self.ask_question(thread, user)
        self.queue.run_all_jobs()
        assert set(self.queue.job_statuses(self.queue.pending_jobs())) <= {None}
        assert self.queue.deferred_jobs() == set()
        assert self.queue.job_statuses([f"{self.question_count}.1"]) == ["finished"]


STATE_MACHINE_SETTINGS = settings(
    max_examples=30,
    stateful_step_count=25,
    suppress_health_check=[HealthCheck.too_slow],
)


def test_queue_invariants_hold_after_every_step(redis: Redis) -> None:
    """Threads stay in order, quotas hold, no job runs twice or is lost, no key is left."""

    class Here(QueueTraffic):
        queue = QueueScripts(redis, max_pending_per_user=6, max_running_per_user=2)

    run_state_machine_as_test(Here, settings=STATE_MACHINE_SETTINGS)


def test_deleted_jobs_never_block_others_for_good(redis: Redis) -> None:
    """After any deletions, the next question of each thread and user is answered."""

    class Here(JobDeletions):
        queue = QueueScripts(redis, max_running_per_user=1)

    run_state_machine_as_test(Here, settings=STATE_MACHINE_SETTINGS)
