"""Steps of the queue's state machine: the questions and executions, and what its rules share."""

from dataclasses import dataclass, field
from typing import ClassVar, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from contract import keys
from contract.job import Job
from tests.worker.jobs.protocol_model import JobExecution, QueueProtocol

THREADS: Final = ("1.1", "2.1", "3.1", "4.1")
USERS: Final = ("U1", "U2")


@dataclass
class Question:
    """A question: `job_text` is what its job answers, `current_text` what Slack shows."""

    job: Job
    job_text: str
    current_text: str
    deleted: bool = False
    deleted_unanswered: bool = False
    """Whether it was deleted before it was answered: then no reply may be visible."""
    num_finals: int = 0
    wanted_finals: int = 1
    messages: dict[str, str] = field(default_factory=dict)
    """The bot's visible messages: id to text."""


class StateMachineSteps(RuleBasedStateMachine):
    """State of the machine, and the steps that its rules share."""

    protocol: ClassVar[QueueProtocol]

    def __init__(self) -> None:
        super().__init__()
        self.protocol.flush_redis()
        self.questions: dict[str, Question] = {}
        self.order: dict[str, list[str]] = {thread: [] for thread in THREADS}
        self.alive: list[JobExecution] = []
        self.dead: list[JobExecution] = []
        self.unread: dict[str, tuple[str, str]] = {}
        """What a bot last read for each unread job: the text, and the revision before the read."""
        self.last_number = 0

    def next_number(self) -> int:
        """Return a new number."""
        self.last_number += 1
        return self.last_number

    def draw_question(self, data: st.DataObject) -> Question:
        """Draw a question."""
        return self.questions[data.draw(st.sampled_from(list(self.questions)))]

    def draw_execution(self, data: st.DataObject) -> JobExecution:
        """Draw an execution of a live worker."""
        return data.draw(st.sampled_from(self.alive))

    def begin_job(self, worker: int, job: str) -> None:
        """Claim a job, if it may run."""
        assert job not in self.unread
        execution = self.protocol.start_job(self.protocol.workers[worker], job)
        if execution is not None:
            self.alive.append(execution)

    def drop_execution(self, execution: JobExecution) -> None:
        """End an execution without a record, as a crash does."""
        self.protocol.abandon_job(execution)
        self.alive.remove(execution)
        self.dead.append(execution)

    def show_final(self, execution: JobExecution, question: Question) -> None:
        """Show the final in the reply's one message."""
        message = self.protocol.set_placeholder(execution, f"m{self.next_number()}")
        assert message is not None
        if not execution.withdrawn:
            question.messages[message] = str(execution.answer)

    def conclude_job(self, execution: JobExecution, question: Question) -> bool:
        """Record the outcome; remove the messages of a deleted question."""
        result = self.protocol.write_field(execution, keys.OUTCOME, "answered")
        if result == 0:
            return False
        if result < 0 or execution.withdrawn:
            assert question.deleted
            question.messages.clear()
            self.protocol.write_field(execution, keys.OUTCOME, "withdrawn", if_current=False)
        question.num_finals = question.wanted_finals
        return True

    def mark_ended(self, question: Question) -> None:
        """Mark a question as ended; an unanswered message is deleted."""
        if question.num_finals < question.wanted_finals:
            question.messages.clear()
        question.num_finals = question.wanted_finals

    def save_text(self, execution: JobExecution) -> None:
        """Save the answer to the text that the execution has read, unless it has one."""
        if execution.posted or execution.withdrawn or execution.answer is not None:
            return
        result = self.protocol.write_field(execution, keys.ANSWER, execution.question_text)
        if result == 1:
            question = self.questions[execution.job_id]
            assert execution.question_text == question.job_text
            execution.answer = execution.question_text
        elif result == 0:
            self.drop_execution(execution)
        else:
            self.protocol.requeue_job(execution)
            self.drop_execution(execution)

    def finish_until(self, execution: JobExecution, until: int) -> None:
        """Post an answer and end its job, but stop after `until` steps."""
        if not execution.posted:
            if not self.protocol.renew_lease(execution):
                return
            question = self.questions[execution.job_id]
            self.show_final(execution, question)
            if until == 0 or not self.conclude_job(execution, question):
                return
        if until > 1:
            self.protocol.release_job(execution)
        if until > 2:
            self.protocol.record_success(execution)

    def run_to_end(self, execution: JobExecution) -> None:
        """Run an execution to its end."""
        if not (execution.posted or execution.withdrawn or execution.answer is not None):
            assert self.protocol.write_field(execution, keys.ANSWER, execution.question_text) == 1
            execution.answer = execution.question_text
        if not execution.posted:
            question = self.questions[execution.job_id]
            self.show_final(execution, question)
            assert self.conclude_job(execution, question)
        self.protocol.release_job(execution)
        self.protocol.record_success(execution)
        self.drop_execution(execution)
