"""
Generation attempt: waits for the model and a slot, generates, and streams the text to Slack.

A stop, an edit or an error ends the attempt; the text so far stays available.
"""

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

import structlog

from contract.answers import Answer
from contract.job import prefix_scope
from contract.stop import StopRecord
from worker.aio import cancel_and_wait
from worker.answering.answer_cache import CachedConversation
from worker.answering.candidates.choice import Score, score_code
from worker.answering.candidates.race import Candidate, CandidateRace
from worker.answering.generated_text import GeneratedText
from worker.answering.generation_record import FileUse, GenerationRecord, name_stop
from worker.answering.generator import Generator
from worker.answering.loaded_model import LoadedModel
from worker.answering.publishing.finished_answer import FinishedAnswer
from worker.answering.publishing.reply_layout import ReplyLayout
from worker.answering.publishing.reworks import FRESH_TEXTS
from worker.answering.reply_planner import ReplyPlanner
from worker.answering.reply_plans import ReplyPlan
from worker.answering.shared_generations import find_audience
from worker.answering.stop_conditions.turn_labels import TurnLabels
from worker.engine import EngineError, FinishReason, Request, RequestRefusedError
from worker.errors import DeadlineExceededError, NoReplyError
from worker.failpoints import Failpoint, Failpoints
from worker.files.file_reader import FileReader
from worker.jobs.job_context import JobContext
from worker.render import ReplyFacts
from worker.slack.reply_message import ReplyMessage
from worker.slack.streaming_edits import StreamingEdits

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """
    Limits of attempts.

    `deadline_seconds` bounds both the wait of a question for a slot, and the generation itself.
    """

    max_attempts: int
    deadline_seconds: float


