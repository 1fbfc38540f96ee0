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

from bench.code_edits import EDIT_QUESTIONS, OPEN_QUESTIONS
from bench.engine.checkpoint import MODEL_CONFIG
from contract.conversation import Speaker
from demo.services import find_model
from worker.engine import Request, SamplingParams
from worker.engine.attention.kv_cache import KVCache
from worker.engine.attention.verify import verify_model
from worker.engine.core.engine_core import EngineCore
from worker.engine.loading.cpu_linear import prepack_layers
from worker.engine.loading.loader import load_model
from worker.engine.options import EngineConfig
from worker.prompt.chat_encoder import ChatEncoder
from worker.prompt.chat_format import Message
from worker.prompt.tokenizer import Tokenizer

NUM_SPECULATIVE_TOKENS: Final = 8
MAX_NEW_TOKENS: Final = 96
"""Tokens of a reply at most."""
MAX_POSITIONS: Final = 512
MAX_BATCHED_TOKENS: Final = 128


@dataclass(frozen=True, slots=True)
class RoundResult:
    """What one side took for some requests: CPU seconds, steps and new tokens."""

    cpu_seconds: float
    steps: int
    tokens: int


@dataclass(frozen=True, slots=True)
class BenchmarkCase:
    """Requests for a model, so many at once."""

    model: Any
    kv_cache: KVCache
    vocabulary: int
    requests: tuple[Request, ...]
    concurrency: int


def measure_speculation(rounds: int) -> dict[str, list[tuple[RoundResult, RoundResult]]]:
    """Play each case without and with drafts `rounds` times in turns, on one thread of one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    torch.manual_seed(0)
    results: dict[str, list[tuple[RoundResult, RoundResult]]] = {}
    for name, case in _build_cases().items():
        results[name] = []
        _run_case(replace(case, requests=case.requests[:1]), 0)
        for number in range(rounds):
            # Who comes first changes from round to round: the machine may be at its own work.
            order = (0, NUM_SPECULATIVE_TOKENS) if number % 2 else (NUM_SPECULATIVE_TOKENS, 0)
            sides = {drafted: _run_case(case, drafted) for drafted in order}
            (plain, plain_replies), (drafting, drafted_replies) = (
                sides[0],
                sides[NUM_SPECULATIVE_TOKENS],
            )
            if plain_replies != drafted_replies:
                raise RuntimeError(f"{name}: drafts have changed a reply")
            results[name].append((plain, drafting))
            print(
                f"{name}, round {number + 1}: {plain.cpu_seconds:.1f} s, {drafting.cpu_seconds:.1f} s"
            )
    return results


def format_speedups(results: dict[str, list[tuple[RoundResult, RoundResult]]]) -> str:
    """Return medians per case, and the median, lowest and highest of the ratios in each round."""
    lines = [
        "| replies | tokens | steps without, with | CPU s without, with | as fast |",
        "|---|---|---|---|---|",
    ]
    for name, rounds in results.items():
        plain, drafting = (
            statistics.median(sides[side].cpu_seconds for sides in rounds) for side in (0, 1)
        )
        first = rounds[0]
        ratios = sorted(a.cpu_seconds / b.cpu_seconds for a, b in rounds)
        lines.append(
            f"| {name} | {first[0].tokens} | {first[0].steps}, {first[1].steps}"
            f" | {plain:.1f}, {drafting:.1f} | {statistics.median(ratios):.2f}×"
            f" ({ratios[0]:.2f} to {ratios[-1]:.2f}) |"
        )
    return "\n".join(lines)


def _build_cases() -> dict[str, BenchmarkCase]:
    file = find_model()
    loaded = load_model(file, EngineConfig(model=str(file), slots=1), lambda _stage, _done: None)
    tokenizer = Tokenizer.from_checkpoint(loaded.info.directory)
    dialogue = ChatEncoder.from_checkpoint(loaded.info.directory, tokenizer, loaded.info.eos_ids)
    chat = (
        loaded.network,
        KVCache(loaded.kv_cache.layers, 8, MAX_POSITIONS),
        loaded.info.vocab_size,
    )

    def build_requests(questions: Sequence[str], temperature: float) -> tuple[Request, ...]:
        prompts = (dialogue.encode_messages([Message(Speaker.USER, text)]) for text in questions)
        return tuple(
            Request(
                str(n),
                prompt,
                SamplingParams(MAX_NEW_TOKENS, temperature, seed=n),
                dialogue.stop_token_ids,
            )
            for n, prompt in enumerate(prompts)
        )

    return {
        "edits of code, one at a time": BenchmarkCase(*chat, build_requests(EDIT_QUESTIONS, 0), 1),
        "the same at temperature 0.2": BenchmarkCase(*chat, build_requests(EDIT_QUESTIONS, 0.2), 1),
        "edits of code, 4 at once": BenchmarkCase(*chat, build_requests(EDIT_QUESTIONS, 0), 4),
        "open questions, one at a time": BenchmarkCase(*chat, build_requests(OPEN_QUESTIONS, 0), 1),
        "open questions, 4 at once": BenchmarkCase(*chat, build_requests(OPEN_QUESTIONS, 0), 4),
        "both, 8 at once": BenchmarkCase(
            *chat, build_requests(EDIT_QUESTIONS + OPEN_QUESTIONS, 0), 8
        ),
        "nothing repeats, one at a time": _build_random_case(2, 1),
        "nothing repeats, 8 at once": _build_random_case(8, 8),
    }


def _build_random_case(count: int, concurrency: int) -> BenchmarkCase:
    """Return sampled replies of random weights to random ids: there is nothing to draft."""
    network: Any = GPTBigCodeForCausalLM(GPTBigCodeConfig(**MODEL_CONFIG))
    network.train(mode=False)
    network.requires_grad_(requires_grad=False)
    prepack_layers(network, 2**31)
    rng = random.Random(count)  # noqa: S311 - repeatable, nothing secret
    requests = tuple(
        Request(
            str(n),
            tuple(rng.randrange(1, 49152) for _ in range(200)),
            SamplingParams(MAX_NEW_TOKENS, temperature=1.5, top_p=1.0, seed=n),
        )
        for n in range(count)
    )
    return BenchmarkCase(
        network,
        KVCache(verify_model(network), concurrency, MAX_POSITIONS),
        49156,
        requests,
        concurrency,
    )


def _run_case(
    case: BenchmarkCase, num_speculative_tokens: int
) -> tuple[RoundResult, dict[str, list[int]]]:
    """Answer all requests, `together` at once; return what it took, and the replies."""
    engine = EngineCore(
        case.model,
        case.kv_cache,
        vocab_size=case.vocabulary,
        max_step_tokens=MAX_BATCHED_TOKENS,
        num_speculative_tokens=num_speculative_tokens,
    )
    replies: dict[str, list[int]] = {request.id: [] for request in case.requests}
    started_at = time.process_time()
    for first in range(0, len(case.requests), case.concurrency):
        for request in case.requests[first : first + case.concurrency]:
            engine.add_request(request)
        while engine.has_unfinished_requests:
            for name, ids in engine.run_step().tokens.items():
                replies[name] += ids
    cpu_seconds = time.process_time() - started_at
    return RoundResult(cpu_seconds, engine.steps, sum(map(len, replies.values()))), replies
