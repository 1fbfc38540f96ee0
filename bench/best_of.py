"""
Best of n benchmark: what candidates bring and cost with the demo's model, on this machine's CPU.

One run of four candidates for each prompt also tells about one and two: they are its first ones.
"""

import asyncio
import statistics
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.code_prompts import CODE_PROMPTS
from contract.conversation import Speaker, Turn
from contract.reply_rules import MAX_CANDIDATES
from demo.services import find_model
from worker.aio import cancel_and_wait
from worker.answering.candidates.choice import Score, choose_candidate, score_code
from worker.answering.candidates.race import Candidate, CandidateRace
from worker.answering.generated_text import GeneratedText
from worker.answering.generator import GenerationSettings, Generator
from worker.answering.loaded_model import LoadedModel
from worker.answering.publishing.reply_layout import ReplyLayout
from worker.checks.pool import CheckPool
from worker.engine import Request
from worker.engine.client import EngineClient
from worker.engine.protocol import EngineConfig
from worker.render import ReplyFacts

COUNTS: Final = (1, 2, MAX_CANDIDATES)
MAX_NEW_TOKENS: Final = 192
PARALLEL_PROMPTS: Final = 4
TOKENS_BEFORE_QUESTION: Final = 48
"""Tokens of a reply, or a fence, before another question comes."""
FACTS: Final = ReplyFacts(model="", finish_reason="stop", max_new_tokens=0)


