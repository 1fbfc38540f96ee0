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
from worker.answering.answer_cache import Answer, AnswerCache
from worker.answering.attempt import GenerationAttempt, collect_trusted_texts
from worker.answering.generator import Generator
from worker.engine import EngineError, LoadError
from worker.errors import (
    EditedError,
    LeaseLostError,
    ModelFailedError,
    ModelUnavailableError,
    NoReplyError,
    SilentOutcomeError,
)
from worker.failpoints import Failpoint, Failpoints
from worker.jobs.job_state import ANSWER_FACTS, JobProgress
from worker.jobs.task import JobContext, JobLimits, Outcome, RequeueError
from worker.metrics import Metrics
from worker.render import Message, ReplyFacts
from worker.slack.client import RejectedError, SlackUnavailableError
from worker.slack.reply_message import ReplyMessage

log = structlog.get_logger()

MAX_RECOVERIES: Final = 10
"""A job that was put back so often ends its workers before generation even starts."""
UNDECIDED_ERRORS: Final = (SilentOutcomeError, RequeueError, RedisError, SlackUnavailableError)
"""What ends an execution without telling the thread why."""


class AnswerPipeline:
    """Turns jobs into replies."""

    def __init__(
        self,
        generator: Generator,
        answer_cache: AnswerCache,
        open_reply: Callable[[JobContext], ReplyMessage],
        limits: JobLimits,
        metrics: Metrics,
        *,
        failpoints: Failpoints,
    ) -> None:
        """`posting` gives the way to a task's thread."""
        self._generator = generator
        self._answer_cache = answer_cache
        self._open_reply = open_reply
        self._limits = limits
        self._metrics = metrics
        self._failpoints = failpoints

    async def run(self, context: JobContext) -> Outcome:
        """
        Answer a job, or tell its thread why there is no answer.

        Raises `LeaseLostError`, `GiveBackError`, and what Redis and Slack raise when they stay
        away: then nothing is decided yet.
        """
        progress = await context.state.load_progress()
        if progress.outcome is not None:
            return Outcome(progress.outcome)
        if progress.withdrawn:
            context.stopped.set()
        try:
            return await self._answer_or_explain(context, progress, self._open_reply(context))
        except LeaseLostError:
            raise
        except SilentOutcomeError as error:
            log.warning(
                "reply abandoned", job=context.job.id, why=type(error).__name__, error=str(error)
            )
            return Outcome.ABANDONED
        except RejectedError as error:
            log.error("reply refused", job=context.job.id, error=str(error))  # noqa: TRY400
            return Outcome.UNSENT

    async def _answer_or_explain(
        self, context: JobContext, progress: JobProgress, message: ReplyMessage
    ) -> Outcome:
        try:
            return await self._answer_question(context, progress, message)
        except UNDECIDED_ERRORS:
            raise
        except NoReplyError as error:
            return await self._post_error(context, message, error)
        except Exception:
            # The one net: what nobody foresaw still ends as a sentence in the thread.
            log.exception("job failed", job=context.job.id)
            return await self._post_error(context, message, NoReplyError())

    async def _answer_question(
        self, context: JobContext, progress: JobProgress, message: ReplyMessage
    ) -> Outcome:
        is_exhausted = (
            progress.attempts >= self._limits.max_attempts or progress.recoveries >= MAX_RECOVERIES
        )
        await message.ensure_placeholder(
            progress, None if progress.answer else self._choose_status(progress)
        )
        if is_exhausted and progress.answer is None and not progress.withdrawn:
            raise ModelFailedError
        answer, facts = _load_saved_answer(context.job, progress) or await self._generate_answer(
            context, progress, message
        )
        text = answer.text
        stopped = context.stopped.is_set()
        if stopped and await message.withdraw_if_deleted():
            return await self._conclude_job(context, message, Outcome.WITHDRAWN)
        if stopped and not text:
            await message.publish_final(
                [render.compose_stopped("")], state="error", may_exist=False
            )
            return await self._conclude_job(context, message, Outcome.STOPPED)
        parts = render.compose_final(text, facts=facts)
        await message.publish_final(parts, state="final", may_exist=progress.answer is not None)
        if text:
            await self._answer_cache.store_answer(context.job, answer)
        outcome = Outcome.STOPPED if stopped else Outcome.ANSWERED
        return await self._conclude_job(context, message, outcome)

    async def _post_error(
        self, context: JobContext, message: ReplyMessage, error: NoReplyError
    ) -> Outcome:
        log.warning("error posted", job=context.job.id, why=type(error).__name__)
        await message.publish_final(
            [render.compose_error(error.user_message)], state="error", may_exist=False
        )
        return await self._conclude_job(context, message, Outcome.ERROR_POSTED)

    async def _conclude_job(
        self, context: JobContext, message: ReplyMessage, outcome: Outcome
    ) -> Outcome:
        """Record how the job ended for its reader, unless its person thought better of it."""
        try:
            await context.state.write_if_current(context.revision, **{keys.OUTCOME: outcome})
        except EditedError:
            if await message.withdraw_if_deleted():
                await self._answer_cache.delete_answer(context.job)
                outcome = Outcome.WITHDRAWN
            elif outcome is Outcome.ERROR_POSTED:
                raise RequeueError from None
            await context.state.write_fields(**{keys.OUTCOME: outcome})
        return outcome

    async def _generate_answer(
        self, context: JobContext, progress: JobProgress, message: ReplyMessage
    ) -> tuple[Answer, ReplyFacts]:
        """Generate the answer and save it before anybody is told that it is finished."""
        attempt = GenerationAttempt(
            context, message, self._generator, self._limits, self._failpoints
        )
        try:
            await attempt.generate_reply(
                await self._answer_cache.recall_conversation(context.job), progress.attempts
            )
            await self._save_answer(context, attempt)
        except EditedError:
            # The question has another text by now: whoever takes the job next reads that one.
            context.attempt_refundable = attempt.number > 0
            raise RequeueError from None
        except LoadError:
            await message.show_status(render.compose_error(ModelUnavailableError().user_message))
            raise RequeueError from None
        except EngineError as error:
            log.warning("generation failed", job=context.job.id, error=type(error).__name__)
            context.attempt_refundable = False
            if attempt.number >= self._limits.max_attempts:
                raise ModelFailedError from None
            await message.show_status(render.compose_retrying())
            raise RequeueError from None
        return Answer(
            text=attempt.generated.text, token_ids=attempt.generated.token_ids
        ), attempt.facts

    async def _save_answer(self, context: JobContext, attempt: GenerationAttempt) -> None:
        """Save what was generated, unless it answers a text that the question has no more."""
        stopped = context.stopped.is_set()
        if context.edited.is_set() and not stopped:
            raise EditedError
        self._metrics.record_generation(attempt.generated)
        self._failpoints.hit(Failpoint.BEFORE_ANSWER_SAVED)
        fields = {keys.ANSWER: attempt.generated.text, ANSWER_FACTS: _dump_facts(attempt.facts)}
        await context.state.write_if_current("" if stopped else context.revision, **fields)
        self._failpoints.hit(Failpoint.AFTER_ANSWER_SAVED)

    def _choose_status(self, progress: JobProgress) -> Message:
        # A job that was lost before its reader saw anything begins for them now.
        is_retry = progress.attempts or (progress.recoveries and progress.placeholder)
        return render.compose_retrying() if is_retry else self._generator.waiting_message()


def _load_saved_answer(job: Job, progress: JobProgress) -> tuple[Answer, ReplyFacts] | None:
    if progress.answer is None:
        return None
    facts = ReplyFacts(
        **json.loads(progress.answer_facts or "{}"), conversation_texts=collect_trusted_texts(job)
    )
    return Answer(text=progress.answer), facts


def _dump_facts(facts: ReplyFacts) -> str:
    fields = asdict(facts)
    del fields["conversation_texts"]
    return json.dumps(fields)
