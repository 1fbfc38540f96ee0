"""In-process engine, and reference replies by transformers' `generate`."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx
from transformers import (
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from testing.reference_varlen import reference_varlen_attn
from worker.engine import FinishReason, Request, SamplingParams
from worker.engine.attention.kv_cache import KVCache
from worker.engine.core.engine_core import EngineCore, StepOutput
from worker.engine.core.row_params import draw_uniform
from worker.engine.cuda_graphs.runner import CudaGraphRunner
from worker.engine.cuda_graphs.shapes import GraphShapes
from worker.engine.loading.loader import LoadedModel

GREEDY_SAMPLING = SamplingParams(max_new_tokens=24, temperature=0)

EngineFactory = Callable[..., EngineCore]
"""Builds an engine with an empty KV cache; see `tests.worker.engine.loaded_models.make_engine`."""

MAX_STEPS = 5000
"""Maximum number of steps of a test: a stuck engine is an error, not a hang."""


@dataclass(slots=True)
class EngineReply:
    """Tokens, finish reason or error code of one request."""

    ids: list[int] = field(default_factory=list)
    reason: FinishReason | None = None
    failure: str | None = None


def run_requests(
    engine: EngineCore, requests: Iterable[Request], *, allow_errors: bool = False
) -> dict[str, EngineReply]:
    """
    Add all requests, run steps until none is unfinished, and return the replies by request id.

    Raises `AssertionError` if a step fails, unless `allow_errors`: recovery would hide the error.
    """
    replies = {}
    for request in requests:
        replies[request.id] = EngineReply(failure=engine.add_request(request))
    for _ in range(MAX_STEPS):
        if not engine.has_unfinished_requests:
            return replies
        outcome = engine.run_step()
        assert allow_errors or outcome.error is None
        record_step(replies, outcome)
    raise AssertionError(f"unfinished requests after {MAX_STEPS} steps")


def run_counting_prefill(engine: EngineCore, request: Request) -> tuple[int, EngineReply]:
    """Run a request; return its number of prefilled tokens and its reply."""
    replies = {request.id: EngineReply()}
    assert engine.add_request(request) is None
    engine.admit_waiting()
    [work] = engine.scheduler.schedule_step()
    while engine.has_unfinished_requests:
        record_step(replies, engine.run_step())
    return len(request.prompt) - work.start, replies[request.id]


def record_step(replies: dict[str, EngineReply], outcome: StepOutput) -> None:
    """Add a step's output to the replies."""
    for name, ids in outcome.tokens.items():
        replies[name].ids += ids
    for name, ended in outcome.finished.items():
        replies[name].reason = ended.reason
        assert ended.new_tokens == len(replies[name].ids)
    for name, code in outcome.failed.items():
        replies[name].failure = code


def reference_greedy(network: Any, request: Request) -> list[int]:
    """Return the greedy continuation of a prompt by `generate`, without batching."""
    prompt = torch.tensor([request.prompt])
    network.set_attn_implementation("sdpa")
    try:
        found: list[int] = network.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=request.sampling.max_new_tokens,
            do_sample=False,
            eos_token_id=list(request.stop_ids) or None,
            pad_token_id=0,
        )[0, len(request.prompt) :].tolist()
    finally:
        network.set_attn_implementation("starchat_slots")
    return found[:-1] if found[-1] in request.stop_ids else found


def reference_sample(network: Any, request: Request) -> list[int]:
    """Return the continuation by transformers' processors and the engine's random numbers."""
    ids = list(request.prompt)
    network.set_attn_implementation("sdpa")
    try:
        for place in range(request.sampling.max_new_tokens):
            with torch.inference_mode():
                logits = network(torch.tensor([ids])).logits[0, -1].double()
            chances = reference_probabilities(logits, request.sampling)
            order = np.lexsort((np.arange(chances.size), -logits.numpy()))
            reached = np.cumsum(chances[order])
            [at] = reached[-1] * draw_uniform(
                np.array([request.sampling.seed], np.uint64), np.array([place], np.uint64)
            )
            ids.append(int(order[np.searchsorted(reached, at, side="right")]))
    finally:
        network.set_attn_implementation("starchat_slots")
    return ids[len(request.prompt) :]


