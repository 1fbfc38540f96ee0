"""The engine benchmark: its command, and equal work of all engines."""

import argparse
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from safetensors.numpy import load_file
from transformers import GPTBigCodeConfig

from bench.__main__ import main
from bench.engine import roofline, starchat
from bench.engine.checkpoint import TINY_MODEL_CONFIG, ensure_checkpoint
from bench.engine.child import ENGINE_LOADERS, find_loader
from bench.engine.command import add_options, build_plan, describe_format
from bench.engine.gguf_file import ensure_gguf_file, map_tensor_name
from bench.engine.load_generator import run_requests, run_thread
from bench.engine.plot import COLOURS
from bench.engine.runner import ENGINES
from bench.engine.workload import draw_burst, draw_poisson_stream, draw_thread_messages
from testing.in_process_engine import FakeGraphCapture, Replay
from worker.engine.cuda_graphs.capture import begin_cuda_capture
from worker.engine.loading import cpu_linear

REPOSITORY = Path(__file__).parents[2]
TORCH_ENGINES = ("ours", "pipeline", "static", "continuous")


@pytest.fixture(scope="module", autouse=True)
def _use_one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.slow
def test_engine_benchmark_writes_table_and_plot(tmp_path: Path) -> None:
    """The command itself, with its processes, on a tiny model."""
    command = [sys.executable, "-m", "bench", "engine", "--quick", "--output", str(tmp_path)]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")
    }
    completed = subprocess.run(
        command, cwd=REPOSITORY, check=True, capture_output=True, text=True, env=environment
    )

    assert (tmp_path / "engine.md").read_text("utf-8") == completed.stdout
    assert "| 2 | ours |" in completed.stdout
    assert "| ours, no prefix cache |" in completed.stdout
    assert (tmp_path / "engine.svg").read_text("utf-8").startswith("<svg")


@pytest.mark.filterwarnings("ignore")
def test_all_engines_generate_equal_replies() -> None:
    """Same model, same requests: in float32 all replies are equal under every batching."""
    requests = draw_burst(5, 1, token_id_limit=500)
    replies_by_engine = {}
    for name in TORCH_ENGINES:
        engine = find_loader(name)(ensure_checkpoint(TINY_MODEL_CONFIG), len(requests), "float32")
        result, replies_by_engine[name] = run_requests(engine, requests)
        engine.close_engine()
        assert len(result.first_token_seconds) == len(requests)
        assert bool(result.token_gap_seconds) == engine.streams_tokens

    assert all(replies == replies_by_engine["ours"] for replies in replies_by_engine.values())
    assert [len(reply) for reply in replies_by_engine["ours"].values()] == [
        request.max_new_tokens for request in requests
    ]


def test_every_engine_has_loader_and_colour() -> None:
    """Each engine has a loader and a colour in the plot."""
    assert set(COLOURS) == set(ENGINE_LOADERS) == set(ENGINES)


def test_stream_requests_start_at_their_arrival() -> None:
    """No first token precedes its request."""
    engine = find_loader("ours")(ensure_checkpoint(TINY_MODEL_CONFIG), 2, "float32")
    requests = draw_poisson_stream(4, 1, token_id_limit=500)
    result, _ = run_requests(engine, requests)

    assert (
        requests[0].arrival_seconds == 0 < requests[1].arrival_seconds < requests[2].arrival_seconds
    )
    assert min(result.first_token_seconds) > 0
    assert result.cpu_seconds < requests[-1].arrival_seconds, "the time without work is not counted"


def test_prefix_cache_does_not_change_thread_replies() -> None:
    """Replies are equal with and without a cached prefix."""
    engine = find_loader("ours")(ensure_checkpoint(TINY_MODEL_CONFIG), 2, "float32")
    thread_messages = draw_thread_messages(1, token_id_limit=500)
    _, cached = run_thread(engine, thread_messages, 8, "a thread")
    _, uncached = run_thread(engine, thread_messages, 8, "")

    assert cached == uncached
    assert len(cached) == len(thread_messages)


def test_starchat_benchmark_requires_a_gpu() -> None:
    """The command exits with one line instead of allocating 31 GB."""
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SystemExit, match=r"^bench engine: --starchat needs a CUDA device"):
        main(["engine", "--starchat"])


@pytest.mark.filterwarnings("ignore")
def test_starchat_benchmark_reports_throughput_and_limit() -> None:
    """The benchmark runs on a small geometry on the CPU."""
    small = starchat.STARCHAT_CONFIG | {
        "n_embd": 96,
        "n_layer": 2,
        "n_head": 4,
        "n_positions": 1024,
    }
    fake_capture = FakeGraphCapture()
    cpu, workloads = torch.device("cpu"), [(1, 20), (3, 300)]
    config = starchat.BenchmarkConfig(
        small,
        cpu,
        torch.float32,
        workloads,
        4,
        1e9,
        fake_capture.start_set,
        ("eager", "cuda_graphs", "sampled"),
    )
    lines = starchat.format_throughput(config).splitlines()

    assert [line.split(" | ")[:2] for line in lines[2:]] == [["| 1", "20"], ["| 3", "300"]]
    assert all(line.count("%") == 3 for line in lines[2:])
    assert fake_capture.replayed > 2 * 12
    unknown = replace(config, bytes_per_second=None, workloads=workloads[:1], modes=("eager",))
    [line] = starchat.format_throughput(unknown).splitlines()[2:]
    assert "%" not in line
    assert line.split(" | ")[3] == "unknown"


