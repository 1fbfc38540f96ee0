"""Fifty greedy replies are those of `generate`, read again or held, drafted for or not."""

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
"""Of two turns each."""
STOP_IDS = tuple(range(0, 448, 60))


def make_first_turns(vocabulary: int) -> list[Request]:
    """Make questions of 1 to 120 tokens; every third goes round, and so do most replies."""
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
    """Ask again in the same thread; the first thread's second turn fills the model's positions."""
    prompt = (*turn.prompt, *said, 3, 4, 5)
    if turn.id == "0":
        prompt += tuple(range(10, 10 + positions - len(prompt) - turn.sampling.max_new_tokens))
    return replace(turn, id=f"{turn.id} again", prompt=prompt)


@cache
def expected_turns(
    network: Any, vocabulary: int, positions: int
) -> tuple[list[Request], dict[str, EngineReply]]:
    """Return all first turns, then all second ones, and what `generate` says to each."""
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


@pytest.mark.parametrize("drafted", [0, 8], ids=["undrafted", "drafted"])
@pytest.mark.parametrize("kind", ["bigcode", "llama"])
def test_fifty_turns_in_one_batch_are_those_of_generate(
    models: Models, fresh: EngineFactory, kind: str, drafted: int
) -> None:
    """No slot has a cached prefix of them, and the next nine requests take nine slots."""
    model = models(kind)
    asked, expected = expected_turns(model.network, model.info.vocab_size, model.info.max_positions)
    engine = fresh(kind, slots=9, budget=50, drafted=drafted)

    assert run_requests(engine, [replace(turn, scope="") for turn in asked]) == expected


@pytest.mark.parametrize("drafted", [0, 8], ids=["undrafted", "drafted"])
@pytest.mark.parametrize("kind", ["bigcode", "llama"])
def test_fifty_turns_of_which_half_is_held_are_those_of_generate(
    models: Models, fresh: EngineFactory, kind: str, drafted: int
) -> None:
    """All second turns go on from what the slots hold of the first ones."""
    model = models(kind)
    asked, expected = expected_turns(model.network, model.info.vocab_size, model.info.max_positions)
    engine = fresh(kind, slots=NUM_THREADS, budget=50, drafted=drafted)

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


def test_the_turns_are_worth_comparing(models: Models, fresh: EngineFactory) -> None:
    """They end by limit and by stop id, reach the last position, and drafts save steps."""
    model = models("llama")
    asked, expected = expected_turns(model.network, model.info.vocab_size, model.info.max_positions)
    steps = []
    for drafted in (0, 8):
        engine = fresh("llama", slots=1, budget=50, drafted=drafted)
        run_requests(engine, [turn for turn in asked if turn.id in {"0 again", "3", "6", "9"}])
        steps.append(engine.steps)

    assert {reply.reason for reply in expected.values()} == {FinishReason.STOP, FinishReason.LENGTH}
    longest = max(asked, key=lambda turn: len(turn.prompt))
    assert len(longest.prompt) + longest.sampling.max_new_tokens == model.info.max_positions
    assert steps[1] < steps[0]
