"""
The engine as the rest of the worker sees it: token ids in, token ids out; torch-free.

The engine is a child process (`python -m worker.engine`) that owns the weights, the slots and the
step loop. It has no Slack token and opens no socket; it speaks JSON lines on its standard streams.
`worker.engine.client` is the parent's end. Importing this package imports no model library.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from worker.engine.health import EngineHealth


class EngineError(Exception):
    """The engine could not finish a request."""


class RequestRefusedError(EngineError):
    """The request can never run: longer than the model's positions, or an id it does not know."""


class EngineLostError(EngineError):
    """The child died or hung with the request in a slot; the same request may be tried again."""


class LoadError(EngineError):
    """The model cannot be loaded; the message is one line for the operator."""


class FinishReason(StrEnum):
    """
    Why a request ended.

    The model said stop, its limit was reached, somebody stopped it, or its deadline passed.
    """

    STOP = "stop"
    LENGTH = "length"
    STOPPED = "stopped"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """
    How the next token is chosen, in transformers' order: temperature, then top_k, then top_p.

    `temperature` 0 is greedy. `seed` makes a request repeatable whatever runs beside it.
    """

    max_new_tokens: int = 256
    temperature: float = 0.2
    top_k: int = 50
    top_p: float = 0.95
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """
    A prompt to continue. `prompt` are token ids; `stop` are ids that end the reply.

    What a slot still holds of an earlier request is used again only within the same non-empty
    `scope` (a team). Where slots are few, the greater `priority` goes first. At its `deadline` (s,
    monotonic, a clock that parent and child share) it ends with what there is of its reply.
    """

    id: str
    prompt: tuple[int, ...]
    sampling: SamplingParams
    stop_ids: tuple[int, ...] = ()
    scope: str = ""
    priority: int = 0
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """New token ids of one request, in order; a stop id is never among them."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of a request, with its counts of tokens."""

    reason: FinishReason
    prompt_tokens: int
    new_tokens: int


EngineEvent = Tokens | Finished


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """
    What the child has loaded.

    `directory` is a plain checkpoint directory on this machine with `config.json`,
    `tokenizer.json` and, where the model has one, a chat template. `positions` is the longest
    prompt plus reply, `vocabulary` the number of token ids, `eos` the ids that the checkpoint
    itself names as the end of a reply.
    """

    name: str
    revision: str | None
    directory: Path
    max_positions: int
    vocab_size: int
    eos_ids: tuple[int, ...]
    device: str
    dtype: str
    slots: int


@dataclass(frozen=True, slots=True)
class EngineStats:
    """What the engine is doing now; `tokens_per_second` is over the last few seconds."""

    running: int
    waiting: int
    steps: int
    tokens_per_second: float


class Engine(Protocol):
    """Anything that can continue many prompts at once; `worker.engine.client` has the real one."""

    @property
    def health(self) -> EngineHealth:
        """What the engine is doing now."""
        ...

    async def wait_ready(self) -> ModelInfo:
        """Wait until the model is loaded. Raises `LoadError` if it cannot be."""
        ...

    def generate(self, request: Request) -> AsyncGenerator[EngineEvent]:
        """
        Continue a prompt: zero or more `Tokens`, then one `Finished`.

        Raises `RequestRefusedError` before any event, `EngineLostError` at any time. Closing the
        iterator stops the request.
        """
        ...

    def abort_request(self, request_id: str) -> None:
        """End a request within one step; its iterator yields `Finished(STOPPED)`."""
        ...

    def clear_scope(self, scope: str) -> None:
        """Wipe what is kept of requests of this scope."""
        ...

    def read_stats(self) -> EngineStats:
        """Return what the engine last said about itself."""
        ...

    async def shut_down(self) -> None:
        """End the child and wait for it."""
        ...