class GenerationAttempt:
    """One attempt. `generated` holds what there is of the first candidate, also after a failure."""

    def __init__(
        self,
        context: JobContext,
        message: ReplyMessage,
        generator: Generator,
        limits: AttemptLimits,
        *,
        layout: ReplyLayout,
        failpoints: Failpoints,
    ) -> None:
        self._layout = layout
        self.present: Answer | None = None
        """The finished reply that the job works on, if it is no question."""
        self._context = context
        self._message = message
        self._generator = generator
        self._limits = limits
        self._failpoints = failpoints
        self._request_id = context.lease.member
        self._started_at = time.monotonic()
        self._file_use = FileUse("", 0, 0)
        self.number = 0
        """Number of this attempt at the job, from 1; 0 until generation starts."""
        # The deadline counts from now, so that a job claimed late can still be answered.
        self.generated = GeneratedText(
            deadline=time.monotonic() + limits.deadline_seconds,
            labels=TurnLabels.from_turns(context.job.turns),
        )
        self._candidates = [Candidate(0, self.generated)]
        self._chosen = 0
        self._race: CandidateRace | None = None
        self._record: GenerationRecord | None = None

    async def finish_answer(self, stop: StopRecord | None = None) -> FinishedAnswer:
        """Return the answer as it is now; `stop` is the person who stopped it."""
        if self._record is not None:
            return await self._record.finish_answer(self._candidates, self._chosen, stop)
        job, reason = self._context.job, str(self.generated.finish_reason)
        facts = ReplyFacts("", reason, max_new_tokens=0, language=job.language)
        return FinishedAnswer(
            Answer(text=""), facts if stop is None else name_stop(facts, job, stop, 0)
        )

    @property
    def gpu_seconds(self) -> float:
        """The share of all candidates of the engine's steps."""
        return sum(candidate.generated.gpu_seconds for candidate in self._candidates)

    @property
    def new_tokens(self) -> int:
        """Tokens that the engine generated for all candidates, and for no other reply."""
        texts = [candidate.generated for candidate in self._candidates]
        return sum(text.new_tokens - text.shared_tokens for text in texts)

    async def generate_reply(
        self, conversation: CachedConversation, files: FileReader, failed_attempts: int
    ) -> None:
        """
        Generate until the model ends, or until the context is stopped or edited.

        `files` reads the files of the conversation first.

        Raises `NoReplyError` if no attempt can succeed, `EngineError` if another may, `LoadError`
        if the model cannot be loaded, and the errors of `ReplyMessage`.
        """
        interrupts = (self._context.stopped, self._context.edited)
        if self._context.stopped.is_set():
            return
        work = asyncio.create_task(self._generate_in_slot(conversation, files, failed_attempts))
        interrupt_waits = {asyncio.create_task(event.wait()) for event in interrupts}
        try:
            await asyncio.wait({work, *interrupt_waits}, return_when=asyncio.FIRST_COMPLETED)
            if self._context.attempt_refundable and not work.done():
                self._generator.stop_request(self._request_id)
                if self._race is not None:
                    self._race.stop()
                await asyncio.wait({work})
            await cancel_and_wait({work})
            if not work.cancelled():
                await work
        except EngineError:
            if not any(event.is_set() for event in interrupts):
                raise
        finally:
            await cancel_and_wait({*interrupt_waits, work})

    async def _generate_in_slot(
        self, conversation: CachedConversation, files: FileReader, failed_attempts: int
    ) -> None:
        remaining_seconds = self._limits.deadline_seconds - self._context.age_seconds
        try:
            async with asyncio.timeout(max(0.0, remaining_seconds)) as timeout:
                loaded = await self._generator.wait_for_model()
                plan = await self._make_plan(loaded, conversation, files)
                is_last = failed_attempts + 1 >= self._limits.max_attempts
                await self._reply_in_slot(loaded, plan, timeout, is_last=is_last)
        except TimeoutError:
            if timeout.expired():
                raise DeadlineExceededError from None
            raise
        except RequestRefusedError as error:
            log.error("engine refused", job=self._context.job.id, reason=str(error))  # noqa: TRY400
            raise NoReplyError from None
        if self.generated.finish_reason is FinishReason.TIMEOUT and not self.generated.text:
            raise DeadlineExceededError

    async def _reply_in_slot(
        self, loaded: LoadedModel, plan: ReplyPlan, waiting: asyncio.Timeout, *, is_last: bool
    ) -> None:
        language, generator = self._context.job.language, self._generator
        compose = partial(self._layout.compose_growing, language=language)
        request = self._build_request(loaded, plan)
        has_others = generator.limit_candidates(self._context.job.rules) > 1
        audience = find_audience(self._context.job, is_alone=is_last or has_others)
        if loaded.is_full and not generator.is_shared(request, audience):
            await self._message.show_status(generator.describe_wait())
        opening = generator.open_request(loaded, request, audience, exclusive=is_last)
        async with self._message.stream_edits(compose) as edits:
            async with opening as opened:
                waiting.reschedule(None)
                await self._stream_reply(loaded, plan, opened, edits, is_last=is_last)
            # An edit may still be in flight: the slot does not wait for it.
            is_freed = not generator.is_shared(request, audience)
            if self._context.stopped.is_set() and is_freed:
                tokens = self.generated.new_tokens
                log.info("slot freed by a stop", job=self._context.job.id, tokens=tokens)
        self._context.attempt_refundable = False

    async def _make_plan(
        self, loaded: LoadedModel, conversation: CachedConversation, files: FileReader
    ) -> ReplyPlan:
        planner = ReplyPlanner(
            self._generator, loaded, self._context.job, self.present, conversation, files
        )
        plan = await planner.make_plan()
        self.generated.labels = planner.labels
        self._file_use = planner.summarize_files(plan)
        return plan

    async def _stream_reply(
        self,
        loaded: LoadedModel,
        plan: ReplyPlan,
        request: Request,
        edits: StreamingEdits,
        *,
        is_last: bool,
    ) -> None:
        self.number = await self._message.state.count_attempt()
        self._context.attempt_refundable = True
        started = time.monotonic()
        stream = self._generator.stream_text(loaded, request, self.generated, plan.prefix_ids)
        race = self._open_race(loaded, request, is_last=is_last)
        try:
            async with race, aclosing(stream) as texts:
                async for text in texts:
                    await race.watch_text(text)
                    num_tokens = self.generated.new_tokens - len(plan.prefix_ids)
                    await edits.show_text(text, num_tokens)
                    self._failpoints.hit(Failpoint.GENERATING)
                await race.wait_for_end()
        finally:
            self._chosen = race.best_index
            self.generated.shared_tokens = self._generator.count_shared_tokens(request.id)
            self._record = self._record_generation(loaded, plan, started)

    def _open_race(self, loaded: LoadedModel, request: Request, *, is_last: bool) -> CandidateRace:
        """Return the reply's race. A replay, a continuation and a last attempt have no others."""
        job, layout = self._context.job, self._layout
        has_others = job.rework is None or job.rework.kind in FRESH_TEXTS
        limit = self._generator.limit_candidates(job.rules)

        async def score_text(generated: GeneratedText) -> Score:
            facts = ReplyFacts("", generated.ending, 0, language=job.language)
            reply, findings = await layout.check_reply(generated.text, facts)
            return score_code(reply.pieces, findings)

        self._race = CandidateRace(
            self._generator,
            loaded,
            request,
            self.generated,
            score_text,
            limit if has_others and not is_last else 1,
        )
        self._candidates = self._race.candidates
        return self._race

    def _build_request(self, loaded: LoadedModel, plan: ReplyPlan) -> Request:
        thread = self._context.job.thread
        return Request(
            id=self._request_id,
            prompt=plan.prompt.token_ids,
            sampling=plan.sampling,
            stop_ids=loaded.chat_encoder.stop_token_ids,
            scope=prefix_scope(thread.team, thread.channel, thread.ts),
            deadline=self.generated.deadline,
        )

    def _record_generation(
        self, loaded: LoadedModel, plan: ReplyPlan, started: float
    ) -> GenerationRecord:
        """Return the record of a generation that started at `started` (s, monotonic)."""
        wait_seconds = self._context.age_seconds + started - self._started_at
        return GenerationRecord(
            self._context.job,
            loaded.info,
            plan,
            self._file_use,
            wait_seconds,
            total_seconds=time.monotonic() - started,
        )
