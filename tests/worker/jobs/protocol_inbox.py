"""Rules of the queue's state machine for the inbox: questions whose threads are not read yet."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from bot.store.inbox import FillOutcome
from bot.store.job_updates import UpdateOutcome
from tests.worker.jobs.protocol_model import make_job
from tests.worker.jobs.protocol_steps import THREADS, USERS, Question, StateMachineSteps


class InboxRules(StateMachineSteps):
    """A bot that reads threads, dies, and is overtaken by changes and by another bot."""

    @rule(thread=st.sampled_from(THREADS), user=st.sampled_from(USERS))
    def receive_question(self, thread: str, user: str) -> None:
        """A question arrives whose thread has to be read."""
        number = self.next_number()
        job = make_job(number, thread, user, f"q{number}")
        assert self.protocol.receive_question(job).outcome == "accepted"
        self.questions[job.id] = Question(job, f"q{number}", f"q{number}")
        self.order[thread].append(job.id)
        self.read_thread(job.id)

    @precondition(lambda self: self.unread)
    @rule(data=st.data())
    def read_again(self, data: st.DataObject) -> None:
        """A bot reads a thread, again or after another bot's death."""
        self.read_thread(data.draw(st.sampled_from(list(self.unread))))

    @precondition(lambda self: self.unread)
    @rule(data=st.data(), restart=st.booleans())
    def edit_unread(self, data: st.DataObject, restart: bool) -> None:  # noqa: FBT001
        """A user edits a question while its thread is read."""
        question = self.questions[data.draw(st.sampled_from(list(self.unread)))]
        if question.deleted:
            return
        question.current_text = f"{question.job.ts} edited {self.next_number()}"
        outcome = self.protocol.edit_question(question.job, question.current_text, restart=restart)
        assert outcome is UpdateOutcome.UPDATED
        question.job_text = question.current_text

    @precondition(lambda self: self.unread)
    @rule(data=st.data())
    def fill_in(self, data: st.DataObject) -> None:
        """A bot fills in what it has read, however long ago."""
        self.fill_job(data.draw(st.sampled_from(list(self.unread))))

    def read_thread(self, job: str) -> None:
        """Read the thread of an unread job, as one bot does."""
        revision = self.protocol.inbox.get_revision(job)
        self.unread[job] = (self.questions[job].current_text, revision)

    def fill_job(self, job: str) -> None:
        """Fill a job in with what was read last; it fails if the question has changed since."""
        question, (text, revision) = self.questions[job], self.unread[job]
        outcome = self.protocol.fill_job(question.job, text, revision)
        if outcome is FillOutcome.FILLED:
            assert text == question.job_text
        if outcome is FillOutcome.GONE:
            assert question.deleted
        if outcome is not FillOutcome.CONFLICT:
            del self.unread[job]

    def fill_all_jobs(self) -> None:
        """Read and fill in all unread jobs."""
        for job in list(self.unread):
            self.read_thread(job)
            self.fill_job(job)
        assert self.unread == {}

    def dequeue_job(self, worker: int) -> str | None:
        """Dequeue the next job; a bot fills in what it has not read, if none is ready."""
        if not self.protocol.has_queued_jobs():
            self.fill_all_jobs()
        return self.protocol.dequeue_job(self.protocol.workers[worker])
