"""Our batching against what else torch and transformers offer, on the same model and requests."""

import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig, GPTBigCodeConfig
from transformers import GPTBigCodeForCausalLM as BigCode

from worker.engine import Request, Sampling
from worker.engine.batching import Batching
from worker.engine.prepack import prepack
from worker.engine.probe import probe
from worker.engine.slots import Slots

CONFIG: Final[dict[str, Any]] = {
    "vocab_size": 49156,
    "n_positions": 1024,
    "n_embd": 768,
    "n_layer": 12,
    "n_head": 12,
    "multi_query": True,
    "initializer_range": 0.05,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
"""A GPTBigCode of 110 million random weights: StarChat's form, small enough for one core."""
BUDGET: Final = 128
PAGE: Final = 32
"""Positions of a page of transformers' cache; its default of 256 is slower here."""
SIDES: Final = ("pipeline", "static", "continuous", "ours")
"""One request at a time, as the seed did; padded batches; transformers' continuous; ours."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One request: a prompt of token ids, and how many tokens follow. All ends are by length."""

    prompt: tuple[int, ...]
    new: int


@dataclass(frozen=True, slots=True)
class Round:
    """What one side took for all requests: CPU seconds, and CPU seconds to each first token."""

    seconds: float
    firsts: tuple[float, ...]


Side = Callable[[Sequence[Wish]], Round]


def wishes(count: int, seed: int) -> list[Wish]:
    """Draw requests of 30 to 400 tokens (median 120) with replies of 16 to 96 tokens."""
    dice = random.Random(seed)  # noqa: S311 - repeatable, nothing secret
    found = []
    for _ in range(count):
        length = min(400, max(30, round(dice.lognormvariate(4.8, 0.7))))
        prompt = tuple(dice.randrange(1, 49152) for _ in range(length))
        found.append(Wish(prompt, dice.randint(16, 96)))
    return found


def run(counts: Sequence[int], rounds: int) -> dict[int, dict[str, list[Round]]]:
    """Play every side `rounds` times in turns, on one thread of one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    torch.manual_seed(0)
    theirs, mine = _model(), _model()
    mine.load_state_dict(theirs.state_dict())
    sides = _sides(theirs, mine, max(counts))
    found: dict[int, dict[str, list[Round]]] = {}
    for count in counts:
        found[count] = {name: [] for name in sides}
        for number in range(rounds):
            asked = wishes(count, 1000 * count + number)
            for name, side in sides.items():
                played = side(asked)
                found[count][name].append(played)
                print(f"{count} requests, round {number + 1}, {name}: {played.seconds:.1f} s")
    return found


def table(found: dict[int, dict[str, list[Round]]]) -> str:
    """Return medians per side, and the medians of the ratios to ours within each round."""
    heads = ["requests", *(f"{name}, CPU s" for name in SIDES)]
    heads += [f"as fast as {name}" for name in SIDES[:-1]]
    heads += [f"first token, mean CPU s: {' / '.join(SIDES)}"]
    lines = [_row(heads), "|---" * len(heads) + "|"]
    for count, sides in found.items():
        cells = [str(count)]
        cells += [f"{statistics.median(r.seconds for r in sides[name]):.1f}" for name in SIDES]
        cells += [f"{_ratio(sides[name], sides['ours']):.2f}×" for name in SIDES[:-1]]
        firsts = (statistics.median(statistics.mean(r.firsts) for r in sides[n]) for n in SIDES)
        cells += [" / ".join(f"{first:.2f}" for first in firsts)]
        lines.append(_row(cells))
    return "\n".join(lines)


def _ratio(theirs: Sequence[Round], ours: Sequence[Round]) -> float:
    return statistics.median(t.seconds / o.seconds for t, o in zip(theirs, ours, strict=True))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _model() -> Any:
    model: Any = BigCode(GPTBigCodeConfig(**CONFIG))
    model.train(mode=False)
    model.requires_grad_(requires_grad=False)
    return model


def _sides(theirs: Any, mine: Any, most: int) -> dict[str, Side]:
    prepack(mine)
    slots = Slots(probe(mine), min(most, 32), CONFIG["n_positions"])
    return {
        "pipeline": lambda asked: _pipeline(theirs, asked),
        "static": lambda asked: _static(theirs, asked),
        "continuous": lambda asked: _continuous(theirs, asked),
        "ours": lambda asked: _ours(mine, slots, asked),
    }


def _pipeline(model: Any, asked: Sequence[Wish]) -> Round:
    """Generate one reply after the other; nothing of one is seen before its end."""
    began = time.process_time()
    firsts = []
    for wish in asked:
        ids = torch.tensor([wish.prompt])
        model.generate(ids, **_greedy(wish.new, torch.ones_like(ids)))
        firsts.append(time.process_time() - began)
    return Round(time.process_time() - began, tuple(firsts))


def _static(model: Any, asked: Sequence[Wish]) -> Round:
    """Generate all in one batch, padded on the left, until the longest reply has its length."""
    began = time.process_time()
    width = max(len(wish.prompt) for wish in asked)
    ids = torch.tensor([[0] * (width - len(wish.prompt)) + list(wish.prompt) for wish in asked])
    seen = torch.tensor(
        [[0] * (width - len(wish.prompt)) + [1] * len(wish.prompt) for wish in asked]
    )
    model.generate(ids, **_greedy(max(wish.new for wish in asked), seen))
    took = time.process_time() - began
    return Round(took, (took,) * len(asked))


def _greedy(new: int, seen: torch.Tensor) -> dict[str, Any]:
    return {
        "attention_mask": seen,
        "max_new_tokens": new,
        "min_new_tokens": new,
        "do_sample": False,
        "pad_token_id": 0,
    }


def _continuous(model: Any, asked: Sequence[Wish]) -> Round:
    """Generate by transformers' continuous batching, whose thread shares this process' clock."""
    config = GenerationConfig(do_sample=False, max_new_tokens=96, eos_token_id=-1, pad_token_id=0)  # type: ignore[no-untyped-call]
    room = ContinuousBatchingConfig(
        page_size=PAGE, max_batch_tokens=BUDGET, num_blocks=len(asked) * 500 // PAGE + 64
    )
    began = time.process_time()
    firsts: dict[str, float] = {}
    left = len(asked)
    with model.continuous_batching_context_manager(
        generation_config=config, continuous_batching_config=room, warmup=False
    ) as manager:
        for wish in asked:
            manager.add_request(list(wish.prompt), max_new_tokens=wish.new, streaming=True)
        while left:
            found = manager.get_result(timeout=60)
            firsts.setdefault(found.request_id, time.process_time() - began)
            left -= found.is_finished()
        took = time.process_time() - began
    return Round(took, tuple(firsts.values()))


def _ours(model: Any, slots: Slots, asked: Sequence[Wish]) -> Round:
    """Generate by the step loop of our engine, in this process."""
    engine = Batching(model, slots, vocabulary=49152, budget=BUDGET)
    began = time.process_time()
    for number, wish in enumerate(asked):
        sampling = Sampling(max_new_tokens=wish.new, temperature=0)
        engine.add(Request(str(number), wish.prompt, sampling))
    firsts: dict[str, float] = {}
    while engine.busy:
        for name in engine.step().tokens:
            firsts.setdefault(name, time.process_time() - began)
    return Round(time.process_time() - began, tuple(firsts.values()))
