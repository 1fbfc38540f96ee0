"""
Speculative decoding benchmark: gain and cost of n-gram drafts (prompt lookup decoding) on a CPU.

Both sides must generate equal replies. The demo's model copies code, as any chat model does. A
model with random weights repeats nothing and represents replies without drafts.
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
from worker.engine.loading.cpu_linear import pack_layers
from worker.engine.loading.loader import load_model
from worker.engine.protocol import EngineConfig
from worker.prompt.chat_encoder import ChatEncoder
from worker.prompt.chat_format import Message
from worker.prompt.tokenizer import Tokenizer

NUM_SPECULATIVE_TOKENS: Final = 8
"""Maximum tokens of a draft."""
MAX_NEW_TOKENS: Final = 96
"""Maximum tokens of a reply."""
MAX_POSITIONS: Final = 512
"""KV cache tokens of a slot."""
MAX_BATCHED_TOKENS: Final = 128
"""Maximum tokens of a step."""


@dataclass(frozen=True, slots=True)
class RoundResult:
    """Cost of one run of a case: CPU seconds, steps and new tokens."""

    cpu_seconds: float
    steps: int
    tokens: int


@dataclass(frozen=True, slots=True)
class BenchmarkCase:
    """Requests for a model, and how many of them run at once."""

    model: Any
    kv_cache: KVCache
    vocab_size: int
    requests: tuple[Request, ...]
    concurrency: int


def main(rounds: int) -> str:
    """Measure, and return the table."""
    return format_speedups(measure_speculation(rounds))


def measure_speculation(rounds: int) -> dict[str, list[tuple[RoundResult, RoundResult]]]:
    """Run each case without and with drafts, `rounds` times, on one thread of one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    torch.manual_seed(0)
    results: dict[str, list[tuple[RoundResult, RoundResult]]] = {}
    for name, case in _build_cases().items():
        results[name] = []
        _run_case(replace(case, requests=case.requests[:1]), 0)
        for number in range(rounds):
            # The order alternates, so that other load on the machine hits both sides.
            order = (0, NUM_SPECULATIVE_TOKENS) if number % 2 else (NUM_SPECULATIVE_TOKENS, 0)
            sides = {num_tokens: _run_case(case, num_tokens) for num_tokens in order}
            plain, plain_replies = sides[0]
            drafted, drafted_replies = sides[NUM_SPECULATIVE_TOKENS]
            if plain_replies != drafted_replies:
                raise RuntimeError(f"{name}: drafts have changed a reply")
            results[name].append((plain, drafted))
            seconds = f"{plain.cpu_seconds:.1f} s, {drafted.cpu_seconds:.1f} s"
            print(f"{name}, round {number + 1}: {seconds}")
    return results


def format_speedups(results: dict[str, list[tuple[RoundResult, RoundResult]]]) -> str:
    """Return a Markdown table: medians per case, and median and range of the speedup."""
    lines = [
        "| replies | tokens | steps without, with | CPU s without, with | speedup |",
        "|---|---|---|---|---|",
    ]
    for name, rounds in results.items():
        plain, drafted = (
            statistics.median(sides[side].cpu_seconds for sides in rounds) for side in (0, 1)
        )
        first = rounds[0]
        ratios = sorted(a.cpu_seconds / b.cpu_seconds for a, b in rounds)
        lines.append(
            f"| {name} | {first[0].tokens} | {first[0].steps}, {first[1].steps}"
            f" | {plain:.1f}, {drafted:.1f} | {statistics.median(ratios):.2f}×"
            f" ({ratios[0]:.2f} to {ratios[-1]:.2f}) |"
        )
    return "\n".join(lines)


def _build_cases() -> dict[str, BenchmarkCase]:
    file = find_model()
    loaded = load_model(file, EngineConfig(model=str(file), slots=1), lambda _stage, _done: None)
    tokenizer = Tokenizer.from_checkpoint(loaded.info.directory)
    encoder = ChatEncoder.from_checkpoint(loaded.info.directory, tokenizer, loaded.info.eos_ids)
    chat = (
        loaded.network,
        KVCache(loaded.kv_cache.layers, 8, MAX_POSITIONS),
        loaded.info.vocab_size,
    )

    def build_requests(questions: Sequence[str], temperature: float) -> tuple[Request, ...]:
        prompts = (encoder.encode_messages([Message(Speaker.USER, text)]) for text in questions)
        return tuple(
            Request(
                str(n),
                prompt,
                SamplingParams(MAX_NEW_TOKENS, temperature, seed=n),
                encoder.stop_token_ids,
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
    """Return a case with random weights and random prompts, in which no draft can be found."""
    network: Any = GPTBigCodeForCausalLM(GPTBigCodeConfig(**MODEL_CONFIG))
    network.train(mode=False)
    network.requires_grad_(requires_grad=False)
    pack_layers(network)
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
    """Answer all requests, `concurrency` at once; return the cost and the replies."""
    engine = EngineCore(
        case.model,
        case.kv_cache,
        vocab_size=case.vocab_size,
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
