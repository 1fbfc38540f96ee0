"""Steps on a fake GPU: one device, and nothing that a CUDA graph can't hold."""

from collections import Counter
from collections.abc import Callable

import pytest
import torch

from tests.worker.engine.fake_cuda import FakeCuda
from tests.worker.engine.fake_starchat import load_fake_starchat, make_chunk, make_decode
from worker.engine import Request, SamplingParams
from worker.engine.attention.flash_varlen import load_flash_varlen
from worker.engine.core.engine_core import EngineCore
from worker.engine.core.model_runner import ModelRunner
from worker.engine.cuda_graphs.runner import MIN_UNFUSED_LENGTH
from worker.engine.loading.warmup import build_cuda_graphs
from worker.engine.protocol import EngineConfig

CONFIG = EngineConfig(num_speculative_tokens=8)


@pytest.mark.parametrize("stride", [6, pytest.param(1, marks=pytest.mark.slow)])
def test_captured_steps_neither_wait_nor_copy(stride: int) -> None:
    """Each shape of the default settings, or each sixth, with fused and unfused attention."""
    log_lines: list[str] = []
    with FakeCuda() as fake_cuda, torch.no_grad():
        graphs = build_cuda_graphs(
            load_fake_starchat(), CONFIG, fake_cuda.begin_capture, log_lines.append
        )
        accesses = {}
        plans = list(zip(graphs.shapes.list_shapes(), graphs.plan_captures(), strict=True))
        for shape, capture in plans[::stride]:
            fake_cuda.captures.clear()
            capture()
            num_variants = 2 if shape.kv_length >= MIN_UNFUSED_LENGTH else 1
            assert len(fake_cuda.captures) == num_variants, shape
            accesses[shape] = [log.host_accesses for log in fake_cuda.captures]

    assert log_lines == []
    assert {shape: found for shape, found in accesses.items() if any(found)} == {}
    assert len(accesses) * stride == 66


EAGER_STEPS = {
    "one decode": [make_decode(3, 700)],
    "64 decodes": [make_decode(slot, 100 + slot) for slot in range(64)],
    "decodes of some slots": [make_decode(slot, 900) for slot in (9, 2, 30)],
    "first chunk": [make_chunk(0, 0, 512)],
    "later chunk": [make_chunk(0, 512, 512)],
    "chunk of one token": [make_chunk(0, 512, 1)],
    "mixed": [make_decode(1, 40), make_decode(5, 8191), make_chunk(0, 0, 60), make_chunk(2, 9, 30)],
    "drafts": [make_decode(1, 40), make_decode(5, 77, num_drafts=8)],
}


@pytest.mark.parametrize("prefill", ["varlen_attn", "SDPA"])
def test_eager_steps_wait_for_no_result(prefill: str) -> None:
    """Inputs are copied to the device. Nothing comes back before the logits are read."""
    log_lines: list[str] = []
    accesses = {}
    with FakeCuda() as fake_cuda, torch.no_grad():
        model = load_fake_starchat()
        runner = ModelRunner(model.network, model.kv_cache)
        if prefill == "varlen_attn":
            runner.flash_varlen = load_flash_varlen(log_lines.append)
            runner.run_eager([make_chunk(0, 20, 20)])  # compares the kernel with SDPA once
        for name, step in EAGER_STEPS.items():
            log = fake_cuda.run_logged(lambda step=step: runner.run_eager(step))  # type: ignore[misc]
            accesses[name] = Counter(log.host_accesses)

    # torch.tensor makes a tensor of the host's memory, and copies it.
    assert not [name for name, found in accesses.items() if found.keys() - {"tensor", "_to_copy"}]
    assert all(found["_to_copy"] == found["tensor"] for found in accesses.values())
    assert log_lines == (["prefill uses varlen_attn"] if prefill == "varlen_attn" else [])


@pytest.mark.parametrize("has_graphs", [True, False])
def test_engine_runs_on_a_fake_gpu(*, has_graphs: bool) -> None:
    """
    Prompts of one and of several chunks, sampled and greedy, with drafts, in a shared batch.

    The last request continues a prefix that left its slot for host memory.
    """
    log_lines: list[str] = []
    with FakeCuda() as fake_cuda:
        model = load_fake_starchat(num_slots=2)
        engine = EngineCore(
            model.network,
            model.kv_cache,
            vocab_size=model.info.vocab_size,
            max_step_tokens=model.max_step_tokens,
            num_speculative_tokens=8,
            host_cache_bytes=1 << 30,
        )
        engine.model_runner.flash_varlen = load_flash_varlen(log_lines.append)
        if has_graphs:
            engine.use_cuda_graphs(
                build_cuda_graphs(model, CONFIG, fake_cuda.begin_capture, log_lines.append)
            )
        for number, length in enumerate((1, 700, 60, 300, 70, 720)):
            sampling = SamplingParams(4, temperature=number % 2 * 0.5, top_k=50, top_p=0.9)
            prompt = (number % 4 + 7,) * length
            engine.add_request(Request(str(number), prompt, sampling, scope="T/C/1"))
        finished = 0
        while engine.has_unfinished_requests:
            output = engine.run_step()
            assert (output.error, output.failed) == (None, {})
            finished += len(output.finished)

    assert finished == 6
    assert len(engine.host_cache) > 0
    assert log_lines == ["prefill uses varlen_attn"]
    assert bool(fake_cuda.captures) == has_graphs


def _copy_from_host(tensor: torch.Tensor) -> None:
    tensor.copy_(torch.zeros(4, pin_memory=True), non_blocking=True)


@pytest.mark.parametrize(
    ("step", "access"),
    [
        (lambda tensor: tensor.sum().item(), "item"),
        (lambda tensor: tensor[0] and None, "__bool__"),
        (lambda tensor: float(tensor[0]), "__float__"),
        (lambda tensor: tensor.cpu(), "_to_copy"),
        (lambda tensor: tensor[tensor > 0], "boolean index"),
        (lambda tensor: torch.tensor([1], device=tensor.device), "tensor"),
        (lambda tensor: tensor[torch.arange(2)], "index"),
        (lambda tensor: tensor + torch.tensor(1.0), "add"),
        (_copy_from_host, "copy_"),
    ],
)
def test_host_access_is_seen(step: Callable[[torch.Tensor], object], access: str) -> None:
    """A wait, a copy, the host's numbers, and a value that a graph would take for constant."""
    with FakeCuda() as fake_cuda:
        tensor = torch.zeros(4, device="cuda")
        log = fake_cuda.run_logged(lambda: step(tensor))

    assert access in log.host_accesses


def test_second_device_is_refused() -> None:
    """As on a GPU."""
    with FakeCuda(), pytest.raises(RuntimeError, match="same device"):
        torch.zeros(4, device="cuda") + torch.zeros(4)
