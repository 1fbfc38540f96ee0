"""`python -m bench engine` runs, and its peers do the same work."""

import os
import shutil
import subprocess
import sys
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
from bench.engine.checkpoint import TINY, checkpoint
from bench.engine.child import LOADERS, loader
from bench.engine.gguf_file import gguf_file
from bench.engine.gguf_file import name as renamed
from bench.engine.load_generator import play, play_thread
from bench.engine.plot import COLOURS
from bench.engine.runner import PEERS
from bench.engine.workload import burst, messages, poisson
from testing.traced_cuda_graphs import Recorder
from worker.engine.cuda_graphs.capture import recorder

REPOSITORY = Path(__file__).parents[2]
TORCH = ("ours", "pipeline", "static", "continuous")


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.slow
def test_it_writes_a_table_and_a_plot(tmp_path: Path) -> None:
    """The command itself, with its processes, on a tiny model."""
    command = [sys.executable, "-m", "bench", "engine", "--quick", "--to", str(tmp_path)]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(
        command, cwd=REPOSITORY, check=True, capture_output=True, text=True, env=plain
    )

    assert (tmp_path / "engine.md").read_text("utf-8") == done.stdout
    assert "| 2 | ours |" in done.stdout
    assert "| ours, thread read again |" in done.stdout
    assert (tmp_path / "engine.svg").read_text("utf-8").startswith("<svg")


@pytest.mark.filterwarnings("ignore")
def test_all_engines_say_the_same() -> None:
    """Same model, same requests: in float32 every reply is equal, however it is batched."""
    wishes = burst(5, 1, most=500)
    said = {}
    for name in TORCH:
        peer = loader(name)(checkpoint(TINY), len(wishes))
        played, said[name] = play(peer, wishes)
        peer.close()
        assert len(played.firsts) == len(wishes)
        assert bool(played.gaps) == peer.streams

    assert all(replies == said["ours"] for replies in said.values())
    assert [len(reply) for reply in said["ours"].values()] == [wish.new for wish in wishes]


def test_every_peer_can_be_loaded_and_drawn() -> None:
    """Whoever plays has a loader and a colour."""
    assert set(COLOURS) == set(LOADERS) == set(PEERS)


def test_requests_of_a_stream_are_asked_when_they_arrive() -> None:
    """No first token is there before its request."""
    peer = loader("ours")(checkpoint(TINY), 2)
    wishes = poisson(4, 1, most=500)
    played, _ = play(peer, wishes)

    assert wishes[0].at == 0 < wishes[1].at < wishes[2].at
    assert min(played.firsts) > 0
    assert played.seconds < wishes[-1].at, "the time without work is not counted"


def test_a_thread_goes_on_from_what_is_kept_of_it() -> None:
    """Whether its past is kept or read again, the replies are equal."""
    peer = loader("ours")(checkpoint(TINY), 2)
    said = messages(1, most=500)
    _, kept = play_thread(peer, said, 8, "a thread")
    _, again = play_thread(peer, said, 8, "")

    assert kept == again
    assert len(kept) == len(said)


def test_starchat_refuses_to_run_without_a_gpu() -> None:
    """One line instead of a model of 31 GB in memory."""
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SystemExit, match=r"^bench engine: --starchat needs a CUDA device"):
        main(["engine", "--starchat"])


@pytest.mark.filterwarnings("ignore")
def test_starchat_is_timed_beside_its_limit() -> None:
    """The same code on a small geometry."""
    small = starchat.GEOMETRY | {"n_embd": 96, "n_layer": 2, "n_head": 4, "n_positions": 1024}
    again = Recorder()
    cpu, loads = torch.device("cpu"), [(1, 20), (3, 300)]
    setting = starchat.Setting(
        small, cpu, torch.float32, loads, 4, 4, 1e9, again.begin, ("eager", "recorded")
    )
    lines = starchat.table(setting).splitlines()

    assert [line.split(" | ")[:2] for line in lines[2:]] == [["| 1", "20"], ["| 3", "300"]]
    assert all(line.count("%") == 2 for line in lines[2:])
    assert again.repeated > 2 * 12


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore")
def test_starchats_width_is_recorded_on_a_gpu() -> None:
    """Two of its forty layers, in bfloat16: nothing is gone without, and recording is faster."""
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    device = torch.device("cuda", torch.cuda.current_device())
    setting = starchat.Setting(
        starchat.GEOMETRY | {"n_layer": 2},
        device,
        torch.bfloat16,
        [(1, 1024), (8, 1024)],
        32,
        32,
        1e12,
        partial(recorder, device),
        ("eager", "recorded"),
    )
    written = starchat.table(setting)

    assert " not " not in written
    for line in written.splitlines()[2:4]:
        eager, recorded = (float(cell.split()[0]) for cell in line.split(" | ")[2].split(", "))
        assert recorded > eager


def test_the_limit_of_starchat_is_known() -> None:
    """155 tokens a second for one request on an H200: 30.93 GB a token at 4.8 TB/s."""
    config = GPTBigCodeConfig(**starchat.GEOMETRY)
    speed = roofline.bandwidth("NVIDIA H200")

    assert speed == 4.8e12
    assert roofline.weight_bytes(config, 2) == pytest.approx(30.93e9, rel=1e-3)
    assert roofline.position_bytes(config, 2) == 20480
    assert roofline.limit(config, 2, (1, 0), speed) == pytest.approx(155, abs=0.5)
    assert roofline.bandwidth("something else") is None


def test_the_checkpoint_for_llama_cpp_holds_the_same_weights(tmp_path: Path) -> None:
    """Every tensor of the model stands in the `.gguf` file, under a name of its own."""
    directory = tmp_path / "checkpoint"
    shutil.copytree(checkpoint(TINY), directory)
    written = {tensor.name: tensor.data for tensor in GGUFReader(gguf_file(directory)).tensors}
    there = load_file(directory / "model.safetensors")

    assert len(written) == len(there)
    assert all(np.array_equal(written[renamed(tensor)], data) for tensor, data in there.items())
