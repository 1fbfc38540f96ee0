"""One attempt at an answer: waits for model and slot, generates, shows the text as it grows."""

import asyncio
import time
from contextlib import aclosing

import structlog

from contract.conversation import Speaker
from contract.job import Job
from worker import render
from worker.aio import end
from worker.answering.answer_cache import Recalled
from worker.answering.generator import Generation, Reading, Room
from worker.engine import EngineError, FinishReason, RequestRefusedError
from worker.errors import NoReplyError, OutOfTimeError
from worker.failpoints import Faults, Point
from worker.jobs.task import Limits, Task
from worker.prompt.builder import Prompt
from worker.render import ReplyFacts
from worker.slack.reply_message import Posting

log = structlog.get_logger()


def known(job: Job) -> tuple[str, ...]:
    """Return what people wrote: an address that only the model named stays unknown."""
    return tuple(turn.text for turn in job.turns if turn.speaker is Speaker.USER)


class Writing:
    """Writes one answer. `reading` and `facts` are what there is of it, also when it fails."""

    def __init__(
        self, task: Task, posting: Posting, generation: Generation, limits: Limits, faults: Faults
    ) -> None:
        self._task = task
        self._posting = posting
        self._generation = generation
        self._limits = limits
        self._faults = faults
        self._name = task.ledger.lease.member
        self.attempt = 0
        """Which attempt at this job it is, once generation has started."""
        # From here on, not from the question: a job that is taken up late may be answered too.
        self.reading = Reading(deadline=time.monotonic() + limits.deadline)
        self.facts = ReplyFacts(model="", finish_reason=str(self.reading.reason), max_new_tokens=0)

    async def write(self, recalled: Recalled, before: int) -> None:
        """
        Fill in `reading` and `facts`; `before` attempts have failed.

        Stopped by a person, or by an edit of the question, it ends with what there is so far.
        Raises `NoReplyError`, `EngineError` (the attempt may be repeated), and what posting raises.
        """
        work = asyncio.create_task(self._work(recalled, before))
        ends = (self._task.stopped, self._task.edited)
        words = {asyncio.create_task(said.wait()) for said in ends}
        try:
            await asyncio.wait({work, *words}, return_when=asyncio.FIRST_COMPLETED)
            if self._task.charged and not work.done():
                self._generation.stop(self._name)
                await asyncio.wait({work})
            await end({work})
            if not work.cancelled():
                await work
        except EngineError:
            if not any(said.is_set() for said in ends):
                raise
        finally:
            await end({*words, work})

    async def _work(self, recalled: Recalled, before: int) -> None:
        try:
            async with asyncio.timeout(max(0.0, self._limits.deadline - self._task.age)) as limit:
                room = await self._generation.room()
                prompt = await self._generation.prompt(room, *recalled)
                if room.slots.locked():
                    await self._posting.sign(self._generation.sign())
                last = before + 1 >= self._limits.attempts
                async with self._generation.slot(room, alone=last):
                    limit.reschedule(None)
                    await self._generate(room, prompt)
        except TimeoutError:
            if limit.expired():
                raise OutOfTimeError from None
            raise
        except RequestRefusedError as error:
            log.error("engine refused", job=self._task.job.id, why=str(error))  # noqa: TRY400
            raise NoReplyError from None

    async def _generate(self, room: Room, prompt: Prompt) -> None:
        self.attempt = await self._task.ledger.charge()
        self._task.charged = True
        stream = self._generation.stream(
            room, self._name, prompt, self._task.job.thread.team, self.reading
        )
        try:
            async with (
                aclosing(stream) as texts,
                self._posting.growing(render.compose_growing) as growing,
            ):
                async for text in texts:
                    await growing.show(text)
                    self._faults.hit(Point.GENERATING)
        finally:
            self.facts = self._facts(room, prompt)
        self._task.charged = False
        if self.reading.reason is FinishReason.TIMEOUT and not self.reading.text:
            raise OutOfTimeError

    def _facts(self, room: Room, prompt: Prompt) -> ReplyFacts:
        return ReplyFacts(
            model=room.model.name,
            finish_reason=str(self.reading.reason),
            max_new_tokens=prompt.max_new_tokens,
            conversation_texts=known(self._task.job),
            dropped_turns=prompt.dropped_turns,
        )
