"""Loaded model: it follows an engine that comes back with another context window."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from contract.conversation import Speaker, Turn
from testing.scripted_engine import ScriptedEngine
from testing.tokenizers import write_starchat_tokenizer
from worker.answering.generated_text import GeneratedText
from worker.answering.generator import GenerationSettings, Generator
from worker.answering.loaded_model import LoadedModel
from worker.engine import (
    EngineEvent,
    EngineHealth,
    EngineLostError,
    EngineState,
    LoadError,
    Request,
    RequestRefusedError,
)

SETTINGS = GenerationSettings(32, temperature=0, top_k=0, top_p=1, system_prompt="Be brief.")
TURNS = tuple(
    Turn(speaker=speaker, text=f"{'word ' * 40}{number}", ts=f"{number}.0")
    for number in range(1, 8)
    for speaker in ([Speaker.USER] if number % 2 else [Speaker.ASSISTANT])
)


class StrictEngine(ScriptedEngine):
    """An engine that refuses what its window does not hold."""

    async def generate(self, request: Request) -> AsyncGenerator[EngineEvent]:
        """Continue a prompt."""
        if len(request.prompt) + request.sampling.max_new_tokens > self.positions:
            raise RequestRefusedError("too long")
        async for event in super().generate(request):
            yield event


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with StarChat's tokenizer."""
    return write_starchat_tokenizer(tmp_path_factory.mktemp("starchat"))


@pytest.fixture
def engine(directory: Path) -> StrictEngine:
    """An engine with a large window and two slots."""
    return StrictEngine(directory, "hi", slots=2)


@pytest.fixture
def generator(engine: StrictEngine) -> Generator:
    """A generator on it."""
    return Generator(engine, SETTINGS)


async def build_request(generator: Generator, loaded: LoadedModel) -> Request:
    """Return a request for a reply to the whole thread."""
    prompt = await generator.build_prompt(loaded, TURNS)
    return Request("r", prompt.token_ids, generator.build_sampling(prompt, seed=1))


async def generate_text(generator: Generator, loaded: LoadedModel, request: Request) -> str:
    """Return the text of a reply in a slot."""
    text = GeneratedText()
    async with generator.hold_slot(loaded, exclusive=False):
        async for _ in generator.stream_text(loaded, request, text):
            pass
    return text.text


async def test_a_smaller_window_shortens_the_history(
    generator: Generator, engine: StrictEngine
) -> None:
    """The prompt is built for the window of now; a larger one takes the whole thread again."""
    lengths = []
    for engine.positions in (1000, 200, 1000):
        loaded = await generator.wait_for_model()
        request = await build_request(generator, loaded)
        lengths.append(len(request.prompt))
        assert await generate_text(generator, loaded, request) == "hi"

    whole, short, again = lengths
    assert short < 200 < whole == again


async def test_slots_outlast_another_window(generator: Generator, engine: StrictEngine) -> None:
    """Replies of before still hold some. Another number of slots has another semaphore."""
    loaded = await generator.wait_for_model()
    async with generator.hold_slot(loaded, exclusive=False):
        engine.positions = 200
        smaller = await generator.wait_for_model()
        assert smaller is not loaded
        async with generator.hold_slot(smaller, exclusive=False):
            assert smaller.is_full
    engine.slots = 3
    larger = await generator.wait_for_model()

    assert smaller.slots is loaded.slots
    assert larger.slots is not loaded.slots
    assert await generator.wait_for_model() is larger


async def test_a_window_that_changes_before_the_slot_loses_the_attempt(
    generator: Generator, engine: StrictEngine
) -> None:
    """The prompt may not fit it. The slot is free again."""
    loaded = await generator.wait_for_model()
    engine.positions = 200

    for _ in range(2 * engine.slots):
        with pytest.raises(EngineLostError):
            async with generator.hold_slot(loaded, exclusive=False):
                pass
    assert generator.running_replies == generator.waiting_jobs == 0


async def test_a_window_that_changes_in_the_slot_loses_the_attempt(
    generator: Generator, engine: StrictEngine
) -> None:
    """The engine refuses the prompt, which the next attempt builds again."""
    loaded = await generator.wait_for_model()
    request = await build_request(generator, loaded)

    async with generator.hold_slot(loaded, exclusive=False):
        engine.positions = 200
        with pytest.raises(EngineLostError):
            await anext(generator.stream_text(loaded, request, GeneratedText()))


@pytest.mark.parametrize(
    ("state", "error"),
    [(EngineState.READY, RequestRefusedError), (EngineState.LOADING, EngineLostError)],
)
async def test_a_prompt_that_never_fits_is_refused(
    generator: Generator, engine: StrictEngine, state: EngineState, error: type[Exception]
) -> None:
    """Another attempt would build the same, unless the engine is about to come back."""
    loaded = await generator.wait_for_model()
    fitting = await build_request(generator, loaded)
    request = replace(fitting, prompt=(1,) * engine.positions)
    engine.health = EngineHealth(state)

    with pytest.raises(error):
        await anext(generator.stream_text(loaded, request, GeneratedText()))


async def test_waiting_jobs_share_one_load(generator: Generator, engine: StrictEngine) -> None:
    """Many jobs wait for the same model, also after a change."""
    for engine.positions in (1000, 200):
        loaded = await asyncio.gather(*(generator.wait_for_model() for _ in range(4)))
        assert len(set(map(id, loaded))) == 1
        assert not generator.is_loading()


async def test_a_window_without_room_is_an_error(
    generator: Generator, engine: StrictEngine
) -> None:
    """The operator hears of it as at the start."""
    await generator.wait_for_model()
    engine.positions = 8

    with pytest.raises(LoadError, match="the system prompt takes"):
        await generator.wait_for_model()
    assert generator.loaded_info is None
    assert generator.is_loading()
