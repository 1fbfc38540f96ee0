"""Generator: runs prompts on the engine, with a queue for its slots, and streams the text."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from contract.conversation import Conversation, Speaker, Turn
from contract.language import Translatable
from contract.queue_eta import describe_position
from contract.reply_rules import NO_RULES, ReplyRules
from contract.texts import MODEL_LOADING
from worker.answering.generated_text import GeneratedText, TextBuilder
from worker.answering.loaded_model import LoadedModel, ModelLoader
from worker.answering.running_mean import RunningMean
from worker.answering.shared_generations import SharedGenerations
from worker.engine import (
    Engine,
    EngineEvent,
    EngineLostError,
    EngineState,
    Finished,
    ModelInfo,
    Request,
    RequestRefusedError,
    SamplingParams,
)
from worker.prompt.builder import (
    NO_SOURCES,
    Prompt,
    PromptSources,
    build_prompt,
)
from worker.render.texts import WRITING

PROBE_CONVERSATION: Final = (Turn(speaker=Speaker.USER, text="?", ts="0.0"),)
"""Shortest conversation: the system prompt must leave room for it."""
MODEL_CHANGED: Final = "the engine has another model, or another context window"


@dataclass(frozen=True, slots=True)
class GenerationSettings:
    """
    Settings of generation: maximum length, sampling parameters and system prompt.

    `max_temperature` bounds what a channel may choose. `candidates` is the maximum number of texts
    that are generated for a reply with code.
    """

    max_new_tokens: int
    temperature: float
    top_k: int
    top_p: float
    system_prompt: str
    max_temperature: float = 1.0
    candidates: int = 1

    def apply_rules(self, rules: ReplyRules) -> "GenerationSettings":
        """Return the settings with a channel's rules, within the operator's bounds."""
        choices = rules.model_dump(exclude={"prompt"}, exclude_none=True)
        chosen = replace(self, **choices)
        return replace(
            chosen,
            max_new_tokens=min(chosen.max_new_tokens, self.max_new_tokens),
            temperature=min(chosen.temperature, max(self.temperature, self.max_temperature)),
        )


class Generator:
    """Access to the engine, its tokenizer and its slots for one job at a time per slot."""

    def __init__(self, engine: Engine, settings: GenerationSettings) -> None:
        """`engine` may still be loading."""
        self._engine = engine
        self._settings = settings
        self.shared = SharedGenerations(engine)
        self._loader = ModelLoader(engine, self._check_model)
        self._last_attempt_lock = asyncio.Lock()
        self.reply_seconds = RunningMean()
        self.running_replies = 0
        self.waiting_jobs = 0

    def is_loading(self) -> bool:
        """Return whether a job that starts now has to wait for the model."""
        is_ready = self._engine.health.state is EngineState.READY
        return self._loader.model is None or not is_ready

    async def wait_for_model(self) -> LoadedModel:
        """Wait until the engine is ready; see `ModelLoader.wait_for_model`."""
        return await self._loader.wait_for_model()

    @property
    def loaded_info(self) -> ModelInfo | None:
        """The loaded model; `None` while it loads, and if it failed."""
        loaded = self._loader.model
        return None if loaded is None else loaded.info

    @property
    def engine(self) -> Engine:
        """The engine that runs the prompts."""
        return self._engine

    async def build_prompt(
        self,
        loaded: LoadedModel,
        turns: Conversation,
        sources: PromptSources = NO_SOURCES,
        rules: ReplyRules = NO_RULES,
        reserved_tokens: int = 0,
    ) -> Prompt:
        """
        Build the prompt in a thread, by the rules of the channel.

        `reserved_tokens` of the context window stay free.

        Raises `QuestionTooLongError` if the question alone exceeds the context window.
        """
        return await asyncio.to_thread(
            build_prompt,
            turns,
            encoder=loaded.chat_encoder,
            system=self._settings.system_prompt,
            positions=loaded.info.max_positions - reserved_tokens,
            max_new_tokens=self._settings.apply_rules(rules).max_new_tokens,
            sources=sources._replace(channel_prompt=rules.prompt),
        )

    async def _check_model(self, loaded: LoadedModel) -> None:
        await self.build_prompt(loaded, PROBE_CONVERSATION)

    @asynccontextmanager
    async def hold_slot(self, loaded: LoadedModel, *, exclusive: bool) -> AsyncIterator[None]:
        """
        Hold one of the engine's slots. At most one `exclusive` job runs at a time.

        A job at its last attempt may be the one that crashes the engine. Such jobs run one by one,
        so that a crash costs no other job its last attempt.

        Raises `EngineLostError` if the engine has another model by now: the prompt may not fit it.
        """
        async with contextlib.AsyncExitStack() as stack:
            self.waiting_jobs += 1
            try:
                if exclusive:
                    await stack.enter_async_context(self._last_attempt_lock)
                await loaded.spare_slots.give_up_one()
                await stack.enter_async_context(loaded.slots)
                if await self._engine.wait_ready() != loaded.info:
                    raise EngineLostError(MODEL_CHANGED)
            finally:
                self.waiting_jobs -= 1
            self.running_replies += 1
            started = time.monotonic()
            try:
                yield
                self.reply_seconds.add_sample(time.monotonic() - started)
            finally:
                self.running_replies -= 1

    @asynccontextmanager
    async def open_request(
        self, loaded: LoadedModel, request: Request, audience: str | None, *, exclusive: bool
    ) -> AsyncIterator[Request]:
        """
        Hold a slot for a request, or let it share the generation of an identical one.

        Yields the request, whose seed is then that of the generation. A request without an
        `audience` shares nothing. See `hold_slot`.
        """
        if audience is None:
            async with self.hold_slot(loaded, exclusive=exclusive):
                yield request
            return
        hold_slot = partial(self.hold_slot, loaded, exclusive=exclusive)
        async with self.shared.join_generation(request, audience, hold_slot) as joined:
            yield joined

    def is_shared(self, request: Request, audience: str | None) -> bool:
        """Return whether an identical request runs whose generation this one may share."""
        return audience is not None and self.shared.is_running(request, audience)

    def describe_wait(self) -> Translatable:
        """Return the status of a job that starts to wait now."""
        loaded = self._loader.model
        if loaded is None or self.is_loading():
            return MODEL_LOADING
        if not loaded.is_full:
            return WRITING
        mean = self.reply_seconds.mean_seconds
        wait_seconds = None if mean is None else (self.waiting_jobs + 1) * mean / loaded.info.slots
        return describe_position(self.waiting_jobs, wait_seconds)

    async def take_spare_slot(self, loaded: LoadedModel, request_id: str) -> bool:
        """Hold a slot for a candidate. False if none is free, or any question waits."""
        return not self.waiting_jobs and await loaded.spare_slots.take_slot(request_id)

    def limit_candidates(self, rules: ReplyRules) -> int:
        """Return the maximum number of candidates of a reply; sampling without chance has one."""
        settings = self._settings.apply_rules(rules)
        return settings.candidates if settings.temperature > 0 else 1

    def limit_reply(self, rules: ReplyRules) -> int:
        """Return the maximum number of tokens of a reply, by the rules of the channel."""
        return self._settings.apply_rules(rules).max_new_tokens

    def build_sampling(
        self, prompt: Prompt, seed: int, rules: ReplyRules = NO_RULES
    ) -> SamplingParams:
        """Return the sampling parameters of a reply to a prompt, by the rules of the channel."""
        settings = self._settings.apply_rules(rules)
        return SamplingParams(
            max_new_tokens=prompt.max_new_tokens,
            temperature=settings.temperature,
            top_k=settings.top_k,
            top_p=settings.top_p,
            seed=seed,
        )

    async def stream_text(
        self,
        loaded: LoadedModel,
        request: Request,
        generated: GeneratedText,
        prefix_ids: Sequence[int] = (),
    ) -> AsyncGenerator[str]:
        """
        Generate; yield the whole text each time it grows, and fill in `generated`.

        `prefix_ids` are the reply so far, with which the prompt ends. The request is aborted where
        the text continues as a person, or repeats endlessly.
        """
        text = TextBuilder(loaded.chat_encoder, generated)
        text.add_ids(prefix_ids)
        started = time.monotonic()
        async with aclosing(self._read_events(loaded, request)) as events:
            async for event in events:
                generated.gpu_seconds = event.gpu_seconds
                if isinstance(event, Finished):
                    generated.finish_reason = event.reason
                    generated.new_tokens = len(prefix_ids) + event.new_tokens
                    break
                if text.add_ids(event.ids):
                    elapsed_seconds = time.monotonic() - started
                    generated.first_text_seconds = generated.first_text_seconds or elapsed_seconds
                    yield text.visible_text
                if text.has_ended:
                    break
        text.finish_text()

    async def _read_events(
        self, loaded: LoadedModel, request: Request
    ) -> AsyncGenerator[EngineEvent]:
        try:
            async with aclosing(self.shared.read_events(request)) as events:
                async for event in events:
                    yield event
        except RequestRefusedError as error:
            if await self._loader.is_current(loaded):
                raise
            raise EngineLostError(MODEL_CHANGED) from error

    def stop_request(self, request_id: str) -> None:
        """Stop a request; its stream ends with the text so far."""
        self.shared.end_request(request_id)

    def count_shared_tokens(self, request_id: str) -> int:
        """Return how many tokens a request has from a generation that another one pays for."""
        return self.shared.count_shared_tokens(request_id)
