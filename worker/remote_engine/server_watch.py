"""Watch over an inference server: its model, its proof that it reads ids, its absence."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

from worker.aio import cancel_and_wait
from worker.engine import (
    EngineHealth,
    EngineLostError,
    EngineState,
    LoadError,
    ModelInfo,
    Request,
    SamplingParams,
)
from worker.engine.loading.checkpoint import display_name
from worker.engine.loading.revision import find_revision
from worker.remote_engine.dialects import DIALECTS
from worker.remote_engine.dialects.base import DialectError, ServedModel, WrongPromptError
from worker.remote_engine.request_stream import CallBuilder, RequestStream, StreamLoad
from worker.remote_engine.server import (
    InferenceServer,
    ServerBusyError,
    ServerKeyError,
    ServerRefusedError,
    ServerSilentError,
    ServerStatusError,
    ServerUnreachableError,
)
from worker.remote_engine.tokenizer_files import TokenizerFiles, fetch_tokenizer_files

DEFAULT_SLOTS: Final = 16
MIN_RETRY_SECONDS: Final = 0.5
MAX_RETRY_SECONDS: Final = 15.0
PROOF_SECONDS: Final = 30.0
"""Seconds in which the server must answer the first request."""
FAILED_LOOKS: Final = 2
"""Consecutive looks that must fail before the server counts as away."""
BLAMED_SETTINGS: Final[dict[type[Exception], str]] = {
    LoadError: "STARCHAT_MODEL",
    DialectError: "STARCHAT_ENGINE_URL",
    WrongPromptError: "STARCHAT_ENGINE_URL",
    ServerRefusedError: "STARCHAT_ENGINE_URL",
    ServerKeyError: "STARCHAT_ENGINE_KEY",
}
"""The setting that an operator must look at, by what a look at the server raises."""
LOOK_ERRORS: Final[tuple[type[Exception], ...]] = (
    ServerUnreachableError,
    ServerBusyError,
    *BLAMED_SETTINGS,
)
WAITING_STAGE: Final = "waiting for the inference server"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RemoteConfig:
    """
    Settings of a remote engine.

    `model` is a hub id or a directory with the tokenizer's files. `slots` bounds the requests at
    the server. `session_secret` is equal in all workers; see `TenantKeys`. `watch_seconds` lie
    between two looks at the server.
    """

    url: str
    model: str
    dialect: str = "vllm"
    key: str = ""
    revision: str | None = None
    slots: int | None = None
    session_secret: str = ""
    watch_seconds: float = 5.0


class ServerWatch:
    """
    Supervision of a server, from the first look to the shutdown.

    A server that comes back is looked at as if it were new, since it may serve another model.
    """

    def __init__(
        self,
        config: RemoteConfig,
        server: InferenceServer,
        build_call: CallBuilder,
        on_change: Callable[[EngineHealth], None] | None,
    ) -> None:
        self.served_name = ""
        """The model's name at the server."""
        self._config = config
        self._host = urlsplit(config.url).netloc
        self._dialect = DIALECTS[config.dialect]
        self._server = server
        self._build_call = build_call
        self._on_change = on_change
        self.on_replaced: Callable[[], None] = lambda: None
        """Called before the engine is ready with another model, or another window, than before."""
        self.health = EngineHealth(stage=WAITING_STAGE)
        self._changed = asyncio.Event()
        self._doubted = asyncio.Event()
        self._closing = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None
        self._model_info: ModelInfo | None = None
        self._served: ServedModel | None = None

    @property
    def ready_model(self) -> ModelInfo | None:
        """The model while the server serves it."""
        return self._model_info if self.health.state is EngineState.READY else None

    def start(self) -> None:
        """Start to look for the server without waiting for it."""
        if self._supervisor is None and not self._closing.is_set():
            self._supervisor = asyncio.create_task(self._supervise_server())

    async def wait_for_model(self) -> ModelInfo:
        """
        Wait until the server serves the model.

        Raises `LoadError` if it has another one, `EngineLostError` if the engine is shut down.
        """
        self.start()
        while (model := self.ready_model) is None:
            if self.health.state is EngineState.FAILED:
                raise LoadError(self.health.error)
            if self._closing.is_set():
                raise EngineLostError("the engine is closed")
            await self._changed.wait()
        return model

    def note_loss(self, error: Exception) -> None:
        """
        Look at the server soon: it lost a request with this error.

        Others wait for that look if the error may befall them, too. A status, silence or a wrong
        event may be due to the one request, which must not stop the others.
        """
        may_befall_all = isinstance(error, ServerUnreachableError | WrongPromptError)
        if may_befall_all and not isinstance(error, ServerStatusError | ServerSilentError):
            self._report_away(str(error))
        self._doubted.set()

    async def serves_other_model(self) -> bool:
        """
        Look whether the server still serves the model as before, since it refused a request.

        Others wait if it does not. A look that fails counts as a change.
        """
        try:
            return not self._compare_model(await self._look_up_model())
        except LOOK_ERRORS:
            return True

    async def shut_down(self) -> None:
        """End the supervision."""
        self._closing.set()
        if self._supervisor is not None:
            await cancel_and_wait({self._supervisor})
        self._update_health(state=EngineState.CLOSED)

    async def _supervise_server(self) -> None:
        delay, failed_looks = MIN_RETRY_SECONDS, 0
        while True:
            try:
                await self._look_at_server()
            except LOOK_ERRORS as error:
                setting = BLAMED_SETTINGS.get(type(error))
                # A server that was ready once has right settings: it restarts, or a proxy answers.
                if setting is not None and self._model_info is None:
                    self._update_health(state=EngineState.FAILED, error=str(error), setting=setting)
                    return
                failed_looks += 1
                if failed_looks >= FAILED_LOOKS:
                    self._report_away(str(error))
                await self._pause(delay)
                delay = min(2 * delay, MAX_RETRY_SECONDS)
            else:
                delay, failed_looks = MIN_RETRY_SECONDS, 0
                await self._pause(self._config.watch_seconds)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._doubted.wait(), seconds)
        self._doubted.clear()

    async def _look_at_server(self) -> None:
        config, served = self._config, await self._look_up_model()
        if self._compare_model(served):
            return
        files = await asyncio.to_thread(fetch_tokenizer_files, config.model, config.revision)
        windows = [one for one in (served.max_positions, files.max_positions) if one]
        if not windows:
            raise LoadError("neither the server nor config.json says how long the context is")
        self.served_name = served.name
        model_info = await asyncio.to_thread(self._describe_model, files, min(windows))
        await self._prove_ids(model_info)
        if self._served is not None and (self._model_info, self._served) != (model_info, served):
            self.on_replaced()
        self._model_info, self._served = model_info, served
        self._update_health(state=EngineState.READY, stage="", fraction=1.0)

    async def _look_up_model(self) -> ServedModel:
        return await self._dialect.find_served_model(self._server.fetch_json, self._config.model)

    def _compare_model(self, served: ServedModel) -> bool:
        """Return whether the engine is ready with this model. One with another is away."""
        if self.health.state is EngineState.READY and served != self._served:
            self._report_away("it serves another model, or another window")
        return self.health.state is EngineState.READY

    def _describe_model(self, files: TokenizerFiles, max_positions: int) -> ModelInfo:
        return ModelInfo(
            name=display_name(self._config.model, files.directory),
            revision=find_revision(self._config.revision, files.directory),
            directory=files.directory,
            max_positions=max_positions,
            vocab_size=files.vocab_size,
            eos_ids=files.eos_ids,
            device=f"{self._dialect.product} server",
            dtype="as served",
            slots=self._config.slots or DEFAULT_SLOTS,
        )

    async def _prove_ids(self, model: ModelInfo) -> None:
        """
        Let the server read control tokens as ids, and compare what it says that it read.

        Raises `DialectError` if it read something else. If it is too busy, raises
        `ServerUnreachableError` before its first proof; later ones are left to each request.
        """
        prompt = (*model.eos_ids[:1], 0, model.vocab_size - 1, *model.eos_ids[:1])
        sampling = SamplingParams(max_new_tokens=1, temperature=0.0)
        request = Request("proof", prompt, sampling, deadline=time.monotonic() + PROOF_SECONDS)
        stream = RequestStream(self._build_call(request), self._dialect, StreamLoad())
        async with aclosing(stream.run(self._server)) as events:
            async for _ in events:
                pass
        if not stream.is_prompt_proved and self._model_info is None:
            raise ServerUnreachableError("the server is too busy for a first request")

    def _report_away(self, reason: str) -> None:
        stage = f"{WAITING_STAGE} at {self._host}: {reason}"
        was_ready = self.health.state is EngineState.READY
        if not was_ready and stage == self.health.stage:
            return
        log.warning("remote_engine_away", host=self._host, reason=reason)
        restarts = self.health.restarts + was_ready
        self._update_health(state=EngineState.LOADING, stage=stage, fraction=0.0, restarts=restarts)

    def _update_health(self, **fields: Any) -> None:
        self.health = replace(self.health, **fields)
        self._changed.set()
        self._changed = asyncio.Event()
        if self._on_change is not None:
            self._on_change(self.health)
