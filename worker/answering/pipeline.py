"""One job from first to last: placeholder, conversation, growing reply, final, memory."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Final

import structlog
from redis.exceptions import RedisError

from contract import keys
from contract.job import Job
from worker import render
from worker.answering.answer_cache import Answer, Memory
from worker.answering.attempt import Writing, known
from worker.answering.generator import Generation
from worker.engine import EngineError, LoadError
from worker.errors import (
    EditedError,
    LeaseLostError,
    ModelFailedError,
    ModelMissingError,
    NoReplyError,
    QuietError,
)
from worker.failpoints import Faults, Point
from worker.jobs.job_state import COUNTS, Entry
from worker.jobs.task import GiveBackError, Limits, Outcome, Task
from worker.metrics import Metrics
from worker.render import Message, ReplyFacts
from worker.slack.client import RefusedError, SlackAwayError
from worker.slack.reply_message import Posting

log = structlog.get_logger()

RECOVERIES: Final = 10
"""A job that was put back so often ends its workers before generation even starts."""
UNDECIDED: Final = (QuietError, GiveBackError, RedisError, SlackAwayError)
"""What ends an execution without telling the thread why."""


class Answering:
    """Turns jobs into replies."""

    def __init__(
        self,
        generation: Generation,
        memory: Memory,
        posting: Callable[[Task], Posting],
        limits: Limits,
        metrics: Metrics,
        *,
        faults: Faults,
    ) -> None:
        """`posting` gives the way to a task's thread."""
        self._generation = generation
        self._memory = memory
        self._posting = posting
        self._limits = limits
        self._metrics = metrics
        self._faults = faults

    async def answer(self, task: Task) -> Outcome:
        """
        Answer a job, or tell its thread why there is no answer.

        Raises `LeaseLostError`, `GiveBackError`, and what Redis and Slack raise when they stay
        away: then nothing is decided yet.
        """
        entry = await task.ledger.read()
        if entry.posted is not None:
            return Outcome(entry.posted)
        if entry.withdrawn:
            task.stopped.set()
        try:
            return await self._told(task, entry, self._posting(task))
        except LeaseLostError:
            raise
        except QuietError as why:
            log.warning("no reply wanted", job=task.job.id, why=type(why).__name__, error=str(why))
            return Outcome.QUIET
        except RefusedError as why:
            log.error("reply refused", job=task.job.id, error=str(why))  # noqa: TRY400
            return Outcome.UNSENT

    async def _told(self, task: Task, entry: Entry, posting: Posting) -> Outcome:
        try:
            return await self._answered(task, entry, posting)
        except UNDECIDED:
            raise
        except NoReplyError as why:
            return await self._refused(task, posting, why)
        except Exception:
            # The one net: what nobody foresaw still ends as a sentence in the thread.
            log.exception("job failed", job=task.job.id)
            return await self._refused(task, posting, NoReplyError())

    async def _answered(self, task: Task, entry: Entry, posting: Posting) -> Outcome:
        hopeless = entry.attempts >= self._limits.attempts or entry.recoveries >= RECOVERIES
        await posting.open(entry, None if entry.answer else self._sign(entry))
        if hopeless and entry.answer is None and not entry.withdrawn:
            raise ModelFailedError
        answer, facts = _saved(task.job, entry) or await self._generated(task, entry, posting)
        text = answer.text
        stopped = task.stopped.is_set()
        if stopped and await posting.withdraw():
            return await self._ended(task, posting, Outcome.WITHDRAWN)
        if stopped and not text:
            await posting.finish([render.compose_stopped("")], state="error", again=False)
            return await self._ended(task, posting, Outcome.STOPPED)
        parts = render.compose_final(text, facts=facts)
        await posting.finish(parts, state="final", again=entry.answer is not None)
        if text:
            await self._memory.remember(task.job, answer)
        outcome = Outcome.STOPPED if stopped else Outcome.ANSWERED
        return await self._ended(task, posting, outcome)

    async def _refused(self, task: Task, posting: Posting, why: NoReplyError) -> Outcome:
        log.warning("no reply", job=task.job.id, why=type(why).__name__)
        await posting.finish([render.compose_error(why.sentence)], state="error", again=False)
        return await self._ended(task, posting, Outcome.REFUSED)

    async def _ended(self, task: Task, posting: Posting, outcome: Outcome) -> Outcome:
        """Record how the job ended for its reader, unless its person thought better of it."""
        try:
            await task.ledger.conclude(task.revision, **{keys.OUTCOME: outcome})
        except EditedError:
            if await posting.withdraw():
                await self._memory.forget(task.job)
                outcome = Outcome.WITHDRAWN
            elif outcome is Outcome.REFUSED:
                raise GiveBackError from None
            await task.ledger.write(**{keys.OUTCOME: outcome})
        return outcome

    async def _generated(
        self, task: Task, entry: Entry, posting: Posting
    ) -> tuple[Answer, ReplyFacts]:
        """Generate the answer and save it before anybody is told that it is finished."""
        writing = Writing(task, posting, self._generation, self._limits, self._faults)
        try:
            await writing.write(await self._memory.recall(task.job), entry.attempts)
            await self._keep(task, writing)
        except EditedError:
            # The question has another text by now: whoever takes the job next reads that one.
            task.charged = writing.attempt > 0
            raise GiveBackError from None
        except LoadError:
            await posting.sign(render.compose_error(ModelMissingError().sentence))
            raise GiveBackError from None
        except EngineError as error:
            log.warning("generation failed", job=task.job.id, error=type(error).__name__)
            task.charged = False
            if writing.attempt >= self._limits.attempts:
                raise ModelFailedError from None
            await posting.sign(render.compose_retrying())
            raise GiveBackError from None
        return Answer(text=writing.reading.text, ids=writing.reading.ids), writing.facts

    async def _keep(self, task: Task, writing: Writing) -> None:
        """Save what was generated, unless it answers a text that the question has no more."""
        stopped = task.stopped.is_set()
        if task.edited.is_set() and not stopped:
            raise EditedError
        self._metrics.generated(writing.reading)
        self._faults.hit(Point.BEFORE_ANSWER_SAVED)
        answer = {keys.ANSWER: writing.reading.text, COUNTS: _counts(writing.facts)}
        await task.ledger.conclude("" if stopped else task.revision, **answer)
        self._faults.hit(Point.AFTER_ANSWER_SAVED)

    def _sign(self, entry: Entry) -> Message:
        # A job that was lost before its reader saw anything begins for them now.
        again = entry.attempts or (entry.recoveries and entry.placeholder)
        return render.compose_retrying() if again else self._generation.sign()


def _saved(job: Job, entry: Entry) -> tuple[Answer, ReplyFacts] | None:
    if entry.answer is None:
        return None
    facts = ReplyFacts(**json.loads(entry.counts or "{}"), conversation_texts=known(job))
    return Answer(text=entry.answer), facts


def _counts(facts: ReplyFacts) -> str:
    counts = asdict(facts)
    del counts["conversation_texts"]
    return json.dumps(counts)
