"""
Reply layout: renders replies in threads, within a time limit.

Rendering is linear, but it still takes up to 50 ms of a core. On the event loop it would delay
every other reply and each check of a lease.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from typing import Final, TypeVar

import structlog

from contract.code_verdicts import CodeVerdict, VerdictKind
from contract.language import Language
from contract.masking import mask_growing
from contract.thread_pool import eager_thread_pool
from worker import render
from worker.jobs.job_state import JobProgress
from worker.render import ComposedReply, Message, ReplyFacts
from worker.render.model import BlockFindings, CodeBlock, ParsedReply
from worker.wording.wording_check import WordingCheck

T = TypeVar("T")

log = structlog.get_logger()

LAYOUT_THREADS: Final = 2
"""Threads that render. More would compete for one interpreter lock."""
LAYOUT_TIMEOUT_SECONDS: Final = 5.0
"""Maximum seconds for one layout, also while the machine is busy."""
UNCHECKED_CODE: Final = CodeVerdict(kind=VerdictKind.UNCHECKED)
"""Verdict on the code of a reply that is in plain text or covered: no reader sees another one."""
MAX_DEATHS_BEFORE_LAYOUT: Final = 2
"""Executions that may die after the answer was saved, before its layout is the likely cause."""


class LayoutKind(StrEnum):
    """How a finished reply is laid out. All executions of a job lay out the same parts."""

    MARKDOWN = "markdown"
    PLAIN = "plain"


def choose_layout(progress: JobProgress) -> LayoutKind:
    """Return the recorded layout; plain text if executions have died before one was recorded."""
    if progress.layout_kind is not None:
        return LayoutKind(progress.layout_kind)
    has_failed = progress.recoveries_with_answer >= MAX_DEATHS_BEFORE_LAYOUT
    return LayoutKind.PLAIN if has_failed else LayoutKind.MARKDOWN


CheckBlocks = Callable[[Sequence[CodeBlock]], Awaitable[Mapping[CodeBlock, BlockFindings]]]
"""Checks code; returns findings on the blocks that it could check, in bounded time."""


async def _check_nothing(_: Sequence[CodeBlock]) -> Mapping[CodeBlock, BlockFindings]:
    return {}


class ReplyLayout:
    """Renders replies. A reply that cannot be rendered in time is shown as plain text."""

    def __init__(self, timeout_seconds: float = LAYOUT_TIMEOUT_SECONDS) -> None:
        """Start the threads. A layout may take `timeout_seconds` besides the checks of its code."""
        self.check_blocks: CheckBlocks = _check_nothing
        self.wording = WordingCheck(None, None)
        self._timeout_seconds = timeout_seconds
        self._threads = eager_thread_pool(LAYOUT_THREADS, "layout")

    async def compose_growing(self, text: str, language: Language) -> Message:
        """Return a reply in progress; without its text if that cannot be rendered in time."""
        try:
            return await self.run_in_thread(self._compose_growing_text, text, language)
        except Exception as error:  # noqa: BLE001 - a failed edit must not end the reply
            log.warning("edit without text", error=type(error).__name__)
            return render.compose_growing("", language)

    async def compose_final(
        self, text: str, facts: ReplyFacts, kind: LayoutKind
    ) -> tuple[ComposedReply, LayoutKind]:
        """Return the finished reply and its layout: plain if Markdown is not rendered in time."""
        code, wording = await asyncio.gather(
            self._check_code(text, facts, kind), self.wording.check_wording(text)
        )
        unchecked = (UNCHECKED_CODE,) if "```" in text or "~~~" in text else ()
        if wording.has_hit and not facts.is_uncovered:
            cover = render.compose_cover(wording, facts.language)
            return ComposedReply((cover,), unchecked, is_covered=True), kind
        if code is not None:
            try:
                compose = functools.partial(render.compose_reply, *code, wording, facts=facts)
                return await self.run_in_thread(compose), LayoutKind.MARKDOWN
            except Exception as error:  # noqa: BLE001 - a saved answer must reach its reader
                log.error("layout failed", error=type(error).__name__)  # noqa: TRY400
        return ComposedReply(render.compose_plain(text, facts=facts), unchecked), LayoutKind.PLAIN

    async def _check_code(
        self, text: str, facts: ReplyFacts, kind: LayoutKind
    ) -> tuple[ParsedReply, Mapping[CodeBlock, BlockFindings]] | None:
        try:
            return await self.check_reply(text, facts) if kind is LayoutKind.MARKDOWN else None
        except Exception as error:  # noqa: BLE001 - a saved answer must reach its reader
            log.error("layout failed", error=type(error).__name__)  # noqa: TRY400
            return None

    async def check_reply(
        self, text: str, facts: ReplyFacts
    ) -> tuple[ParsedReply, Mapping[CodeBlock, BlockFindings]]:
        """Return a finished reply's pieces, and the findings on its code. Raises `TimeoutError`."""
        parse = functools.partial(render.parse_reply, text, facts=facts)
        reply = await self.run_in_thread(parse)
        return reply, await self.check_blocks(render.list_checkable(reply.pieces))

    def _compose_growing_text(self, text: str, language: Language) -> Message:
        masked = mask_growing(text)
        has_hit = self.wording.has_listed_words(masked[: render.MAX_GROWING_CHARACTERS])
        return render.compose_growing("" if has_hit else masked, language)

    async def run_in_thread(self, call: Callable[..., T], *arguments: object) -> T:
        """Run a call in a layout thread. Raises `TimeoutError` at the time limit."""
        async with asyncio.timeout(self._timeout_seconds):
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, call, *arguments)