def test_workload_that_does_not_fit_is_named() -> None:
    """Beside the speed and its share of the limit, where both are known."""
    assert starchat._format_speed(None, 5.0) == "does not fit"
    assert starchat._format_speed(starchat.Throughput(1, 25, 3), 50.0) == "25.0 (50%)"


class FullMemoryCapture(FakeGraphCapture):
    """A capture whose tenth replay finds no memory."""

    def capture_step(self, step: Replay) -> Replay:
        """Run a step; its replays run it again."""
        replay_step = super().capture_step(step)

        def replay_or_refuse() -> None:
            replay_step()
            if self.replayed == 10:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

        return replay_or_refuse


@pytest.mark.filterwarnings("ignore")
def test_step_without_memory_costs_one_cell() -> None:
    """The other modes of the workload are measured."""
    config = starchat.BenchmarkConfig(
        starchat.STARCHAT_CONFIG | {"n_embd": 96, "n_layer": 1, "n_head": 4, "n_positions": 256},
        torch.device("cpu"),
        torch.float32,
        [(2, 20)],
        4,
        1e9,
        FullMemoryCapture().start_set,
        ("eager", "cuda_graphs"),
    )
    [line] = starchat.format_throughput(config).splitlines()[2:]

    speeds = line.split(" | ")[2].split(", ")
    assert speeds[0].endswith("%)")
    assert speeds[1] == "does not fit"


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore")
def test_cuda_graphs_are_faster_at_starchat_width() -> None:
    """Two of the forty layers in bfloat16: no warning, and CUDA graphs beat eager steps."""
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    device = torch.device("cuda", torch.cuda.current_device())
    config = starchat.BenchmarkConfig(
        starchat.STARCHAT_CONFIG | {"n_layer": 2},
        device,
        torch.bfloat16,
        [(1, 1024), (8, 1024)],
        32,
        1e12,
        partial(begin_cuda_capture, device),
        ("eager", "cuda_graphs"),
    )
    report = starchat.format_throughput(config)

    assert " not " not in report
    for line in report.splitlines()[2:4]:
        eager, recorded = (float(cell.split()[0]) for cell in line.split(" | ")[2].split(", "))
        assert recorded > eager


def test_roofline_limit_of_starchat() -> None:
    """155 tokens a second for one request on an H200: 30.93 GB a token at 4.8 TB/s."""
    config = GPTBigCodeConfig(**starchat.STARCHAT_CONFIG)
    bytes_per_second = roofline.find_bandwidth("NVIDIA H200")

    assert bytes_per_second == 4.8e12
    assert roofline.count_weight_bytes(config, 2) == pytest.approx(30.93e9, rel=1e-3)
    assert roofline.count_kv_bytes_per_token(config, 2) == 20480
    assert roofline.compute_throughput_limit(config, 2, (1, 0), bytes_per_second) == pytest.approx(
        155, abs=0.5
    )


@pytest.mark.parametrize(
    ("gpu_name", "terabytes"),
    [
        ("NVIDIA H100 80GB HBM3", 3.35),
        ("NVIDIA H100 PCIe", 2.0),
        ("NVIDIA A100-SXM4-80GB", 2.04),
        ("NVIDIA A100-PCIE-40GB", 1.56),
        ("NVIDIA GH200 480GB", 4.0),
        ("NVIDIA H100 80GB HBM3 MIG 3g.40gb", None),
        ("something else", None),
    ],
)
def test_bandwidth_belongs_to_the_whole_name(gpu_name: str, terabytes: float | None) -> None:
    """A smaller card of the same family reads more slowly, and a slice of one has no entry."""
    bytes_per_second = roofline.find_bandwidth(gpu_name)

    assert bytes_per_second == (terabytes and terabytes * 1e12)


def test_gguf_file_holds_the_same_weights(tmp_path: Path) -> None:
    """The `.gguf` file holds every tensor of the model under a unique name."""
    directory = tmp_path / "checkpoint"
    shutil.copytree(ensure_checkpoint(TINY_MODEL_CONFIG), directory)
    file = ensure_gguf_file(directory, "float32")
    written = {tensor.name: tensor.data for tensor in GGUFReader(file).tensors}
    original = load_file(directory / "model.safetensors")

    assert len(written) == len(original)
    assert all(
        np.array_equal(written[map_tensor_name(tensor)], data) for tensor, data in original.items()
    )


def test_gguf_file_in_int8_keeps_vectors_and_positions(tmp_path: Path) -> None:
    """Matrices are Q8_0, as llama.cpp's own conversion has them."""
    directory = tmp_path / "checkpoint"
    shutil.copytree(ensure_checkpoint(TINY_MODEL_CONFIG), directory)
    tensors = GGUFReader(ensure_gguf_file(directory, "int8")).tensors
    kinds = {tensor.name: tensor.tensor_type.name for tensor in tensors}

    assert kinds["token_embd.weight"] == kinds["blk.0.ffn_up.weight"] == "Q8_0"
    assert kinds["position_embd.weight"] == kinds["blk.0.ffn_up.bias"] == "F32"


def test_format_leaves_out_engines_and_names_what_the_processor_lacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One line each; the engines that have the format are compared."""
    parser = argparse.ArgumentParser()
    add_options(parser)
    options = parser.parse_args(["--dtype", "int8", "--extra-engines", "llama.cpp", "vllm"])
    plan = build_plan(options)
    monkeypatch.setattr(cpu_linear, "has_vnni", lambda: False)

    assert (plan.dtype, plan.engines) == ("int8", ("llama.cpp", "ours"))
    assert describe_format("int8", {"vllm", "static"}) == [
        "This processor has no instructions for int8; here is what its engines do without.",
        "Left out, without int8: static, vllm.",
    ]
    assert describe_format("float32", set()) == []
