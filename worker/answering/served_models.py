"""
Served models: the stable one, and perhaps a canary that answers a share of the threads.

A thread stays on one model, so that a conversation is not continued by another one and its KV cache
stays useful. The choice depends on the thread alone: every worker makes the same.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from contract.job import Thread, prefix_scope
from contract.worker_status import ServedModel
from worker.answering.generator import Generator
from worker.answering.reply_plans import name_model
from worker.engine import Engine, LoadError
from worker.engine.loading.adapter import share_tokenizer

HASH_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class ServedModels:
    """The generators of a worker; `canary_share` (0 to 1) of all threads go to the canary."""

    stable: Generator
    canary: Generator | None = None
    canary_share: float = 0.0

    @property
    def by_setting(self) -> dict[str, Generator]:
        """The generators by the settings that name their models."""
        canary = {} if self.canary is None else {"STARCHAT_CANARY": self.canary}
        return {"STARCHAT_MODEL": self.stable, **canary}

    @property
    def engines(self) -> tuple[Engine, ...]:
        """The engines of all models."""
        return tuple(generator.engine for generator in self.by_setting.values())

    def forget_prefixes(self, scope: str) -> None:
        """Erase every cached prefix within a scope, in all engines."""
        for engine in self.engines:
            engine.clear_scope(scope)

    def choose(self, thread: Thread) -> Generator:
        """Return the generator that answers in a thread."""
        if self.canary is None or not is_canary_thread(thread, self.canary_share):
            return self.stable
        return self.canary

    def is_loading(self) -> bool:
        """
        Return whether most jobs that start now have to wait for their model.

        The canary loads first. Later, one that restarts delays its threads alone.
        """
        return self.stable.is_loading()

    def list_models(self) -> tuple[ServedModel, ...]:
        """Return the models that are loaded, as the details of their replies name them."""
        infos = [generator.loaded_info for generator in self.by_setting.values()]
        return tuple(name_model(info) for info in infos if info is not None)

    async def wait_for_models(self) -> int:
        """
        Wait for all models; return the number of their slots.

        Raises `LoadError`, with the setting, if one cannot be loaded or has another tokenizer: a
        thread that moves to the other model keeps its answers as token ids.
        """
        infos = []
        for setting, generator in self.by_setting.items():
            try:
                infos.append((await generator.wait_for_model()).info)
            except LoadError as error:
                raise LoadError(f"{setting} cannot be used: {error}") from error
        directories = [info.directory for info in infos]
        if not await asyncio.to_thread(share_tokenizer, *directories):
            raise LoadError("STARCHAT_CANARY cannot be used: its tokenizer is not STARCHAT_MODEL's")
        return sum(info.slots for info in infos)

    @property
    def num_followers(self) -> int:
        """Number of replies that share the slot of another one."""
        return sum(generator.shared.num_followers for generator in self.by_setting.values())

    def watch_followers(self, notice_change: Callable[[], None]) -> None:
        """Call `notice_change` when there may be more replies that share a slot."""
        for generator in self.by_setting.values():
            generator.shared.on_join = notice_change

    @property
    def running_replies(self) -> int:
        """Number of replies that are generated now."""
        return sum(generator.running_replies for generator in self.by_setting.values())


def is_canary_thread(thread: Thread, share: float) -> bool:
    """Return whether a thread is among the `share` (0 to 1) of threads that the canary answers."""
    name = prefix_scope(thread.team, thread.channel, thread.ts).encode()
    number = int.from_bytes(hashlib.sha256(name).digest()[:HASH_BYTES], "big")
    return number < share * 256**HASH_BYTES