@dataclass
class BestOfFigures:
    """
    The candidates of each prompt, and another question's waits for its first text by `limit`.

    A wait has seconds by the clock, and of the engine's CPU time.
    """

    races: list[list[Candidate]] = field(default_factory=list)
    waits: dict[int, list[tuple[float, float]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bench:
    """The demo's model behind a worker's own generator and checks."""

    engine: EngineClient
    generator: Generator
    loaded: LoadedModel
    layout: ReplyLayout

    async def open_race(self, prompt: str, seed: int, limit: int) -> CandidateRace:
        """Return the race of one reply; nothing has started."""
        turns = (Turn(speaker=Speaker.USER, text=prompt, ts="1.0"),)
        built = await self.generator.build_prompt(self.loaded, turns)
        # Another team each time, so that no prompt is cached.
        name = f"T{time.monotonic_ns()}"
        request = Request(
            name,
            built.token_ids,
            self.generator.build_sampling(built, seed),
            self.loaded.chat_encoder.stop_token_ids,
            scope=name,
        )
        return CandidateRace(
            self.generator, self.loaded, request, GeneratedText(), self._score_text, limit
        )

    async def run_race(
        self, race: CandidateRace, under_way: asyncio.Event | None = None
    ) -> list[Candidate]:
        """Generate a reply with its candidates, as an attempt does; return them with scores."""
        under_way = under_way or asyncio.Event()
        async with self.generator.hold_slot(self.loaded, exclusive=False), race:
            async for text in self.generator.stream_text(self.loaded, race.request, race.first):
                await race.watch_text(text)
                if len(race.candidates) > 1 or race.first.new_tokens > TOKENS_BEFORE_QUESTION:
                    under_way.set()
            await race.wait_for_end()
        under_way.set()
        if race.candidates[0].score is None:
            race.candidates[0].score = await self._score_text(race.first)
        return race.candidates

    async def _score_text(self, generated: GeneratedText) -> Score:
        reply, findings = await self.layout.check_reply(generated.text, FACTS)
        return score_code(reply.pieces, findings)


def main(prompts: int, pairs: int, temperature: float) -> str:
    """Measure, and return the tables."""
    return format_best_of(asyncio.run(measure_best_of(prompts, pairs, temperature)))


async def measure_best_of(prompts: int, pairs: int, temperature: float) -> BestOfFigures:
    """Answer the first `prompts` prompts, then measure `pairs` of waits beside a reply."""
    figures = BestOfFigures()
    for slots, threads, measure, amount in (
        (PARALLEL_PROMPTS * MAX_CANDIDATES, None, _measure_races, prompts),
        # One thread: its CPU time is the engine's work, whatever else the machine does.
        (MAX_CANDIDATES, 1, _measure_waits, pairs),
    ):
        config = EngineConfig(str(find_model()), device="cpu", slots=slots, threads=threads)
        engine = EngineClient(config)
        settings = GenerationSettings(MAX_NEW_TOKENS, temperature, 50, 0.95, "")
        generator, layout = Generator(engine, settings), ReplyLayout()
        try:
            async with CheckPool() as pool:
                layout.check_blocks = pool.check_blocks
                bench = Bench(engine, generator, await generator.wait_for_model(), layout)
                await measure(bench, amount, figures)
        finally:
            await engine.shut_down()
    return figures


async def _measure_races(bench: Bench, count: int, figures: BestOfFigures) -> None:
    at_once = asyncio.Semaphore(PARALLEL_PROMPTS)

    async def answer(number: int, prompt: str) -> None:
        async with at_once:
            race = await bench.open_race(prompt, number, MAX_CANDIDATES)
            figures.races.append(await bench.run_race(race))
            print(f"{len(figures.races)}: {[one.score for one in race.candidates]}", flush=True)

    await asyncio.gather(*(answer(n, prompt) for n, prompt in enumerate(CODE_PROMPTS[:count])))


async def _measure_waits(bench: Bench, pairs: int, figures: BestOfFigures) -> None:
    """Ask another question beside a reply with one candidate, and beside one with four, in turn."""
    await _measure_wait(bench, len(CODE_PROMPTS) - 1, MAX_CANDIDATES)
    for number in range(pairs):
        # The order alternates, so that other load on the machine hits both sides.
        limits = (1, MAX_CANDIDATES) if number % 2 else (MAX_CANDIDATES, 1)
        for limit in limits:
            wait = await _measure_wait(bench, number, limit)
            figures.waits.setdefault(limit, []).append(wait)
            print(f"pair {number + 1}, n = {limit}: {wait[0]:.3f} s, {wait[1]:.3f} s", flush=True)


async def _measure_wait(bench: Bench, number: int, limit: int) -> tuple[float, float]:
    race = await bench.open_race(CODE_PROMPTS[number], number, limit)
    other = await bench.open_race("Explain what a mutex is. " * 12, 10_000 + number, 1)
    under_way = asyncio.Event()
    running = asyncio.create_task(bench.run_race(race, under_way))
    await under_way.wait()
    started, used = time.perf_counter(), _read_cpu_seconds(bench.engine.pid)
    async with bench.generator.hold_slot(bench.loaded, exclusive=False):
        stream = bench.generator.stream_text(bench.loaded, other.request, other.first)
        async with aclosing(stream) as texts:
            await anext(texts)
            seconds = time.perf_counter() - started
            used = _read_cpu_seconds(bench.engine.pid) - used
    await cancel_and_wait({running})
    return seconds, used


def _read_cpu_seconds(pid: int | None) -> float:
    """Return the CPU time of a process' main thread (proc(5), `schedstat`)."""
    nanoseconds = Path(f"/proc/{pid}/schedstat").read_text("utf-8").split()[0]
    return int(nanoseconds) / 1e9


def format_best_of(figures: BestOfFigures) -> str:
    """Return Markdown tables: the shares and the cost for each n, and the ratio of the waits."""
    races = figures.races
    with_code = [race for race in races if len(race) > 1]
    lines = [
        "| n | every block parses | of those with code | no hint either | replaced | tokens |",
        "|---|---|---|---|---|---|",
    ]
    base = max(1, sum(_count_tokens(race, 1) for race in races))
    for count in COUNTS:
        scores = [_best_score(race, count) for race in races]
        in_code = [_best_score(race, count) for race in with_code]
        replaced = sum(_choose(race, count) > 0 for race in races)
        tokens = sum(_count_tokens(race, count) for race in races)
        lines.append(
            f"| {count} | {_share(scores, Score.PARSES)} | {_share(in_code, Score.PARSES)}"
            f" | {_share(scores, Score.NO_HINT)} | {replaced} | {tokens:,} ({tokens / base:.2f}×) |"
        )
    lines += [_format_wait(figures.waits, 0, "clock"), _format_wait(figures.waits, 1, "CPU time")]
    return "\n".join(lines)


def _format_wait(waits: dict[int, list[tuple[float, float]]], column: int, kind: str) -> str:
    if not waits:
        return ""
    alone, beside = ([wait[column] for wait in waits[limit]] for limit in (1, MAX_CANDIDATES))
    ratios = [other / one for one, other in zip(alone, beside, strict=True)]
    medians = [statistics.median(values) for values in (alone, beside)]
    return (
        f"\nFirst text of another question, {kind}, {len(ratios)} interleaved pairs: "
        f"{medians[0] * 1000:.0f} ms beside one candidate, {medians[1] * 1000:.0f} ms beside four, "
        f"ratio {medians[1] / medians[0]:.3f}, median of the pairs' ratios "
        f"{statistics.median(ratios):.3f}."
    )


def _choose(race: list[Candidate], count: int) -> int:
    return choose_candidate([candidate.score for candidate in race[:count]])


def _best_score(race: list[Candidate], count: int) -> Score:
    return race[_choose(race, count)].score or Score.NO_CODE


def _count_tokens(race: list[Candidate], count: int) -> int:
    return sum(candidate.generated.new_tokens for candidate in race[:count])


def _share(scores: list[Score], least: Score) -> str:
    number = sum(score >= least for score in scores)
    return f"{number} of {len(scores)} ({number / max(1, len(scores)):.1%})"
