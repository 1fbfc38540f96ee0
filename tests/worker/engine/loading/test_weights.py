"""Weights: their number format is what is reported, and they fit before they are loaded."""

import json
import re
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, GPT2Config

from testing.checkpoints import tiny_bigcode
from testing.tokenizers import write_small_tokenizer
from worker.engine import LoadError
from worker.engine.loading import cpu_linear, memory
from worker.engine.loading.cpu_linear import count_widened_bytes, has_fbgemm
from worker.engine.loading.device import find_stored_dtype
from worker.engine.loading.loader import LoadedModel, load_model
from worker.engine.loading.memory import check_size
from worker.engine.loading.weights import WeightsSource, load_weights
from worker.engine.protocol import EngineConfig

requires_fbgemm = pytest.mark.skipif(not has_fbgemm(), reason="needs FBGEMM")


def load_directory(directory: Path, **options: Any) -> LoadedModel:
    """Load a checkpoint on the CPU with few slots."""
    config = EngineConfig(model=str(directory), slots=2, device="cpu", **options)
    return load_model(directory, config, lambda _stage, _done: None)


def multiply_wrongly(layer: nn.Linear) -> Callable[[Tensor], Tensor]:
    """Return a product that a sample shows to be wrong."""
    return lambda rows: 2 * rows @ layer.weight.float().t()


@pytest.mark.parametrize(
    ("name", "value"),
    [("FBGEMM", "none"), ("_pack_half", multiply_wrongly)],
    ids=["missing", "wrong"],
)
def test_float16_that_cant_be_packed_is_float32(
    monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    """What is reported is what runs: torch's own float16 is slow, and no replay is exact."""
    monkeypatch.setattr(cpu_linear, name, value)

    model = load_directory(tiny_bigcode(), dtype="float16")

    assert model.info.dtype == "float32"
    assert re.match(r"float16 can't be packed here: \d+ linear layers are pac", model.packing)
    assert {weights.dtype for weights in model.network.parameters()} == {torch.float32}


def test_stored_format_is_read_from_the_weights(tmp_path: Path) -> None:
    """Of a config.json that names none: the format of most weights is not narrowed."""
    directory = shutil.copytree(tiny_bigcode(), tmp_path / "model")
    config = json.loads((directory / "config.json").read_text("utf-8"))
    del config["dtype"]
    (directory / "config.json").unlink()
    (directory / "config.json").write_text(json.dumps(config), "utf-8")

    assert load_directory(directory).info.dtype == "float32"


def test_weights_in_two_layouts_count_once(tmp_path: Path) -> None:
    """Mistral's repositories have them in one file too, which transformers doesn't read."""
    directory = shutil.copytree(tiny_bigcode(), tmp_path / "model")
    whole = directory / "model.safetensors"
    network: Any = AutoModelForCausalLM.from_pretrained(directory)
    whole.rename(directory / "consolidated.safetensors")
    network.save_pretrained(directory, max_shard_size="200KB")
    shards = list(directory.glob("model-*.safetensors"))
    counted: list[int] = []

    def report(num_bytes: int) -> AbstractContextManager[object]:
        counted.append(num_bytes)
        return nullcontext()

    options = EngineConfig(dtype="float32")
    source = WeightsSource(directory)
    load_weights(source, network.config, options, torch.device("cpu"), report)

    assert len(shards) > 1
    assert counted == [sum(file.stat().st_size for file in shards)]


def test_stored_format_is_the_one_of_most_weights(tmp_path: Path) -> None:
    """Whole numbers and unreadable files count for nothing, and config.json comes first."""
    unnamed = SimpleNamespace()
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    assert find_stored_dtype(unnamed, tmp_path) is None
    tensors = {
        "table": torch.zeros(8, 8, dtype=torch.bfloat16),
        "norm": torch.zeros(8),
        "ids": torch.zeros(99, dtype=torch.int64),
    }
    save_file(tensors, tmp_path / "model.safetensors")

    assert find_stored_dtype(unnamed, tmp_path) is torch.bfloat16
    assert find_stored_dtype(SimpleNamespace(dtype=torch.float16), tmp_path) is torch.float16


@pytest.mark.parametrize(("device", "advised"), [("cuda", True), ("cpu", False)])
def test_quantization_is_advised_on_a_gpu_only(
    monkeypatch: pytest.MonkeyPatch, device: str, *, advised: bool
) -> None:
    """On a CPU the weights are loaded in 16 bits first."""
    monkeypatch.setattr(memory, "free_bytes", lambda _: 10 * 10**9)
    line = "the weights need 31.0 GB in float16, but only 10.0 GB are free on"
    with pytest.raises(LoadError, match=line) as caught:
        check_size(31 * 10**9, torch.device(device), "float16")

    assert ("STARCHAT_QUANTIZATION" in str(caught.value)) is advised


@pytest.fixture
def gpt2(tmp_path: Path) -> Path:
    """A checkpoint whose matrices, but for the output layer, are no linear layers."""
    config = GPT2Config(vocab_size=448, n_embd=64, n_layer=2, n_head=4, n_positions=128)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    write_small_tokenizer(tmp_path)
    return tmp_path


@requires_fbgemm
def test_int8_of_few_weights_is_refused(gpt2: Path) -> None:
    """Nearly all of them would be float32, which the operator did not ask for."""
    line = r"int8 packs only 23% of the weights of GPT2LMHeadModel on a CPU: leave it out"
    with pytest.raises(LoadError, match=line):
        load_directory(gpt2, quantization="int8")


@requires_fbgemm
def test_unpacked_matrices_count_in_float32(gpt2: Path) -> None:
    """Four matrices of each layer grow from 2 to 4 bytes a weight."""
    model = load_directory(gpt2, dtype="float16")

    assert model.packing.startswith("1 linear layer is packed in float16")
    network = AutoModelForCausalLM.from_pretrained(gpt2)
    assert count_widened_bytes(network, torch.float16) == 2 * (2 * 12 * 64 * 64)
    assert count_widened_bytes(network, torch.float32) == 0
