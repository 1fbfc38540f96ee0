"""Engines of one worker: its own, with a canary beside it, or one at an inference server."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from worker.engine import EngineHealth
from worker.engine.client import EngineClient
from worker.engine.protocol import EngineConfig
from worker.engine.sandbox import wants_sandbox
from worker.remote_engine.client import RemoteEngine
from worker.remote_engine.server_watch import RemoteConfig
from worker.settings import Settings

LocalOrRemoteEngine = EngineClient | RemoteEngine

DEFAULT_CANARY_SLOTS: Final = 4
"""Slots of a canary if `STARCHAT_SLOTS` is unset. The stable model takes the memory left."""


def build_engines(
    settings: Settings, on_change: Callable[[EngineHealth], None]
) -> tuple[LocalOrRemoteEngine, ...]:
    """Return the engine of this machine and its canary, or the engine at an inference server."""
    if settings.starchat_engine_url:
        return (_build_remote_engine(settings, on_change),)
    config, canary = _build_engine_config(settings), settings.canary
    if canary is None:
        return (EngineClient(config, on_change=on_change),)
    slots = DEFAULT_CANARY_SLOTS
    if config.slots is not None:
        slots = max(1, round(canary.share * config.slots))
    canary_config = replace(config, model=canary.model, revision=None, slots=slots)
    canary_engine = EngineClient(canary_config, on_change=on_change, setting="STARCHAT_CANARY")
    return (EngineClient(config, on_change=on_change, loads_after=canary_engine), canary_engine)


def _build_remote_engine(
    settings: Settings, on_change: Callable[[EngineHealth], None]
) -> RemoteEngine:
    key = settings.starchat_engine_key
    config = RemoteConfig(
        url=settings.starchat_engine_url,
        model=settings.starchat_model,
        dialect=settings.starchat_engine_dialect,
        key="" if key is None else key.get_secret_value(),
        revision=settings.starchat_revision,
        slots=settings.starchat_slots,
        session_secret=settings.slack_bot_token.get_secret_value(),
    )
    return RemoteEngine(config, on_change=on_change)


def _build_engine_config(settings: Settings) -> EngineConfig:
    quantization = settings.starchat_quantization
    return EngineConfig(
        model=settings.starchat_model,
        revision=settings.starchat_revision,
        device=settings.starchat_device,
        dtype=settings.starchat_dtype,
        quantization=None if quantization == "none" else quantization,
        slots=settings.starchat_slots,
        threads=settings.starchat_threads,
        num_speculative_tokens=settings.starchat_speculative_tokens,
        cuda_graphs=settings.starchat_cuda_graphs == "auto",
        compile_layers=settings.starchat_compile == "on",
        sandbox=wants_sandbox(settings.starchat_sandbox, settings.starchat_device),
    )
