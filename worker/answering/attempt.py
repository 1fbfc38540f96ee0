"""One attempt at an answer: waits for model and slot, generates, shows the text as it grows."""

import asyncio
import time
from contextlib import aclosing

import structlog

from contract.conversation import Speaker
from contract.job import Job
from worker import render
from worker.aio import cancel_and_wait
from worker.answering.answer_cache import CachedConversation
from worker.answering.generator import GeneratedText, Generator, LoadedModel
from worker.engine import EngineError, FinishReason, RequestRefusedError
from worker.errors import DeadlineExceededError, NoReplyError
from worker.failpoints import Failpoint, Failpoints
from worker.jobs.task import JobContext, JobLimits
from worker.prompt.builder import Prompt
from worker.render import ReplyFacts
from worker.slack.reply_message import ReplyMessage

log = structlog.get_logger()


def collect_trusted_texts(job: Job) -> tuple[str, ...]:
    """Return what people wrote: an address that only the model named stays unknown."""
    return tuple(turn.text for turn in job.turns if turn.speaker is Speaker.USER)


class GenerationAttempt:
    """Writes one answer. `reading` and `facts` are what there is of it, also when it fails."""

    def __init__(
        self,
        context: JobContext,
        message: ReplyMessage,
        generator: Generator,
        limits: JobLimits,
        failpoints: Failpoints,
    ) -> None:
        self._context = context
        self._message = message
        self._generator = generator
        self._limits = limits
        self._failpoints = failpoints
        self._request_id = context.state.lease.member
        self.number = 0
        """Which attempt at this job it is, once generation has started."""
        # From here on, not from the question: a job that is taken up late may be answered too.
        self.generated = GeneratedText(deadline=time.monotonic() + limits.deadline_seconds)
        self.facts = ReplyFacts(
            model="", finish_reason=str(self.generated.finish_reason), max_new_tokens=0
        )

    async def generate_reply(self, conversation: CachedConversation, failed_attempts: int) -> None:
        """
        Fill in `reading` and `facts`; `before` attempts have failed.

        Stopped by a person, or by an edit of the question, it ends with what there is so far.
        Raises `NoReplyError`, `EngineError` (the attempt may be repeated), and what posting raises.
        """
        work = asyncio.create_task(self._generate_in_slot(conversation, failed_attempts))
        interrupts = (self._context.stopped, self._context.edited)
        interrupt_waits = {asyncio.create_task(event.wait()) for event in interrupts}
        try:
            await asyncio.wait({work, *interrupt_waits}, return_when=asyncio.FIRST_COMPLETED)
            if self._context.attempt_refundable and not work.done():
                self._generator.stop_request(self._request_id)
                await asyncio.wait({work})
            await cancel_and_wait({work})
            if not work.cancelled():
                await work
        except EngineError:
            if not any(said.is_set() for said in interrupts):
                raise
        finally:
            await cancel_and_wait({*interrupt_waits, work})

    async def _generate_in_slot(
        self, conversation: CachedConversation, failed_attempts: int
    ) -> None:
        try:
            async with asyncio.timeout(
                max(0.0, self._limits.deadline_seconds - self._context.age_seconds)
            ) as timeout:
                loaded = await self._generator.wait_for_model()
                prompt = await self._generator.build_prompt(loaded, *conversation)
                if loaded.slots.locked():
                    await self._message.show_status(self._generator.waiting_message())
                is_last = failed_attempts + 1 >= self._limits.max_attempts
                async with self._generator.hold_slot(loaded, exclusive=is_last):
                    timeout.reschedule(None)
                    await self._stream_reply(loaded, prompt)
        except TimeoutError:
            if timeout.expired():
                raise DeadlineExceededError from None
            raise
        except RequestRefusedError as error:
            log.error("engine refused", job=self._context.job.id, why=str(error))  # noqa: TRY400
            raise NoReplyError from None

    async def _stream_reply(self, loaded: LoadedModel, prompt: Prompt) -> None:
        self.number = await self._context.state.count_attempt()
        self._context.attempt_refundable = True
        stream = self._generator.stream_text(
            loaded, self._request_id, prompt, self._context.job.thread.team, self.generated
        )
        try:
            async with (
                aclosing(stream) as texts,
                self._message.stream_edits(render.compose_growing) as edits,
            ):
                async for text in texts:
                    await edits.show_text(text)
                    self._failpoints.hit(Failpoint.GENERATING)
        finally:
            self.facts = self._collect_facts(loaded, prompt)
        self._context.attempt_refundable = False
        if self.generated.finish_reason is FinishReason.TIMEOUT and not self.generated.text:
            raise DeadlineExceededError

    def _collect_facts(self, loaded: LoadedModel, prompt: Prompt) -> ReplyFacts:
        return ReplyFacts(
            model=loaded.info.name,
            finish_reason=str(self.generated.finish_reason),
            max_new_tokens=prompt.max_new_tokens,
            conversation_texts=collect_trusted_texts(self._context.job),
            dropped_turns=prompt.dropped_turns,
        )
