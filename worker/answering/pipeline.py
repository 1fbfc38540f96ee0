"""
Answer pipeline: the steps from a claimed job to a posted reply, in order.

Each step records its intent before its effect, so that a later execution continues where this one
ended. The answer in particular is saved before it is posted.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import structlog
from redis.exceptions import RedisError

from contract import keys
from contract.language import Translatable
from contract.rework import ReworkKind
from worker import render
from worker.answering.answer_cache import NO_VERSIONS, AnswerCache, CachedConversation
from worker.answering.attempt import AttemptLimits, GenerationAttempt
from worker.answering.pipeline_run import PipelineRun
from worker.answering.pointers import save_pointer
from worker.answering.publishing.finished_answer import FinishedAnswer
from worker.answering.publishing.publisher import ReplyPublisher
from worker.answering.publishing.reply_layout import ReplyLayout
from worker.answering.publishing.reworks import (
    FRESH_TEXTS,
    KEEPING_TEXT,
    STORED_VERSIONS,
    select_version,
)
from worker.answering.served_models import ServedModels
from worker.engine import EngineError, LoadError
from worker.errors import (
    AppRefusedError,
    EditedError,
    LeaseLostError,
    ModelFailedError,
    ModelUnavailableError,
    NoReplyError,
    ReplyNotPostedError,
    SilentOutcomeError,
    SlackUnavailableError,
    VersionGoneError,
)
from worker.failpoints import Failpoint, Failpoints
from worker.files.file_reader import FileReader
from worker.jobs.job_context import JobContext, Outcome, RequeueError
from worker.jobs.job_state import ANSWER_RECOVERIES, GenerationUsage
from worker.metrics import Metrics
from worker.slack.client import RejectedError
from worker.slack.reply_message import ReplyMessage

log = structlog.get_logger()

MAX_RECOVERIES: Final = 10
"""Recoveries after which a job counts as the cause of its workers' deaths, in each stage."""
MAX_RECOVERIES_IN_ALL: Final = 3 * MAX_RECOVERIES
"""Recoveries after which a job ends without a message, because posting its error also failed."""
MAX_REFUSED_SECONDS: Final = 3600.0
"""Seconds after its deadline for which a job waits until Slack accepts the app again."""
UNDECIDED_ERRORS: Final = (
    SilentOutcomeError,
    RequeueError,
    RedisError,
    SlackUnavailableError,
    AppRefusedError,
)
"""Errors that no message in the thread can or should explain."""


@dataclass(frozen=True, slots=True)
class ThreadSources:
    """Sources of a prompt besides the job: the thread's earlier answers, and its files."""

    answers: AnswerCache
    files: FileReader


