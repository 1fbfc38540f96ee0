"""Loaded model: what an engine has loaded, with its chat format and its slots."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from worker.answering.spare_slots import SpareSlots
from worker.engine import Engine, EngineState, LoadError, ModelInfo
from worker.prompt.chat_encoder import ChatEncoder
from worker.prompt.system_prompt import SystemPromptTooLongError
from worker.prompt.tokenizer import CheckpointError, Tokenizer

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A loaded model: its properties, its chat format and a semaphore of its slots."""

    info: ModelInfo
    chat_encoder: ChatEncoder
    slots: asyncio.Semaphore
    spare_slots: SpareSlots

    @property
    def is_full(self) -> bool:
        """Whether a question has to wait for a slot: none is free, and no candidate has one."""
        return self.slots.locked() and not self.spare_slots


class ModelLoader:
    """
    Loader of one engine's model, which loads again when the engine has another one.

    An inference server may come back with another context window, tokenizer or number of slots.
    """

    def __init__(
        self, engine: Engine, check_model: Callable[[LoadedModel], Awaitable[None]]
    ) -> None:
        """`check_model` raises `SystemPromptTooLongError` for a model that is of no use."""
        self._engine = engine
        self._check_model = check_model
        self._loading: asyncio.Task[LoadedModel] | None = None

    @property
    def model(self) -> LoadedModel | None:
        """The model that was loaded last; `None` while one loads, and if it failed."""
        task = self._loading
        is_loaded = task is not None and task.done() and not task.cancelled()
        return task.result() if task and is_loaded and task.exception() is None else None

    async def wait_for_model(self) -> LoadedModel:
        """
        Wait until the engine is ready; return its model as it is now.

        Raises `LoadError` if it cannot be loaded, `EngineLostError` if the engine is shut down.
        """
        if self._loading is None:
            self._loading = asyncio.create_task(self._load_model(None))
        while True:
            loading = self._loading
            loaded = await asyncio.shield(loading)
            if await self._engine.wait_ready() == loaded.info:
                return loaded
            if loading is self._loading:
                self._loading = asyncio.create_task(self._load_model(loaded))

    async def is_current(self, loaded: LoadedModel) -> bool:
        """Return whether the engine is ready with this model now."""
        is_ready = self._engine.health.state is EngineState.READY
        return is_ready and await self._engine.wait_ready() == loaded.info

    async def _load_model(self, previous: LoadedModel | None) -> LoadedModel:
        info = await self._engine.wait_ready()
        if previous is not None and previous.info.slots == info.slots:
            # Replies of the previous model still hold some.
            slots, spare_slots = previous.slots, previous.spare_slots
        else:
            slots = asyncio.Semaphore(info.slots)
            spare_slots = SpareSlots(slots)
        try:
            tokenizer = await asyncio.to_thread(Tokenizer.from_checkpoint, info.directory)
            chat_encoder = ChatEncoder.from_checkpoint(info.directory, tokenizer, info.eos_ids)
            loaded = LoadedModel(info, chat_encoder, slots, spare_slots)
            await self._check_model(loaded)
        except (CheckpointError, SystemPromptTooLongError) as error:
            raise LoadError(str(error)) from error
        log.info("model loaded", device=info.device, slots=info.slots, positions=info.max_positions)
        return loaded
