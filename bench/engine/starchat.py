"""StarChat-β's true geometry with random weights on a GPU: tokens a second beside the limit."""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import torch
from transformers import GPTBigCodeConfig
from transformers import GPTBigCodeForCausalLM as BigCode

from bench.engine import roofline
from worker.engine import Request, Sampling
from worker.engine.attention.flash_varlen import varlen
from worker.engine.attention.kv_cache import Layer, Slots
from worker.engine.attention.verify import probe
from worker.engine.core.engine_core import Batching
from worker.engine.core.request_state import Live
from worker.engine.cuda_graphs.capture import recorder
from worker.engine.cuda_graphs.compiled import Compiled
from worker.engine.cuda_graphs.runner import Graphs, Record
from worker.engine.cuda_graphs.shapes import Buckets
from worker.engine.loading.cpu_linear import prepack

GEOMETRY: Final[dict[str, Any]] = {
    "vocab_size": 49156,
    "n_positions": 8192,
    "n_embd": 6144,
    "n_layer": 40,
    "n_head": 48,
    "multi_query": True,
    "activation_function": "gelu",
    "layer_norm_epsilon": 1e-5,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
"""15.5 billion weights; 31 GB in bfloat16."""
LOADS: Final = ((1, 128), (1, 1024), (1, 8000), (8, 1024), (32, 1024), (64, 1024))
"""Requests and the tokens of each one's prompt."""
SLOTS: Final = 64
"""As many as the largest load has; a small one has idle slots beside it, as a worker has."""
BUDGET: Final = 512
"""Tokens in a step, as a worker's on a GPU."""
STEPS: Final = 64
"""Tokens of each request that are timed."""
WARMING: Final = 8
"""Steps before them, in which what is to be recorded is."""
MODES: Final = ("eager", "recorded", "compiled")


@dataclass(frozen=True, slots=True)
class Setting:
    """
    A model's geometry and what it is to do, where, and at how many bytes a second.

    `begin` begins a set of recorded steps; `told` is filled with what the engine went without.
    """

    geometry: dict[str, Any]
    device: torch.device
    dtype: torch.dtype
    loads: Sequence[tuple[int, int]]
    slots: int
    steps: int
    bandwidth: float
    begin: Callable[[], Record]
    modes: Sequence[str] = MODES
    told: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Timed:
    """Tokens a second of reading and of growing, and how many each request held meanwhile."""

    read: float
    grown: float
    held: float


def main() -> str:
    """Measure on this machine's GPU. Ends with one line where there is none that is known."""
    if not torch.cuda.is_available():
        raise SystemExit("bench engine: --starchat needs a CUDA device, and there is none")
    card = torch.cuda.get_device_name()
    speed = roofline.bandwidth(card)
    if speed is None:
        raise SystemExit(f"bench engine: the memory bandwidth of {card} is not in roofline.py")
    device = torch.device("cuda", torch.cuda.current_device())
    begin = partial(recorder, device)
    setting = Setting(GEOMETRY, device, torch.bfloat16, LOADS, SLOTS, STEPS, speed, begin)
    return f"{card}, {speed / 1e12:.2f} TB/s, bfloat16\n\n{table(setting)}"


def table(setting: Setting) -> str:
    """Build the model and return its figures as a Markdown table, with what it went without."""
    network = _network(setting)
    layers = probe(network)
    # Mode by mode, for what is compiled leaves its traces in torch.
    timed = [
        [_timed(_run(network, layers, setting, load, mode), *load) for load in setting.loads]
        for mode in setting.modes
    ]
    modes = ", ".join(setting.modes)
    lines = [
        f"| requests | prompt, tokens | tokens/s: {modes} | limit, tokens/s | prompts, tokens/s |",
        "|---|---|---|---|---|",
    ]
    for (count, length), *found in zip(setting.loads, *timed, strict=True):
        load, size = (count, round(found[0].held)), setting.dtype.itemsize
        most = roofline.limit(network.config, size, load, setting.bandwidth)
        grown = ", ".join(f"{one.grown:.1f} ({one.grown / most:.0%})" for one in found)
        read = max(one.read for one in found)
        lines.append(f"| {count} | {length} | {grown} | {most:.1f} | {read:.0f} |")
    return "\n".join([*lines, "", *dict.fromkeys(setting.told)]).rstrip()


@dataclass(frozen=True, slots=True)
class Run:
    """An engine, how many tokens each request may have, and how many are timed."""

    engine: Batching
    device: torch.device
    vocabulary: int
    new: int
    steps: int


def _run(
    network: Any, layers: tuple[Layer, ...], setting: Setting, load: tuple[int, int], mode: str
) -> Run:
    """Return an engine whose slots are as short as the load allows, but whole lengths."""
    count, length = load
    # Who is read first grows while the others are read, and must not end before all are timed.
    reading = count * length // max(1, BUDGET - count) + count + 1
    new = reading + WARMING + setting.steps + 1
    positions = 1 << (length + new - 1).bit_length()
    # What the last engine had goes first: its recordings hold memory of their own.
    gc.collect()
    if setting.device.type == "cuda":
        torch.cuda.empty_cache()
    slots = Slots(layers, setting.slots, min(positions, network.config.n_positions))
    vocabulary = network.config.vocab_size - 4
    engine = Batching(network, slots, vocabulary=vocabulary, budget=BUDGET)
    if setting.device.type == "cuda":
        engine.forward.varlen = varlen(setting.told.append)
    if mode != "eager":
        buckets = Buckets(slots.count, slots.positions)
        graphs = Graphs(network, slots, buckets, setting.begin, setting.told.append)
        graphs.faster = Compiled(network) if mode == "compiled" else None
        engine.engage(graphs)
    return Run(engine, setting.device, vocabulary, new, setting.steps)


def _timed(run: Run, count: int, length: int) -> Timed:
    """Return tokens a second, by the wall's clock: of reading all prompts, and of all replies."""
    engine = run.engine
    # A first request takes what libraries need at their first run.
    engine.add(Request("first", tuple(range(9)), Sampling(max_new_tokens=2, temperature=0)))
    while engine.busy:
        engine.step()
    sampling = Sampling(max_new_tokens=run.new, temperature=0)
    for number in range(count):
        prompt = tuple((7919 * (number + at) + 1) % run.vocabulary for at in range(length))
        why = engine.add(Request(str(number), prompt, sampling))
        if why is not None:
            raise RuntimeError(why)
    began = _now(run.device)
    while any(live.new == 0 for live in _lives(engine)):
        engine.step()
    read = count * length / (_now(run.device) - began)
    for _ in range(WARMING):
        engine.step()
    lives = _lives(engine)
    held = sum(len(live.tokens) for live in lives) / len(lives) + run.steps / 2
    began = _now(run.device)
    grown = sum(len(ids) for _ in range(run.steps) for ids in engine.step().tokens.values())
    seconds = _now(run.device) - began
    if grown != count * run.steps:
        raise RuntimeError("a request ended before all were timed")
    return Timed(read, grown / seconds, held)


def _now(device: torch.device) -> float:
    """Return the time once the device has nothing left to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _network(setting: Setting) -> Any:
    before = torch.get_default_dtype()
    torch.set_default_dtype(setting.dtype)
    try:
        with setting.device:
            network: Any = BigCode(GPTBigCodeConfig(**setting.geometry))
    finally:
        torch.set_default_dtype(before)
    network.train(mode=False)
    network.requires_grad_(requires_grad=False)
    prepack(network)
    return network


def _lives(engine: Batching) -> list[Live]:
    schedule = engine.schedule
    return [*schedule.running.values(), *(live for _, _, live in schedule.waiting)]
