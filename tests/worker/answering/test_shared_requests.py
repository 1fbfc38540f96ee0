"""Identical requests before a real engine."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from contract.conversation import Speaker, Turn
from testing.checkpoints import memorizing_checkpoint
from testing.memorizing_model import ENDLESS, ENDLESS_CHUNK
from worker.answering.generated_text import GeneratedText
from worker.answering.generator import GenerationSettings, Generator
from worker.engine import EngineEvent, EngineLostError, FinishReason, Request
from worker.engine.client import EngineClient
from worker.engine.protocol import EngineConfig

CONVERSATION = (Turn(speaker=Speaker.USER, text=ENDLESS, ts="1.0"),)
MAX_NEW_TOKENS = 100


class CountingEngine(EngineClient):
    """An engine that keeps the seeds of its requests."""

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        self.seeds: list[int] = []

    def generate(self, request: Request) -> AsyncGenerator[EngineEvent]:
        """Continue a prompt."""
        self.seeds.append(request.sampling.seed)
        return super().generate(request)


class TwoRequests:
    """Two identical requests. Both wait at their first text until the test lets them read on."""

    def __init__(self, engine: CountingEngine) -> None:
        settings = GenerationSettings(
            MAX_NEW_TOKENS, temperature=0.2, top_k=0, top_p=1, system_prompt=""
        )
        self.generator = Generator(engine, settings)
        self.may_read_on = asyncio.Event()
        self._have_joined, self._have_text = asyncio.Barrier(3), asyncio.Barrier(3)

    async def start(self) -> "list[asyncio.Task[GeneratedText]]":
        """Start both, and wait until they have their slot."""
        replies = [asyncio.create_task(self._reply(name, seed)) for seed, name in enumerate("ab")]
        await self._have_joined.wait()
        return replies

    async def wait_for_texts(self) -> None:
        """Wait until both have text."""
        await self._have_text.wait()

    async def _reply(self, name: str, seed: int) -> GeneratedText:
        generator, text, has_read = self.generator, GeneratedText(), False
        loaded = await generator.wait_for_model()
        prompt = await generator.build_prompt(loaded, CONVERSATION)
        sampling = generator.build_sampling(prompt, seed)
        request = Request(name, prompt.token_ids, sampling, scope="T1")
        async with generator.open_request(loaded, request, "T1", exclusive=False) as opened:
            await self._have_joined.wait()
            async for _ in generator.stream_text(loaded, opened, text):
                if not has_read:
                    has_read = True
                    await self._have_text.wait()
                    # The engine may have ended by now, but neither reply has read on.
                    await self.may_read_on.wait()
        return text


@pytest.fixture
async def engine(forked_engines: None) -> AsyncIterator[CountingEngine]:
    """A loaded engine."""
    config = EngineConfig(model=str(memorizing_checkpoint()), slots=2, threads=1)
    engine = CountingEngine(config)
    await engine.wait_ready()
    yield engine
    await engine.shut_down()


async def test_prompt_runs_once_and_a_stop_ends_one_reply(engine: CountingEngine) -> None:
    """The one that began the generation is stopped, and the other one has the whole text."""
    requests = TwoRequests(engine)
    replies = await requests.start()
    await requests.wait_for_texts()
    requests.generator.stop_request("a")
    requests.may_read_on.set()
    stopped, whole = await asyncio.gather(*replies)

    assert engine.seeds == [0]
    reasons = (stopped.finish_reason, whole.finish_reason)
    assert reasons == (FinishReason.STOPPED, FinishReason.LENGTH)
    assert whole.text.strip().startswith(ENDLESS_CHUNK * 3)
    assert whole.text.startswith(stopped.text)
    assert stopped.new_tokens < whole.new_tokens == MAX_NEW_TOKENS


async def test_killed_engine_fails_both_and_its_successor_serves_both(
    engine: CountingEngine,
) -> None:
    """Each reply may try again, and they share again."""
    requests = TwoRequests(engine)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGSTOP)
    lost = await requests.start()
    os.kill(engine.pid, signal.SIGKILL)
    errors = await asyncio.gather(*lost, return_exceptions=True)
    assert [type(error) for error in errors] == [EngineLostError] * 2
    requests.may_read_on.set()
    replies = await requests.start()
    await requests.wait_for_texts()

    one, other = await asyncio.gather(*replies)
    assert one.text == other.text
    assert engine.seeds == [0, 0]
