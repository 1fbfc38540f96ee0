"""Candidate race: when the other candidates start."""

from pathlib import Path

from testing.checkpoints import tiny_bigcode
from testing.scripted_engine import ScriptedEngine
from worker.answering.candidates.choice import Score
from worker.answering.candidates.race import CandidateRace
from worker.answering.generated_text import GeneratedText
from worker.answering.generator import GenerationSettings, Generator
from worker.engine import Request, SamplingParams


async def give_no_score(_: GeneratedText) -> Score:
    """Find no code."""
    return Score.NO_CODE


async def test_no_candidate_starts_after_a_stop() -> None:
    """The last tokens before the engine's stop may open a fence."""
    engine = ScriptedEngine(Path(tiny_bigcode()), "x = 1", slots=8)
    generator = Generator(engine, GenerationSettings(8, 1.0, 0, 1.0, ""))
    loaded = await generator.wait_for_model()
    request = Request("a", (1,), SamplingParams(8, 1.0, 0, 1.0, 1))
    stopped, running = (
        CandidateRace(generator, loaded, request, GeneratedText(), give_no_score, limit=4)
        for _ in range(2)
    )
    stopped.stop()
    async with stopped, running:
        await stopped.watch_text("```python\n")
        assert len(loaded.spare_slots) == 0
        await running.watch_text("```python\n")
        assert len(loaded.spare_slots) == 3
    assert len(loaded.spare_slots) == 0