def reference_probabilities(logits: torch.Tensor, sampling: SamplingParams) -> NDArray[np.float64]:
    """Return the probabilities [V] of all ids after transformers' processors; `logits` is [V]."""
    processors = LogitsProcessorList([TemperatureLogitsWarper(float(sampling.temperature))])
    if sampling.top_k:
        processors.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        processors.append(TopPLogitsWarper(sampling.top_p))
    none: Any = torch.zeros(1, 1, dtype=torch.long)
    scores: Any = logits[None]
    found: NDArray[np.float64] = processors(none, scores)[0].softmax(-1).numpy()
    return found


def make_mixed_requests(
    vocabulary: int, positions: int, count: int, stop: Sequence[int] = (), seed: int = 0
) -> list[Request]:
    """Return greedy requests with prompts of one token up to the context window."""
    rng = random.Random(seed)  # noqa: S311 - a test's dice
    requests = []
    for number in range(count):
        new = rng.randint(1, 40)
        longest = positions - new
        length = longest if number == 0 else rng.choice([1, 2, rng.randint(3, longest)])
        prompt = tuple(rng.randrange(vocabulary) for _ in range(length))
        sampling = SamplingParams(max_new_tokens=new, temperature=0)
        requests.append(Request(str(number), prompt, sampling, tuple(stop)))
    return requests


Replay = Callable[[], None]


@dataclass
class FakeGraphCapture:
    """Fake CUDA graph capture, whose replay runs the step again; counts captures and replays."""

    graph_sets: int = 0
    captured: int = 0
    replayed: int = 0

    def start_set(self) -> Callable[[Replay], Replay]:
        """Start a new set of graphs."""
        self.graph_sets += 1
        return self.capture_step

    def capture_step(self, step: Replay) -> Replay:
        """Run a step once, as a capture does, and return its replay."""
        self.captured += 1
        step()

        def replay_step() -> None:
            self.replayed += 1
            step()

        return replay_step


class TracedGraphCapture(FakeGraphCapture):
    """Capture that traces a step's tensor operations by `make_fx`; a replay runs only those."""

    def capture_step(self, step: Replay) -> Replay:
        """Trace a step: its Python code runs once, as in a CUDA graph."""
        self.captured += 1
        traced = make_fx(step)()

        def replay_step() -> None:
            self.replayed += 1
            traced()

        return replay_step


@dataclass
class CapturedEngine:
    """An engine with captured steps, and its parts."""

    engine_core: EngineCore
    graphs: CudaGraphRunner
    kv_cache: KVCache
    capture: FakeGraphCapture
    log_lines: list[str] = field(default_factory=list)


def build_captured_engine(
    model: LoadedModel,
    *,
    slots: int = 4,
    max_step_tokens: int = 64,
    num_speculative_tokens: int = 0,
    host_cache_bytes: int = 0,
    network: nn.Module | None = None,
    capture: FakeGraphCapture | None = None,
    is_packed: bool = True,
) -> CapturedEngine:
    """
    Return an engine that replays a captured graph for every step that has one.

    With `is_packed` its captured steps call the reference of `varlen_attn`, else they gather keys.
    """
    kv_cache = KVCache(model.kv_cache.layers, slots, model.info.max_positions)
    network = network or model.network
    engine_core = EngineCore(
        network,
        kv_cache,
        vocab_size=model.info.vocab_size,
        max_step_tokens=max_step_tokens,
        num_speculative_tokens=num_speculative_tokens,
        host_cache_bytes=host_cache_bytes,
    )
    engine_core.model_runner.cpu_kernel = None  # The CPU plays a GPU.
    shapes = GraphShapes(
        slots,
        kv_cache.max_positions,
        max_step_tokens,
        num_speculative_tokens,
        is_packed=is_packed,
    )
    log_lines: list[str] = []
    capture = capture or FakeGraphCapture()
    graphs = CudaGraphRunner(
        network,
        kv_cache,
        shapes,
        capture.start_set,
        log_lines.append,
        varlen_attn=reference_varlen_attn if is_packed else None,
    )
    engine_core.use_cuda_graphs(graphs)
    return CapturedEngine(engine_core, graphs, kv_cache, capture, log_lines)