class AnswerPipeline:
    """Answers jobs, many at a time."""

    def __init__(
        self,
        models: ServedModels,
        sources: ThreadSources,
        open_reply: Callable[[JobContext], ReplyMessage],
        limits: AttemptLimits,
        metrics: Metrics,
        *,
        failpoints: Failpoints,
    ) -> None:
        """`open_reply` returns the message of a job's thread."""
        self._models = models
        self._answer_cache = sources.answers
        self._files = sources.files
        self._open_reply = open_reply
        self._limits = limits
        self._metrics = metrics
        self._failpoints = failpoints
        self.layout = ReplyLayout()
        self._publisher = ReplyPublisher(self.layout, self._answer_cache, models, metrics)

    async def run(self, context: JobContext) -> Outcome:
        """
        Answer a job, or explain in its thread why there is no answer.

        Raises `LeaseLostError`, `RequeueError`, `RedisError`, `SlackUnavailableError` and
        `AppRefusedError`: the job is then still undecided.
        """
        run = await self._open_run(context)
        if run.progress.outcome is not None:
            return Outcome(run.progress.outcome)
        if run.progress.is_interrupted:
            context.stopped.set()
        try:
            return await self._answer_or_explain(run)
        except LeaseLostError:
            raise
        except SilentOutcomeError as error:
            reason = type(error).__name__
            log.warning("reply abandoned", job=run.job_id, reason=reason, error=str(error))
            return Outcome.ABANDONED
        except AppRefusedError:
            if context.age_seconds < self._limits.deadline_seconds + MAX_REFUSED_SECONDS:
                raise
            log.error("reply never accepted", job=run.job_id)  # noqa: TRY400
            return Outcome.UNSENT
        except RejectedError as error:
            log.error("reply rejected", job=run.job_id, error=str(error))  # noqa: TRY400
            return Outcome.UNSENT

    async def _open_run(self, context: JobContext) -> PipelineRun:
        message = self._open_reply(context)
        progress = await message.state.load_progress()
        versions = NO_VERSIONS
        if context.job.rework is not None:
            versions = await self._answer_cache.load_versions(context.job)
        return PipelineRun(context, progress, message, versions)

    async def _answer_or_explain(self, run: PipelineRun) -> Outcome:
        try:
            return await self._answer(run)
        except UNDECIDED_ERRORS:
            raise
        except NoReplyError as error:
            log.warning("error posted", job=run.job_id, reason=type(error).__name__)
            explanation = error
        except Exception:
            # The last resort: an unforeseen error still ends as a sentence in the thread.
            log.exception("job failed", job=run.job_id)
            explanation = NoReplyError()
        return await self._conclude(run, await self._publisher.explain_failure(run, explanation))

    async def _answer(self, run: PipelineRun) -> Outcome:
        """Run the steps in order."""
        if run.progress.recoveries >= MAX_RECOVERIES_IN_ALL:
            log.error("job given up", job=run.job_id, recoveries=run.progress.recoveries)
            return Outcome.UNSENT
        if run.is_stale:
            # Forgotten or changed since the press: the reply stays as it is.
            log.warning("rework abandoned", job=run.job_id)
            return await self._conclude(run, Outcome.ABANDONED)
        await self._ensure_placeholder(run)
        answer = run.saved_answer
        if answer is None and run.rework in STORED_VERSIONS:
            answer = await self._bring_back(run)
        elif answer is None and run.earlier_answer is not None:
            answer = await save_pointer(run, self._failpoints)
        elif answer is None:
            conversation = await self._answer_cache.recall_conversation(run.context.job)
            attempt = await self._generate(run, conversation)
            answer = await self._save(run, attempt)
        outcome = await self._publisher.publish_answer(run, answer)
        return await self._conclude(run, outcome)

    async def _bring_back(self, run: PipelineRun) -> FinishedAnswer:
        """Save a stored version of the reply as the answer. Raises `VersionGoneError`."""
        stored = select_version(run.rework, run.versions)
        if stored is None:
            raise VersionGoneError
        answer = FinishedAnswer.from_stored_answer(run.context.job, stored)
        if run.rework is ReworkKind.SHOW:
            answer = replace(answer, facts=replace(answer.facts, is_uncovered=True))
        recoveries = {ANSWER_RECOVERIES: str(run.progress.recoveries)}
        await run.message.state.write_fields(answer.to_fields() | recoveries)
        return answer

    async def _ensure_placeholder(self, run: PipelineRun) -> None:
        """Post or adopt the placeholder. Raises `ModelFailedError` if no attempt is left."""
        progress = run.progress
        if progress.answer is not None:
            await run.message.ensure_placeholder(progress, None)
            if progress.recoveries_with_answer >= MAX_RECOVERIES:
                raise ReplyNotPostedError
            return
        # A job that was lost before its reader saw anything starts from the beginning for them.
        is_retry = progress.attempts or (progress.recoveries and progress.placeholder)
        if progress.is_interrupted:
            await run.message.ensure_placeholder(progress, None)
            return
        status: Translatable | None
        if run.rework in KEEPING_TEXT or run.earlier_answer is not None:
            status = None
        else:
            generator = self._models.choose(run.context.job.thread)
            status = render.texts.RETRYING if is_retry else generator.describe_wait()
        await run.message.ensure_placeholder(progress, status)
        if run.rework in FRESH_TEXTS:
            await run.message.surplus.delete_old()
        is_exhausted = (
            progress.attempts >= self._limits.max_attempts or progress.recoveries >= MAX_RECOVERIES
        )
        if is_exhausted:
            raise ModelFailedError

    async def _generate(
        self, run: PipelineRun, conversation: CachedConversation
    ) -> GenerationAttempt:
        """Generate an answer. Raises `RequeueError` if another attempt may succeed."""
        attempt = GenerationAttempt(
            run.context,
            run.message,
            self._models.choose(run.context.job.thread),
            self._limits,
            layout=self.layout,
            failpoints=self._failpoints,
        )
        attempt.present = run.versions.present
        try:
            await attempt.generate_reply(conversation, self._files, run.progress.attempts)
        except LoadError:
            await run.message.show_status(ModelUnavailableError.user_message)
            raise RequeueError from None
        except EngineError as error:
            log.warning("generation failed", job=run.job_id, error=type(error).__name__)
            run.context.attempt_refundable = False
            if attempt.number >= self._limits.max_attempts:
                raise ModelFailedError from None
            await run.message.show_status(render.texts.RETRYING)
            raise RequeueError from None
        return attempt

    async def _save(self, run: PipelineRun, attempt: GenerationAttempt) -> FinishedAnswer:
        """
        Save the answer before it is posted.

        Raises `RequeueError` if the question was edited: the queued job holds its new text.
        """
        stopped, state = run.context.stopped.is_set(), run.message.state
        answer = await attempt.finish_answer(await state.read_stop() if stopped else None)
        is_shared = attempt.generated.shared_tokens > 0
        usage = GenerationUsage(answer.details.gpu_ms, answer.details.wait_ms, is_shared)
        self._metrics.record_gpu_time(attempt.gpu_seconds)
        try:
            if run.context.edited.is_set() and not stopped:
                await state.save_answer(run.context.job, {}, usage)
                raise EditedError  # noqa: TRY301
            first_text_seconds = attempt.generated.first_text_seconds
            self._metrics.record_generation(attempt.new_tokens, first_text_seconds)
            if is_shared:
                self._metrics.count_shared_reply()
            self._failpoints.hit(Failpoint.BEFORE_ANSWER_SAVED)
            revision = "" if stopped else run.context.revision
            fields = answer.to_fields() | {ANSWER_RECOVERIES: str(run.progress.recoveries)}
            await state.save_answer(run.context.job, fields, usage, revision)
        except EditedError:
            run.context.attempt_refundable = attempt.number > 0
            raise RequeueError from None
        self._failpoints.hit(Failpoint.AFTER_ANSWER_SAVED)
        return answer

    async def _conclude(self, run: PipelineRun, outcome: Outcome) -> Outcome:
        """Record the outcome. If the question was edited or deleted, follow that first."""
        state = run.message.state
        try:
            await state.write_fields({keys.OUTCOME: outcome}, run.context.revision)
        except EditedError:
            if await run.message.withdraw_if_deleted():
                await self._answer_cache.delete_answer(run.context.job)
                outcome = Outcome.WITHDRAWN
            elif outcome is Outcome.ERROR_POSTED:
                raise RequeueError from None
            await state.write_fields({keys.OUTCOME: outcome})
        return outcome
