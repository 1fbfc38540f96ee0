"""
Queue protocol: after any sequence of events each question has one answer, in order.

The default run is short. `make protocol` makes 2,000 runs of 60 steps.
"""

import os
from collections import Counter
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from bot.store.job_updates import UpdateOutcome
from tests.worker.jobs.protocol_inbox import InboxRules
from tests.worker.jobs.protocol_model import QueueProtocol, make_job
from tests.worker.jobs.protocol_steps import THREADS, USERS, Question
from worker.jobs.leases import JOB_PREFIX

MAX_EXAMPLES: Final = int(os.environ.get("PROTOCOL_RUNS", "25"))
STEPS_PER_RUN: Final = int(os.environ.get("PROTOCOL_STEPS", "40"))


class QueueStateMachine(InboxRules):
    """Users, a bot, two workers and every event that can happen to them."""

    # -- people

    @rule(thread=st.sampled_from(THREADS), user=st.sampled_from(USERS))
    def deliver_question(self, thread: str, user: str) -> None:
        """A question arrives."""
        number = self.next_number()
        job = make_job(number, thread, user, f"q{number}")
        assert self.protocol.job_queue.enqueue(job).outcome == "accepted"
        self.questions[job.id] = Question(job, f"q{number}", f"q{number}")
        self.order[thread].append(job.id)

    @precondition(lambda self: self.questions)
    @rule(data=st.data())
    def redeliver_question(self, data: st.DataObject) -> None:
        """Slack delivers a question again."""
        question = self.draw_question(data)
        assert self.protocol.job_queue.enqueue(question.job).outcome == "duplicate"

    @precondition(lambda self: self.questions)
    @rule(data=st.data(), restart=st.booleans())
    def edit_question(self, data: st.DataObject, restart: bool) -> None:  # noqa: FBT001
        """A user edits a question; the new text is unique."""
        question = self.draw_question(data)
        if question.deleted:
            return
        question.current_text = f"{question.job.ts} edited {self.next_number()}"
        outcome = self.protocol.edit_question(question.job, question.current_text, restart=restart)
        if outcome in {UpdateOutcome.UPDATED, UpdateOutcome.RESTARTED}:
            question.job_text = question.current_text
            assert question.num_finals != question.wanted_finals
        elif outcome is UpdateOutcome.RUNNING:
            assert not restart

    @precondition(lambda self: self.questions)
    @rule(data=st.data())
    def ask_again(self, data: st.DataObject) -> None:
        """A user requests another answer to an edited, answered question."""
        question = self.draw_question(data)
        if question.deleted or question.current_text == question.job_text:
            return
        turn = question.job.question.model_copy(update={"text": question.current_text})
        job = question.job.model_copy(update={"turns": (turn,)})
        reply = next(iter(question.messages), None)
        unfinished = question.job.id in self.protocol.pending_jobs()
        receipt = self.protocol.job_queue.enqueue_reanswer(job, f"{self.next_number()}.1", reply)
        assert (receipt.outcome == "duplicate") is unfinished
        if not unfinished:
            question.job_text, question.wanted_finals = (
                question.current_text,
                question.wanted_finals + 1,
            )
            self.order[job.thread.ts].append(job.id)

    @precondition(lambda self: self.questions)
    @rule(data=st.data())
    def delete_question(self, data: st.DataObject) -> None:
        """A user deletes a question."""
        question = self.draw_question(data)
        if question.deleted:
            return
        self.protocol.delete_question(question.job)
        question.deleted, question.deleted_unanswered = (
            True,
            question.num_finals < question.wanted_finals,
        )
        if question.job.id not in self.protocol.pending_jobs():
            self.mark_ended(question)

    # -- workers

    @precondition(lambda self: self.questions)
    @rule(worker=st.integers(0, 1), has_answer=st.booleans())
    def claim_next(self, worker: int, has_answer: bool) -> None:  # noqa: FBT001
        """A worker claims the next job, and may save an answer at once."""
        job = self.dequeue_job(worker)
        before = len(self.alive)
        if job is not None:
            self.begin_job(worker, job)
        for execution in self.alive[before:] if has_answer else ():
            self.save_text(execution)

    @precondition(lambda self: self.questions)
    @rule(worker=st.integers(0, 1))
    def answer_next(self, worker: int) -> None:
        """A worker claims the next job and answers it."""
        job = self.dequeue_job(worker)
        before = len(self.alive)
        if job is not None:
            self.begin_job(worker, job)
        for execution in self.alive[before:]:
            self.run_to_end(execution)

    @precondition(lambda self: self.questions)
    @rule(worker=st.integers(0, 1), has_claimed=st.booleans())
    def die_after_dequeue(self, worker: int, has_claimed: bool) -> None:  # noqa: FBT001
        """A worker dies after it dequeued a job, before or after the claim."""
        job = self.dequeue_job(worker)
        if job is not None and has_claimed:
            self.protocol.claim_job(job)

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def renew_lease(self, data: st.DataObject) -> None:
        """A worker proves its lease; it succeeds exactly if it may act."""
        execution = self.draw_execution(data)
        assert self.protocol.renew_lease(execution) is self.protocol.holds_lease(execution)

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def post_placeholder(self, data: st.DataObject) -> None:
        """A worker posts the placeholder, or adopts the recorded one."""
        execution = self.draw_execution(data)
        if not self.protocol.renew_lease(execution):
            return self.drop_execution(execution)
        question, message = self.questions[execution.job_id], f"m{self.next_number()}"
        placeholder = self.protocol.set_placeholder(execution, message)
        if placeholder == message:
            question.messages[message] = "…"
        return None

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def save_answer(self, data: st.DataObject) -> None:
        """A worker saves the answer to the text that it has read."""
        self.save_text(self.draw_execution(data))

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), until=st.integers(0, 3))
    def finish_job(self, data: st.DataObject, until: int) -> None:
        """A worker posts the answer and ends the job, or dies after `until` steps."""
        execution = self.draw_execution(data)
        if execution.answer is None and not (execution.posted or execution.withdrawn):
            return
        self.finish_until(execution, until)
        self.drop_execution(execution)

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def requeue_job(self, data: st.DataObject) -> None:
        """A worker requeues a job at a shutdown or after an engine error."""
        execution = self.draw_execution(data)
        self.protocol.requeue_job(execution)
        self.drop_execution(execution)

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def kill_worker(self, data: st.DataObject) -> None:
        """A worker is killed."""
        self.drop_execution(self.draw_execution(data))

    # -- time

    @precondition(lambda self: self.questions)
    @rule(event=st.sampled_from(("expire_leases", "reap_jobs", "repair_orphans")))
    def pass_time(self, event: str) -> None:
        """All leases expire, also of suspended workers; or a worker reaps or repairs jobs."""
        getattr(self.protocol, event)()

    # -- what must hold

    @invariant()
    def one_execution_may_act(self) -> None:
        """Of all executions of a job, dead and suspended ones included, one may act."""
        counts = Counter(
            e.job_id for e in (*self.alive, *self.dead) if self.protocol.holds_lease(e)
        )
        assert all(count == 1 for count in counts.values())

    @invariant()
    def threads_keep_their_order(self) -> None:
        """A thread's queue holds its unfinished jobs in order; only the first runs."""
        for thread in THREADS:
            lane = self.protocol.thread_jobs(thread)
            pending = set(self.protocol.pending_jobs())
            question = [job for job in self.order[thread] if job in pending]
            assert lane == question[-len(lane) :] if lane else not question
            for job in lane[1:]:
                assert self.protocol.redis.hget(JOB_PREFIX + job, "status") == b"deferred"

    @invariant()
    def one_reply_at_most(self) -> None:
        """No question has two visible messages."""
        for question in self.questions.values():
            assert len(question.messages) <= 1
            assert question.num_finals <= question.wanted_finals

    @invariant()
    def pending_set_is_exact(self) -> None:
        """Every unfinished job is pending exactly once."""
        pending = self.protocol.pending_jobs()
        assert len(pending) == len(set(pending))
        unanswered = {
            job
            for job, question in self.questions.items()
            if question.num_finals < question.wanted_finals
        }
        assert unanswered <= set(pending)

    def teardown(self) -> None:
        """Live bots and workers finish everything: each remaining question has its one reply."""
        self.fill_all_jobs()
        for _ in range(4 * len(self.questions) + 4):
            for execution in list(self.alive):
                self.drop_execution(execution)
            self.protocol.expire_leases()
            self.protocol.reap_jobs()
            while (job := self.protocol.dequeue_job(self.protocol.workers[0])) is not None:
                self.begin_job(0, job)
                for execution in list(self.alive):
                    self.run_to_end(execution)
        for question in self.questions.values():
            assert question.deleted or list(question.messages.values()) == [question.job_text]
            assert not (question.deleted_unanswered and question.messages)
        assert self.protocol.leftover_keys() == set()


@pytest.mark.timeout(3600)
def test_any_event_order_gives_each_question_one_answer(redis: Redis) -> None:
    """Random sequences of users' actions, worker steps, crashes and expiries."""

    class Here(QueueStateMachine):
        protocol = QueueProtocol(redis)

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=MAX_EXAMPLES,
            stateful_step_count=STEPS_PER_RUN,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
