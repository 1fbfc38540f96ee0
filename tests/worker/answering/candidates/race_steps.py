"""A question with candidates in one process: its engine, texts and checks."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from contract.reply_details import ReplyDetails
from contract.reply_rules import ReplyRules
from testing.checked_replies import find_in_block
from testing.reply_harness import ReplyHarness
from testing.rework_harness import RecordingEngine, ReworkHarness
from worker.answering.publishing.finished_answer import parse_details
from worker.engine import EngineEvent, EngineLostError, Finished, FinishReason, Request
from worker.render.model import BlockFindings, CodeBlock

BROKEN = "Here:\n\n```python\nx = = 1\n```\n"
GOOD = "So:\n\n```python\nx = 1\n```\n"
BETTER = "Or so:\n\n```python\nx = 2\n```\n"
RISKY = "Or:\n\n```python\nimport os\nos.system(input())\n```\n"
PLAIN = "A mutex has one owner."


@dataclass
class SeededEngine(RecordingEngine):
    """
    An engine whose candidates have `texts`, by the order of their seeds; `None` fails.

    With `is_held`, each candidate but the first waits at its end until it is aborted.
    """

    texts: Sequence[str | None] = ()
    is_held: bool = False
    are_held: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether all candidates wait at their end."""
    aborted_ids: list[str] = field(default_factory=list)
    _first: Request | None = None
    _aborts: dict[str, asyncio.Event] = field(default_factory=dict)

    async def _continue_prompt(self, request: Request) -> AsyncGenerator[EngineEvent]:
        """Yield the ids of the text of the request's seed."""
        if not request.priority:
            self._first = request
        assert self._first is not None
        text = self.texts[request.sampling.seed - self._first.sampling.seed]
        if text is None:
            raise EngineLostError
        self.text = text
        async for event in super()._continue_prompt(request):
            await asyncio.sleep(0)
            if self.is_held and request.priority and isinstance(event, Finished):
                aborted = self._aborts[request.id] = asyncio.Event()
                if len(self._aborts) == len(self.texts) - 1:
                    self.are_held.set()
                try:
                    await aborted.wait()
                except asyncio.CancelledError:
                    self.aborted_ids.append(request.id)
                    raise
                yield replace(event, reason=FinishReason.STOPPED)
            else:
                yield event

    def abort_request(self, request_id: str) -> None:
        """End a request that is held."""
        self.aborted_ids.append(request_id)
        if request_id in self._aborts:
            self._aborts[request_id].set()


async def check_in_process(blocks: Sequence[CodeBlock]) -> Mapping[CodeBlock, BlockFindings]:
    """Check code with the real checks."""
    return {block: find_in_block(block) for block in blocks}


def build_harness(
    reply: ReplyHarness, directory: Path, *texts: str | None, slots: int = 4, **rules: float
) -> tuple[ReworkHarness, SeededEngine]:
    """Return a question with four candidates, which have these texts."""
    engine = SeededEngine(directory, "", slots=slots, texts=texts)
    harness = ReworkHarness(reply, directory, "", engine=engine)
    harness.check_blocks = check_in_process
    chosen = ReplyRules(**{"candidates": 4} | rules)  # type: ignore[arg-type]
    reply.job = reply.job.model_copy(update={"rules": chosen})
    return harness, engine


async def read_details(harness: ReworkHarness) -> ReplyDetails:
    """Return the details of the present version."""
    present, _ = await harness.read_versions()
    assert present is not None
    return parse_details(present.details)


def reply_text_of(text: str) -> str:
    """Return a reply's text as Slack shows it."""
    return text.replace("```python\n", "").replace("```\n", "").replace("\n\n", "\n").strip()
