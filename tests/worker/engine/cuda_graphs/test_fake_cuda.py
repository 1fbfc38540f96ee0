"""Steps on a fake GPU: one device, and nothing that a CUDA graph can't hold."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from testing.fake_cuda import FakeCuda
from testing.fake_starchat import load_fake_starchat, make_chunk, make_decode
from worker.engine import Request, SamplingParams
from worker.engine.attention.varlen_batch import load_varlen_attn
from worker.engine.core.model_runner import ModelRunner
from worker.engine.loading.warmup import build_cuda_graphs, warm_up
from worker.engine.protocol import EngineConfig

CONFIG = EngineConfig(num_speculative_tokens=8)


@pytest.mark.parametrize(("attention", "num_shapes"), [("varlen_attn", 29), ("gather", 35)])
def test_captured_steps_neither_wait_nor_copy(attention: str, num_shapes: int) -> None:
    """Each shape of the default settings, with both attentions."""
    log_lines: list[str] = []
    accesses = {}
    with FakeCuda() as fake_cuda, torch.no_grad():
        varlen_attn = load_varlen_attn() if attention == "varlen_attn" else None
        graphs = build_cuda_graphs(
            load_fake_starchat(), CONFIG, fake_cuda.begin_capture, log_lines.append, varlen_attn
        )
        plans = list(zip(graphs.shapes.list_shapes(), graphs.plan_captures(), strict=True))
        for shape, capture in plans:
            fake_cuda.captures.clear()
            capture()
            [log] = fake_cuda.captures
            accesses[shape] = log.host_accesses

    assert log_lines == []
    assert {shape: found for shape, found in accesses.items() if any(found)} == {}
    assert len(plans) == num_shapes


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


@pytest.mark.parametrize("attention", ["varlen_attn", "SDPA"])
def test_eager_steps_copy_their_inputs_once(attention: str) -> None:
    """
    From pinned memory, so that the host need not wait. Nothing comes back before the logits.

    The kernel is called once for decodes, drafts and chunks of any slots, and no other one attends.
    """
    accesses = {}
    calls = {}
    with FakeCuda() as fake_cuda, torch.no_grad():
        model = load_fake_starchat()
        runner = ModelRunner(model.network, model.kv_cache)
        runner.varlen_attn = load_varlen_attn() if attention == "varlen_attn" else None
        for name, step in EAGER_STEPS.items():
            log = fake_cuda.record_run(lambda step=step: runner.run_eager(step))  # type: ignore[misc]
            accesses[name] = log.host_accesses
            calls[name] = (log.kernels.count("_varlen_attn"), len(log.attention_calls))

    if attention == "varlen_attn":
        assert calls == dict.fromkeys(EAGER_STEPS, (1, 0))
    once = ["tensor", "pin_memory", "_to_copy"]
    assert {name: found for name, found in accesses.items() if found != once} == {}


@pytest.mark.parametrize("has_graphs", [True, False])
def test_engine_runs_on_a_fake_gpu(*, has_graphs: bool) -> None:
    """
    Prompts of one and of several chunks, sampled and greedy, with drafts, in a shared batch.

    No step meets a shape that the warm-up has not captured. The last request continues a prefix
    that left its slot for host memory.
    """
    log_lines: list[str] = []
    with FakeCuda() as fake_cuda:
        model = replace(
            load_fake_starchat(num_slots=2), max_step_tokens=128, host_cache_bytes=1 << 30
        )
        engine = warm_up(
            model,
            replace(CONFIG, cuda_graphs=has_graphs),
            lambda _stage, _done: None,
            log_lines.append,
            fake_cuda.begin_capture,
        )
        num_captures = len(fake_cuda.captures)
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
    assert log_lines == ["attention uses varlen_attn"]
    assert len(fake_cuda.captures) == num_captures == (10 if has_graphs else 0)


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
        log = fake_cuda.record_run(lambda: step(tensor))

    assert access in log.host_accesses


def test_second_device_is_refused() -> None:
    """As on a GPU."""
    with FakeCuda(), pytest.raises(RuntimeError, match="same device"):
        torch.zeros(4, device="cuda") + torch.zeros(4)
