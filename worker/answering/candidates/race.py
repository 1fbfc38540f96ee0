"""
Candidate race: the same prompt with further seeds, while the first candidate grows.

The others begin when the first one opens a fence. By then its prompt is in the KV cache, and a
reply without code has cost nothing more.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Final, Self

import structlog

from contract.reply_details import derive_seed
from worker.aio import cancel_and_wait
from worker.answering.candidates.choice import Score, choose_candidate, has_fence
from worker.answering.generated_text import GeneratedText
from worker.answering.generator import Generator
from worker.answering.loaded_model import LoadedModel
from worker.engine import FinishReason, Request

log = structlog.get_logger()

MAX_SCORING_SECONDS: Final = 1.0
"""Seconds by which the checks of all candidates may delay the reply."""
MIN_WAIT_SECONDS: Final = 10.0
"""Seconds after its end that a reply waits for candidates; longer, if it took half as long."""
CANDIDATE_PRIORITY: Final = -1
"""Below every question's: its prefill comes before a candidate's tokens."""
ABANDONED_ENDINGS: Final = frozenset({FinishReason.STOPPED, FinishReason.TIMEOUT})

ScoreText = Callable[[GeneratedText], Awaitable[Score]]


@dataclass(slots=True)
class Candidate:
    """One text for a reply; `score` is `None` until its checks have ended."""

    seed: int
    generated: GeneratedText
    score: Score | None = None

    @property
    def is_whole(self) -> bool:
        """Whether its generation has ended, and not by a stop, a failure or the deadline."""
        return self.generated.finish_reason not in ABANDONED_ENDINGS


@dataclass(slots=True)
class CandidateRace:
    """
    The candidates of one reply, the first of which the caller generates by `request`.

    At most `limit` take part, as far as slots are free. At the end of the `async with`, the others
    are cancelled. One that fails is left out.
    """

    generator: Generator
    loaded: LoadedModel
    request: Request
    first: GeneratedText
    score_text: ScoreText
    limit: int
    candidates: list[Candidate] = field(init=False)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _searched: int = 0
    _started_at: float = 0.0
    _is_stopped: bool = False

    def __post_init__(self) -> None:
        self.candidates = [Candidate(self.request.sampling.seed, self.first)]

    async def __aenter__(self) -> Self:
        """Start nothing yet."""
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """Cancel what still runs, and free its slots."""
        await cancel_and_wait(self._tasks)

    @property
    def best_index(self) -> int:
        """Index of the candidate that becomes the reply."""
        return choose_candidate([candidate.score for candidate in self.candidates])

    async def watch_text(self, text: str) -> None:
        """Start the other candidates when the growing text opens a fence."""
        may_start = self.limit > 1 and not self._tasks and not self._is_stopped
        if may_start and has_fence(text, self._searched):
            self._started_at = time.monotonic()
            await self._start_others()
            self.limit = len(self.candidates)
        self._searched = len(text)

    async def wait_for_end(self) -> None:
        """
        Wait until the others have ended, and score all, unless the first was stopped.

        Questions come before candidates in each step of a local engine, so the wait has a bound. An
        inference server knows no priority; there the reply's deadline is the bound.
        """
        if self._is_stopped or not self._tasks:
            return
        if not self.candidates[0].is_whole:
            self.stop()
            return
        seconds = time.monotonic() - self._started_at
        _, late = await asyncio.wait(self._tasks, timeout=max(MIN_WAIT_SECONDS, 2 * seconds))
        await cancel_and_wait(late)
        # One after another, as the blocks of a reply: no reply holds more than one child.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(MAX_SCORING_SECONDS):
                for candidate in self.candidates:
                    await self._score(candidate)

    def stop(self) -> None:
        """End all candidates but the first, which the caller ends."""
        self._is_stopped = True
        for task in self._tasks:
            task.cancel()
        for candidate in self.candidates:
            candidate.score = None

    async def _start_others(self) -> None:
        for number in range(1, self.limit):
            seed = derive_seed(self.request.sampling.seed, number)
            request = replace(
                self.request,
                id=f"{self.request.id}-{number}",
                sampling=replace(self.request.sampling, seed=seed),
                priority=CANDIDATE_PRIORITY,
            )
            if not await self.generator.take_spare_slot(self.loaded, request.id):
                return
            text = GeneratedText(deadline=self.first.deadline, labels=self.first.labels)
            candidate = Candidate(seed, text)
            self.candidates.append(candidate)
            task = asyncio.create_task(self._run(candidate, request))
            # A callback runs once, also for a task that is cancelled before it begins. It is the
            # first one, so a waiter for the task finds the slot free.
            task.add_done_callback(partial(self._release_slot, request.id))
            self.loaded.spare_slots.assign_task(request.id, task)
            self._tasks.append(task)

    async def _run(self, candidate: Candidate, request: Request) -> None:
        try:
            stream = self.generator.stream_text(self.loaded, request, candidate.generated)
            async with aclosing(stream) as texts:
                async for _ in texts:
                    pass
        except Exception as error:  # noqa: BLE001 - the reply does not need this candidate
            log.warning("candidate failed", error=type(error).__name__)

    def _release_slot(self, request_id: str, _: object) -> None:
        self.loaded.spare_slots.release_slot(request_id)

    async def _score(self, candidate: Candidate) -> None:
        if self._is_stopped or not candidate.is_whole:
            return
        try:
            score = await self.score_text(candidate.generated)
        except Exception as error:  # noqa: BLE001 - the reply does not need this score
            log.warning("candidate not checked", error=type(error).__name__)
            return
        if not self._is_stopped:
            candidate.score = score
