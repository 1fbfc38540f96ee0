"""
Engine interface: token ids in, token ids out. Torch-free.

The engine is a child process (`python -m worker.engine`) that owns the weights, the KV cache and
the step loop. It has no Slack token and opens no socket: parent and child exchange JSON lines over
pipes. `worker.engine.client` is the parent's end. Importing this package imports no model library.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class EngineError(Exception):
    """The engine could not finish a request."""


class RequestRefusedError(EngineError):
    """The request can never run: too long for the model, or with an unknown token id."""


class EngineLostError(EngineError):
    """The child died or hung while the request was in flight; the caller may retry it."""


class LoadError(EngineError):
    """The model cannot be loaded. The message is one line for the operator."""


class DeviceLostError(Exception):
    """The device is in an unknown state; the process must exit."""


class EngineState(StrEnum):
    """States of the engine's life."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class EngineHealth:
    """
    Engine state for the health page and for the placeholder while the model is loading.

    While loading, `stage` names the current work and `fraction` (0 to 1) its progress. `restarts`
    counts children after the first. `error` is one line that says why the state is `FAILED`, and
    `setting` the setting to change.
    """

    state: EngineState = EngineState.LOADING
    stage: str = "starting"
    fraction: float = 0.0
    restarts: int = 0
    error: str = ""
    setting: str = "STARCHAT_MODEL"


class FinishReason(StrEnum):
    """
    Why a request finished.

    A stop token was sampled, the token limit was reached, the caller aborted it, or its deadline
    passed.
    """

    STOP = "stop"
    LENGTH = "length"
    STOPPED = "stopped"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """
    Sampling settings, applied in transformers' order: temperature, then top_k, then top_p.

    `temperature` 0 is greedy decoding. `seed` makes a reply reproducible in any batch.
    """

    max_new_tokens: int = 256
    temperature: float = 0.2
    top_k: int = 50
    top_p: float = 0.95
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """
    A prompt to continue. `prompt` holds token ids; `stop_ids` end the reply.

    `scope` is a path, `team/channel/thread`, or empty. Requests share cached prefixes only within
    its first part. Waiting requests with a higher `priority` get a slot first, and their prefill
    comes before the tokens of requests with a lower one. At its `deadline`
    (seconds on the monotonic clock, which parent and child share) a request finishes with the
    tokens it has.
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
    """
    New token ids of one request, in order. A stop token is never among them.

    `gpu_seconds` is what the whole request has used so far; see `request_state.share_step_time`.
    """

    ids: tuple[int, ...]
    gpu_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Finished:
    """Last event of a request, with its token counts and the GPU seconds that it used."""

    reason: FinishReason
    prompt_tokens: int
    new_tokens: int
    gpu_seconds: float = 0.0


EngineEvent = Tokens | Finished


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """
    Description of the loaded model.

    `directory` is a checkpoint directory on this machine with `config.json`, `tokenizer.json` and,
    if the model has one, a chat template. `max_positions` limits prompt plus reply, in tokens.
    `vocab_size` counts token ids. `eos_ids` end a reply according to the checkpoint. `slots` is the
    number of requests that run at once.
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
    """
    Current load of the engine. `tokens_per_second` averages the last five seconds.

    `prefilled_tokens` counts the prompt tokens computed so far. A server tells none.
    """

    running: int
    waiting: int
    steps: int
    tokens_per_second: float
    prefilled_tokens: int = 0


class Engine(Protocol):
    """Inference engine that continues many prompts at once; see `worker.engine.client`."""

    @property
    def health(self) -> EngineHealth:
        """Current state."""
        ...

    async def wait_ready(self) -> ModelInfo:
        """Wait until the model is loaded. Raises `LoadError` if it cannot be loaded."""
        ...

    def generate(self, request: Request) -> AsyncGenerator[EngineEvent]:
        """
        Continue a prompt: yields zero or more `Tokens`, then one `Finished`.

        Raises `RequestRefusedError` before the first event, or `EngineLostError` at any time.
        Closing the iterator aborts the request.
        """
        ...

    def abort_request(self, request_id: str) -> None:
        """Finish a request within one step; its iterator yields `Finished(STOPPED)`."""
        ...

    def clear_scope(self, scope: str) -> None:
        """Erase every cached prefix within this scope; an empty scope means all."""
        ...

    def read_stats(self) -> EngineStats:
        """Return the load that the engine reported last."""
        ...

    async def shut_down(self) -> None:
        """End the child process, or all requests at a server, and wait for it."""
        ...
