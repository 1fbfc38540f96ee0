"""StarChat-β's true geometry with random weights on a GPU: tokens a second beside the limit."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from transformers import GPTBigCodeConfig
from transformers import GPTBigCodeForCausalLM as BigCode

from bench.engine import roofline
from worker.engine import Request, Sampling
from worker.engine.batching import Batching
from worker.engine.prepack import prepack
from worker.engine.probe import probe
from worker.engine.slots import Slots

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
LOADS: Final = ((1, 128), (1, 1024), (8, 1024), (32, 1024), (64, 1024))
"""Requests and the tokens of each one's prompt."""
STEPS: Final = 64
"""Tokens of each request that are timed."""
WARMING: Final = 8
"""Tokens of each request before them."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A model's geometry and what it is to do, where, and at how many bytes a second."""

    geometry: dict[str, Any]
    device: torch.device
    dtype: torch.dtype
    loads: Sequence[tuple[int, int]]
    steps: int
    bandwidth: float


def main() -> str:
    """Measure on this machine's GPU. Ends with one line where there is none that is known."""
    if not torch.cuda.is_available():
        raise SystemExit("bench engine: --starchat needs a CUDA device, and there is none")
    card = torch.cuda.get_device_name()
    speed = roofline.bandwidth(card)
    if speed is None:
        raise SystemExit(f"bench engine: the memory bandwidth of {card} is not in roofline.py")
    device = torch.device("cuda")
    setting = Setting(GEOMETRY, device, torch.bfloat16, LOADS, STEPS, speed)
    return f"{card}, {speed / 1e12:.2f} TB/s, bfloat16\n\n{table(setting)}"


def table(setting: Setting) -> str:
    """Build the model and return its figures as a Markdown table."""
    network = _network(setting)
    layers = probe(network)
    lines = [
        "| requests | prompt, tokens | tokens/s | limit, tokens/s | share | prompts, tokens/s |",
        "|---|---|---|---|---|---|",
    ]
    for count, length in setting.loads:
        slots = Slots(layers, count, length + WARMING + setting.steps + 1)
        read, grown = _timed(network, slots, setting, length)
        # A request holds its prompt, what warmed up and, on average, half of what is timed.
        held = length + WARMING + setting.steps // 2
        most = roofline.limit(
            network.config, setting.dtype.itemsize, (count, held), setting.bandwidth
        )
        lines.append(
            f"| {count} | {length} | {grown:.1f} | {most:.1f} | {grown / most:.0%} | {read:.0f} |"
        )
    return "\n".join(lines)


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


def _timed(network: Any, slots: Slots, setting: Setting, length: int) -> tuple[float, float]:
    """Return tokens a second, by the wall's clock: of reading all prompts, and of all replies."""
    vocabulary = setting.geometry["vocab_size"] - 4
    engine = Batching(network, slots, vocabulary=vocabulary, budget=512)
    sampling = Sampling(max_new_tokens=WARMING + setting.steps + 1, temperature=0)
    began = time.perf_counter()
    for number in range(slots.count):
        prompt = tuple((7919 * (number + at) + 1) % vocabulary for at in range(length))
        engine.add(Request(str(number), prompt, sampling))
    # A step ends with the chosen ids on this side, so nothing runs on when the clock is read.
    while any(live.new == 0 for live in _lives(engine)):
        engine.step()
    read = slots.count * length / (time.perf_counter() - began)
    for _ in range(WARMING):
        engine.step()
    began = time.perf_counter()
    grown = sum(len(ids) for _ in range(setting.steps) for ids in engine.step().tokens.values())
    return read, grown / (time.perf_counter() - began)


def _lives(engine: Batching) -> list[Any]:
    schedule = engine.schedule
    return [*schedule.running.values(), *(live for _, _, live in schedule.waiting)]
