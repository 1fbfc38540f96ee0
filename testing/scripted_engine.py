"""Scripted engine: generates given texts, token by token, without a model or a process."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

from worker.engine import (
    EngineEvent,
    EngineHealth,
    EngineState,
    EngineStats,
    Finished,
    FinishReason,
    ModelInfo,
    Request,
    Tokens,
)
from worker.prompt.tokenizer import Tokenizer


@dataclass
class ScriptedEngine:
    """
    An engine that replies with `text`.

    `aborted` counts requests that were closed early. `positions` is the context window, and `slots`
    the number of requests that run at once.
    """

    directory: Path
    text: str
    health: EngineHealth = field(default_factory=lambda: EngineHealth(EngineState.READY))
    generated_tokens: int = 0
    aborted: int = 0
    positions: int = 8192
    slots: int = 1
    revision: str | None = None

    async def wait_ready(self) -> ModelInfo:
        """Return the model that the directory's tokenizer belongs to."""
        window = self.positions
        return ModelInfo(
            *("scripted", self.revision, self.directory, window, 50_000, ()),
            "cpu",
            "float32",
            self.slots,
        )

    def generate(self, request: Request) -> AsyncGenerator[EngineEvent]:
        """Continue a prompt."""
        return self._continue_prompt(request)

    async def _continue_prompt(self, request: Request) -> AsyncGenerator[EngineEvent]:
        """Yield the ids of the text, up to the requested maximum."""
        token_ids = Tokenizer.from_checkpoint(self.directory).encode(self.text)
        limit = request.sampling.max_new_tokens
        reason = FinishReason.LENGTH if len(token_ids) > limit else FinishReason.STOP
        self.aborted += 1
        for number, token in enumerate(token_ids[:limit], 1):
            await asyncio.sleep(0)
            self.generated_tokens = number
            yield Tokens((token,))
        self.aborted -= 1
        yield Finished(reason, len(request.prompt), self.generated_tokens)

    def abort_request(self, request_id: str) -> None:
        """Ignore the request: a closed iterator has ended it."""

    def clear_scope(self, scope: str) -> None:
        """Ignore the scope: nothing is cached."""

    def read_stats(self) -> EngineStats:
        """Return an idle engine's load."""
        return EngineStats(0, 0, 0, 0.0)

    async def shut_down(self) -> None:
        """End nothing: there is no process."""
