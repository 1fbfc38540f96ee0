"""
Whatever people, workers and their deaths do in whatever order: one answer each, in order.

The default run is short. `make protocol` makes 2,000 runs of 60 steps.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Final

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bot.store.job_updates import Revised
from contract import keys
from contract.job import Job
from testing.redis_server import RedisServer
from tests.worker.jobs.protocol_model import JobExecution, QueueProtocol, make_job
from worker.jobs.leases import JOB

RUNS: Final = int(os.environ.get("PROTOCOL_RUNS", "25"))
STEPS: Final = int(os.environ.get("PROTOCOL_STEPS", "40"))
THREADS: Final = ("1.1", "2.1")
USERS: Final = ("U1", "U2")


@dataclass
class Question:
    """What we know of a question: `text` is what its job is to answer, `said` what it says now."""

    job: Job
    text: str
    said: str
    deleted: bool = False
    unwanted: bool = False
    """Whether it was deleted before it was answered: then nobody may see a reply."""
    finals: int = 0
    wanted: int = 1
    shown: dict[str, str] = field(default_factory=dict)
    """Our messages that readers see: id to text."""


class Machine(RuleBasedStateMachine):
    """People, a bot, two workers, and everything that can happen to them."""

    protocol: ClassVar[QueueProtocol]

    def __init__(self) -> None:
        super().__init__()
        self.protocol.flush_redis()
        self.questions: dict[str, Question] = {}
        self.order: dict[str, list[str]] = {thread: [] for thread in THREADS}
        self.alive: list[JobExecution] = []
        self.dead: list[JobExecution] = []
        self.dequeued: list[str] = []
        self.numbers = 0

    def next(self) -> int:
        """Return a number that was not there before."""
        self.numbers += 1
        return self.numbers

    # -- people

    @rule(thread=st.sampled_from(THREADS), user=st.sampled_from(USERS))
    def deliver(self, thread: str, user: str) -> None:
        """A question arrives."""
        number = self.next()
        job = make_job(number, thread, user, f"q{number}")
        assert self.protocol.job_queue.accept(job).outcome == "accepted"
        self.questions[job.id] = Question(job, f"q{number}", f"q{number}")
        self.order[thread].append(job.id)

    @precondition(lambda self: self.questions)
    @rule(data=st.data())
    def duplicate(self, data: st.DataObject) -> None:
        """Slack delivers a question again, whatever became of it."""
        asked = self.chosen(data)
        assert self.protocol.job_queue.accept(asked.job).outcome == "duplicate"

    @precondition(lambda self: self.questions)
    @rule(data=st.data(), restart=st.booleans())
    def edit(self, data: st.DataObject, restart: bool) -> None:  # noqa: FBT001
        """A person edits a question; it is told apart from every text before."""
        asked = self.chosen(data)
        if asked.deleted:
            return
        asked.said = f"{asked.job.ts} edited {self.next()}"
        outcome = self.protocol.edit_question(asked.job, asked.said, restart=restart)
        if outcome in {Revised.UPDATED, Revised.RESTARTED}:
            asked.text = asked.said
            assert asked.finals != asked.wanted
        elif outcome is Revised.RUNNING:
            assert not restart

    @precondition(lambda self: self.questions)
    @rule(data=st.data())
    def again(self, data: st.DataObject) -> None:
        """A person wants another answer to an edited question that was answered."""
        asked = self.chosen(data)
        if asked.deleted or asked.said == asked.text:
            return
        turn = asked.job.question.model_copy(update={"text": asked.said})
        job = asked.job.model_copy(update={"turns": (turn,)})
        reply = next(iter(asked.shown), None)
        unfinished = asked.job.id in self.protocol.pending_jobs()
        receipt = self.protocol.job_queue.again(job, f"{self.next()}.1", reply)
        assert (receipt.outcome == "duplicate") is unfinished
        if not unfinished:
            asked.text, asked.wanted = asked.said, asked.wanted + 1
            self.order[job.thread.ts].append(job.id)

    @precondition(lambda self: self.questions)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        """A person deletes a question."""
        asked = self.chosen(data)
        if asked.deleted:
            return
        self.protocol.delete_question(asked.job)
        asked.deleted, asked.unwanted = True, asked.finals < asked.wanted
        if asked.job.id not in self.protocol.pending_jobs():
            self.ended(asked)

    # -- workers

    @rule(worker=st.integers(0, 1))
    def claim(self, worker: int) -> None:
        """A worker takes the next job."""
        job = self.protocol.dequeue_job(self.protocol.workers[worker])
        if job is not None:
            self.begin(worker, job)

    @rule(worker=st.integers(0, 1))
    def work(self, worker: int) -> None:
        """A worker takes the next job and answers it without a hitch."""
        job = self.protocol.dequeue_job(self.protocol.workers[worker])
        before = len(self.alive)
        if job is not None:
            self.begin(worker, job)
        for execution in self.alive[before:]:
            self.through(execution)

    @rule(worker=st.integers(0, 1), claims=st.booleans())
    def die_early(self, worker: int, claims: bool) -> None:  # noqa: FBT001
        """A worker dies with a job in its hand, claimed or not."""
        job = self.protocol.dequeue_job(self.protocol.workers[worker])
        if job is not None and claims:
            self.protocol.claim_job(job)

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def beat(self, data: st.DataObject) -> None:
        """A worker proves its lease; it succeeds exactly if it may act."""
        execution = self.execution(data)
        assert self.protocol.renew_lease(execution) is self.protocol.holds_lease(execution)

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def open(self, data: st.DataObject) -> None:
        """A worker posts the message that becomes the reply, or adopts the one there is."""
        execution = self.execution(data)
        if not self.protocol.renew_lease(execution):
            return self.drop(execution)
        asked, message = self.questions[execution.job_id], f"m{self.next()}"
        stands = self.protocol.set_placeholder(execution, message)
        if stands == message:
            asked.shown[message] = "…"
        return None

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def save(self, data: st.DataObject) -> None:
        """A worker has generated the answer to what it has read."""
        execution = self.execution(data)
        if execution.posted or execution.withdrawn or execution.answer is not None:
            return
        said = self.protocol.write_field(execution, keys.ANSWER, execution.question_text)
        if said == 1:
            asked = self.questions[execution.job_id]
            assert execution.question_text == asked.text
            execution.answer = execution.question_text
        elif said == 0:
            self.drop(execution)
        else:
            self.protocol.requeue_job(execution)
            self.drop(execution)

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), until=st.integers(0, 3))
    def finish(self, data: st.DataObject, until: int) -> None:
        """A worker shows the answer and ends the job, or dies after so many of these steps."""
        execution = self.execution(data)
        if execution.answer is None and not (execution.posted or execution.withdrawn):
            return
        self.drop(execution)
        if not execution.posted:
            if not self.protocol.renew_lease(execution):
                return
            asked = self.questions[execution.job_id]
            self.show(execution, asked)
            if until == 0 or not self.conclude(execution, asked):
                return
        if until > 1:
            self.protocol.release_job(execution)
        if until > 2:
            self.protocol.record_success(execution)

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def return_it(self, data: st.DataObject) -> None:
        """A worker is told to hurry, or the engine failed."""
        execution = self.execution(data)
        self.protocol.requeue_job(execution)
        self.drop(execution)

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        """A worker is killed."""
        self.drop(self.execution(data))

    # -- time

    @rule()
    def expire(self) -> None:
        """All leases run out, also of workers that only slept."""
        self.protocol.expire_leases()

    @rule()
    def reap(self) -> None:
        """A worker looks for what the dead have left."""
        self.protocol.reap_jobs()

    @rule()
    def tick(self) -> None:
        """A worker looks for what deleted jobs hold up."""
        self.protocol.repair_orphans()

    # -- what must hold

    @invariant()
    def one_may_act(self) -> None:
        """Of all executions, those of dead and sleeping workers included, one may act for a job."""
        may = Counter(e.job_id for e in (*self.alive, *self.dead) if self.protocol.holds_lease(e))
        assert all(count == 1 for count in may.values())

    @invariant()
    def threads_keep_their_order(self) -> None:
        """A lane is what is unfinished of a thread in the order asked; only its head runs."""
        for thread in THREADS:
            lane = self.protocol.thread_jobs(thread)
            pending = set(self.protocol.pending_jobs())
            asked = [job for job in self.order[thread] if job in pending]
            assert lane == asked[-len(lane) :] if lane else not asked
            for job in lane[1:]:
                assert self.protocol.redis.hget(JOB + job, "status") == b"deferred"

    @invariant()
    def one_reply_at_most(self) -> None:
        """Nobody sees two messages in answer to one question."""
        for asked in self.questions.values():
            assert len(asked.shown) <= 1
            assert asked.finals <= asked.wanted

    @invariant()
    def the_count_is_right(self) -> None:
        """What is pending is what waits for its end, once each."""
        pending = self.protocol.pending_jobs()
        assert len(pending) == len(set(pending))
        owed = {job for job, asked in self.questions.items() if asked.finals < asked.wanted}
        assert owed <= set(pending)

    def teardown(self) -> None:
        """Workers that live finish everything: each question that stands has its one reply."""
        for _ in range(4 * len(self.questions) + 4):
            for execution in list(self.alive):
                self.drop(execution)
            self.protocol.expire_leases()
            self.protocol.reap_jobs()
            while (job := self.protocol.dequeue_job(self.protocol.workers[0])) is not None:
                self.begin(0, job)
                for execution in list(self.alive):
                    self.through(execution)
        for asked in self.questions.values():
            assert asked.deleted or list(asked.shown.values()) == [asked.text]
            assert not (asked.unwanted and asked.shown)
        assert self.protocol.leftover_keys() == set()

    # -- steps that rules share

    def chosen(self, data: st.DataObject) -> Question:
        """Choose a question."""
        return self.questions[data.draw(st.sampled_from(list(self.questions)))]

    def execution(self, data: st.DataObject) -> JobExecution:
        """Choose an execution of a worker that lives."""
        return data.draw(st.sampled_from(self.alive))

    def begin(self, worker: int, job: str) -> None:
        """Let a worker begin a job, if it is to be run."""
        execution = self.protocol.start_job(self.protocol.workers[worker], job)
        if execution is not None:
            self.alive.append(execution)

    def drop(self, execution: JobExecution) -> None:
        """End an execution without a word."""
        self.protocol.abandon_job(execution)
        self.alive.remove(execution)
        self.dead.append(execution)

    def show(self, execution: JobExecution, asked: Question) -> None:
        """Show the final in the one message of the reply."""
        message = self.protocol.set_placeholder(execution, f"m{self.next()}")
        assert message is not None
        if not execution.withdrawn:
            asked.shown[message] = str(execution.answer)

    def conclude(self, execution: JobExecution, asked: Question) -> bool:
        """Record the end for the reader; of a deleted question nothing stays."""
        said = self.protocol.write_field(execution, keys.OUTCOME, "answered")
        if said == 0:
            return False
        if said < 0 or execution.withdrawn:
            assert asked.deleted
            asked.shown.clear()
            self.protocol.write_field(execution, keys.OUTCOME, "withdrawn", if_current=False)
        asked.finals = asked.wanted
        return True

    def ended(self, asked: Question) -> None:
        """Nothing more is owed to a question; a message without an answer is deleted."""
        if asked.finals < asked.wanted:
            asked.shown.clear()
        asked.finals = asked.wanted

    def through(self, execution: JobExecution) -> None:
        """Run an execution from where it stands to its end."""
        if not (execution.posted or execution.withdrawn or execution.answer is not None):
            assert self.protocol.write_field(execution, keys.ANSWER, execution.question_text) == 1
            execution.answer = execution.question_text
        if not execution.posted:
            asked = self.questions[execution.job_id]
            self.show(execution, asked)
            assert self.conclude(execution, asked)
        self.protocol.release_job(execution)
        self.protocol.record_success(execution)
        self.drop(execution)


@pytest.fixture(scope="module")
def connection() -> Iterator[redis.Redis]:
    """Connect to a server of this module's own."""
    with RedisServer() as server, redis.Redis.from_url(server.url) as client:
        yield client


@pytest.mark.timeout(3600)
def test_one_answer_each_in_order_whatever_happens(connection: redis.Redis) -> None:
    """Deliver, duplicate, edit, delete, ask again, claim, beat, expire, finish, die, reap, tick."""

    class Here(Machine):
        protocol = QueueProtocol(connection)

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
