"""Two-turn conversations: fifty greedy replies equal `generate`, with and without drafts."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from testing.in_process_engine import EngineFactory, EngineReply, reference_greedy, run_requests
from worker.engine import FinishReason, Request, SamplingParams
from worker.engine.loading.loader import LoadedModel

Models = Callable[[str], LoadedModel]

NUM_THREADS = 25
"""Threads of two turns each."""
STOP_IDS = tuple(range(0, 448, 60))


def make_first_turns(vocabulary: int) -> list[Request]:
    """Return questions of 1 to 120 tokens; every third is repetitive, as most replies are."""
    dice = random.Random(1)  # noqa: S311 - a test's dice
    asked = []
    for number in range(NUM_THREADS):
        length = 1 if number == 0 else dice.randint(2, 120)
        around = length if number % 3 else min(length, 7)
        prompt = tuple(dice.choices(range(vocabulary), k=around)) * (length // around)
        sampling = SamplingParams(dice.randint(6, 20), temperature=0)
        asked.append(Request(f"{number}", prompt, sampling, STOP_IDS, scope="T1"))
    return asked


def make_next_turn(turn: Request, said: list[int], positions: int) -> Request:
    """Return the next turn of a thread; the first thread's one fills the model's positions."""
    prompt = (*turn.prompt, *said, 3, 4, 5)
    if turn.id == "0":
        prompt += tuple(range(10, 10 + positions - len(prompt) - turn.sampling.max_new_tokens))
    return replace(turn, id=f"{turn.id} again", prompt=prompt)


@cache
def expected_turns(
    network: Any, vocabulary: int, positions: int
) -> tuple[list[Request], dict[str, EngineReply]]:
    """Return all first turns, then all second turns, and the reply of `generate` to each."""
    asked, said = make_first_turns(vocabulary), {}
    for turn in asked:
        said[turn.id] = reference_greedy(network, turn)
    asked += [make_next_turn(turn, said[turn.id], positions) for turn in asked]
    for turn in asked[NUM_THREADS:]:
        said[turn.id] = reference_greedy(network, turn)
    limits = {turn.id: turn.sampling.max_new_tokens for turn in asked}
    return asked, {
        name: EngineReply(
            ids, FinishReason.LENGTH if len(ids) == limits[name] else FinishReason.STOP
        )
        for name, ids in said.items()
    }


@pytest.mark.parametrize("num_speculative_tokens", [0, 8], ids=["undrafted", "drafted"])
@pytest.mark.parametrize("kind", ["bigcode", "llama"])
def test_fifty_turns_without_cache_equal_generate(
    models: Models, new_engine: EngineFactory, kind: str, num_speculative_tokens: int
) -> None:
    """No scope, so no cached prefix; nine slots."""
    model = models(kind)
    asked, expected = expected_turns(model.network, model.info.vocab_size, model.info.max_positions)
    engine = new_engine(
        kind, slots=9, max_step_tokens=50, num_speculative_tokens=num_speculative_tokens
    )

    assert run_requests(engine, [replace(turn, scope="") for turn in asked]) == expected


@pytest.mark.parametrize("num_speculative_tokens", [0, 8], ids=["undrafted", "drafted"])
@pytest.mark.parametrize("kind", ["bigcode", "llama"])
def test_second_turns_with_cached_prefix_equal_generate(
    models: Models, new_engine: EngineFactory, kind: str, num_speculative_tokens: int
) -> None:
    """All second turns continue from the cached first turns."""
    model = models(kind)
    asked, expected = expected_turns(model.network, model.info.vocab_size, model.info.max_positions)
    engine = new_engine(
        kind, slots=NUM_THREADS, max_step_tokens=50, num_speculative_tokens=num_speculative_tokens
    )

    replies = run_requests(engine, asked[:NUM_THREADS])
    before, held = (
        engine.steps,
        sum(
            map(
                len, (p.token_ids for p in engine.scheduler.slot_allocator.cached_prefixes.values())
            )
        ),
    )
    replies |= run_requests(engine, asked[NUM_THREADS:])

    assert replies == expected
    read = sum(len(turn.prompt) for turn in asked[NUM_THREADS:])
    assert held > read / 2
    assert (engine.steps - before) * 50 < read


def test_turns_cover_limits_stop_ids_and_last_position(
    models: Models, new_engine: EngineFactory
) -> None:
    """Drafts also save steps on them."""
    model = models("llama")
    asked, expected = expected_turns(model.network, model.info.vocab_size, model.info.max_positions)
    steps = []
    for num_speculative_tokens in (0, 8):
        engine = new_engine(
            "llama", slots=1, max_step_tokens=50, num_speculative_tokens=num_speculative_tokens
        )
        run_requests(engine, [turn for turn in asked if turn.id in {"0 again", "3", "6", "9"}])
        steps.append(engine.steps)

    assert {reply.reason for reply in expected.values()} == {FinishReason.STOP, FinishReason.LENGTH}
    longest = max(asked, key=lambda turn: len(turn.prompt))
    assert len(longest.prompt) + longest.sampling.max_new_tokens == model.info.max_positions
    assert steps[1] < steps[0]
