"""
What drafting from the thread's own words saves and costs, on a CPU; both sides say the same.

The model is the demo's, which copies code as any chat model does: one with random weights repeats
nothing, and stands for replies in which there is nothing to draft.
"""

import os
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from transformers import GPTBigCodeConfig, GPTBigCodeForCausalLM

from bench.code_edits import EDITS, QUESTIONS
from bench.engine.checkpoint import MODEL
from contract.conversation import Speaker
from demo.services import model
from worker.engine import Request, Sampling
from worker.engine.attention.kv_cache import Slots
from worker.engine.attention.verify import probe
from worker.engine.core.engine_core import Batching
from worker.engine.loading.cpu_linear import prepack
from worker.engine.loading.loader import load
from worker.engine.options import Options
from worker.prompt.chat_encoder import Dialogue
from worker.prompt.chat_format import Message
from worker.prompt.tokenizer import Tokenizer

DRAFTED: Final = 8
NEW: Final = 96
"""Tokens of a reply at most."""
POSITIONS: Final = 512
BUDGET: Final = 128


@dataclass(frozen=True, slots=True)
class Round:
    """What one side took for some requests: CPU seconds, steps and new tokens."""

    seconds: float
    steps: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Case:
    """Requests for a model, so many at once."""

    model: Any
    slots: Slots
    vocabulary: int
    requests: tuple[Request, ...]
    together: int


def run(rounds: int) -> dict[str, list[tuple[Round, Round]]]:
    """Play each case without and with drafts `rounds` times in turns, on one thread of one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    torch.manual_seed(0)
    found: dict[str, list[tuple[Round, Round]]] = {}
    for name, case in _cases().items():
        found[name] = []
        _play(replace(case, requests=case.requests[:1]), 0)
        for number in range(rounds):
            # Who comes first changes from round to round: the machine may be at its own work.
            order = (0, DRAFTED) if number % 2 else (DRAFTED, 0)
            sides = {drafted: _play(case, drafted) for drafted in order}
            (without, said), (drafting, drafted_said) = sides[0], sides[DRAFTED]
            if said != drafted_said:
                raise RuntimeError(f"{name}: drafts have changed a reply")
            found[name].append((without, drafting))
            print(f"{name}, round {number + 1}: {without.seconds:.1f} s, {drafting.seconds:.1f} s")
    return found


def table(found: dict[str, list[tuple[Round, Round]]]) -> str:
    """Return medians per case, and the median, lowest and highest of the ratios in each round."""
    lines = [
        "| replies | tokens | steps without, with | CPU s without, with | as fast |",
        "|---|---|---|---|---|",
    ]
    for name, played in found.items():
        without, drafting = (
            statistics.median(sides[side].seconds for sides in played) for side in (0, 1)
        )
        first = played[0]
        ratios = sorted(a.seconds / b.seconds for a, b in played)
        lines.append(
            f"| {name} | {first[0].tokens} | {first[0].steps}, {first[1].steps}"
            f" | {without:.1f}, {drafting:.1f} | {statistics.median(ratios):.2f}×"
            f" ({ratios[0]:.2f} to {ratios[-1]:.2f}) |"
        )
    return "\n".join(lines)


def _cases() -> dict[str, Case]:
    file = model()
    loaded = load(file, Options(model=str(file), slots=1), lambda _stage, _done: None)
    tokenizer = Tokenizer.load(loaded.about.directory)
    dialogue = Dialogue.load(loaded.about.directory, tokenizer, loaded.about.eos)
    chat = (
        loaded.network,
        Slots(loaded.slots.layers, 8, POSITIONS),
        loaded.about.vocabulary,
    )

    def asked(questions: Sequence[str], temperature: float) -> tuple[Request, ...]:
        prompts = (dialogue.ids([Message(Speaker.USER, text)]) for text in questions)
        return tuple(
            Request(str(n), prompt, Sampling(NEW, temperature, seed=n), dialogue.stop)
            for n, prompt in enumerate(prompts)
        )

    return {
        "edits of code, one at a time": Case(*chat, asked(EDITS, 0), 1),
        "the same at temperature 0.2": Case(*chat, asked(EDITS, 0.2), 1),
        "edits of code, 4 at once": Case(*chat, asked(EDITS, 0), 4),
        "open questions, one at a time": Case(*chat, asked(QUESTIONS, 0), 1),
        "open questions, 4 at once": Case(*chat, asked(QUESTIONS, 0), 4),
        "both, 8 at once": Case(*chat, asked(EDITS + QUESTIONS, 0), 8),
        "nothing repeats, one at a time": _random(2, 1),
        "nothing repeats, 8 at once": _random(8, 8),
    }


def _random(count: int, together: int) -> Case:
    """Return sampled replies of random weights to random ids: there is nothing to draft."""
    network: Any = GPTBigCodeForCausalLM(GPTBigCodeConfig(**MODEL))
    network.train(mode=False)
    network.requires_grad_(requires_grad=False)
    prepack(network, 2**31)
    dice = random.Random(count)  # noqa: S311 - repeatable, nothing secret
    requests = tuple(
        Request(
            str(n),
            tuple(dice.randrange(1, 49152) for _ in range(200)),
            Sampling(NEW, temperature=1.5, top_p=1.0, seed=n),
        )
        for n in range(count)
    )
    return Case(network, Slots(probe(network), together, POSITIONS), 49156, requests, together)


def _play(case: Case, drafted: int) -> tuple[Round, dict[str, list[int]]]:
    """Answer all requests, `together` at once; return what it took, and the replies."""
    engine = Batching(
        case.model, case.slots, vocabulary=case.vocabulary, budget=BUDGET, drafted=drafted
    )
    said: dict[str, list[int]] = {request.id: [] for request in case.requests}
    began = time.process_time()
    for first in range(0, len(case.requests), case.together):
        for request in case.requests[first : first + case.together]:
            engine.add(request)
        while engine.busy:
            for name, ids in engine.step().tokens.items():
                said[name] += ids
    took = time.process_time() - began
    return Round(took, engine.steps, sum(map(len, said.values()))), said
