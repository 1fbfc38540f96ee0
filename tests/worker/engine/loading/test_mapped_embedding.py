"""Tied embedding: looked up in the checkpoint's file, with the numbers of the table in memory."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from testing.checkpoints import tiny_bigcode
from worker.engine.loading.cpu_linear import has_fbgemm
from worker.engine.loading.loader import load_model
from worker.engine.loading.mapped_embedding import map_tied_embedding
from worker.engine.protocol import EngineConfig

FORMATS = ["float32", "bfloat16", pytest.param("float16", marks=pytest.mark.skipif(
    not has_fbgemm(), reason="needs FBGEMM"))]  # fmt: skip


class TiedNetwork(nn.Module):
    """A network that only embeds."""

    def __init__(self, weights: Tensor, *, tied: bool = True) -> None:
        super().__init__()
        self.config = type("Config", (), {"tie_word_embeddings": tied})
        self.embedding: nn.Embedding = nn.Embedding(*weights.shape)
        self.embedding.weight = nn.Parameter(weights, requires_grad=False)

    def get_input_embeddings(self) -> nn.Embedding:
        """Return the embedding, as transformers' networks do."""
        return self.embedding


def write_tables(directory: Path, **tensors: Tensor) -> None:
    """Write a checkpoint's file."""
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})


def is_mapped(tensor: Tensor, file: Path) -> bool:
    """Whether a tensor lies within the memory to which this process has mapped a file."""
    address = tensor.data_ptr()
    for line in Path("/proc/self/maps").read_text("utf-8").splitlines():
        first, last = (int(number, 16) for number in line.split()[0].split("-"))
        if first <= address < last:
            return line.endswith(str(file))
    return False


@pytest.mark.parametrize("dtype", FORMATS)
def test_loaded_embedding_lies_in_the_file(dtype: str) -> None:
    """In each format the rows are those that the checkpoint gives when it is rounded."""
    directory = tiny_bigcode()
    config = EngineConfig(model=str(directory), slots=1, device="cpu", dtype=dtype)
    network: Any = load_model(directory, config, lambda _stage, _done: None).network
    embedding = network.get_input_embeddings()
    [file] = directory.glob("*.safetensors")
    stored = load_file(file)["transformer.wte.weight"]
    ids = torch.tensor([3, 0, 255])

    rows = embedding(ids)

    assert is_mapped(embedding.weight, file)
    assert rows.dtype == (torch.bfloat16 if dtype == "bfloat16" else torch.float32)
    assert torch.equal(rows, stored[ids].to(getattr(torch, dtype)).to(rows.dtype))


def test_only_equal_numbers_are_looked_up_in_the_file(tmp_path: Path) -> None:
    """Tensors of another name with the same shape may be anything."""
    weights = torch.randn(6, 4)
    write_tables(tmp_path, a=weights + 1, b=weights.t().contiguous(), c=weights.int(), d=weights)
    network = TiedNetwork(weights.clone())

    assert map_tied_embedding(network, tmp_path)

    assert torch.equal(network.embedding(torch.arange(6)), weights)
    assert is_mapped(network.embedding.weight, tmp_path / "model.safetensors")


def test_other_embeddings_stay_in_memory(tmp_path: Path) -> None:
    """An embedding of other numbers, as an adapter's, and one that is the only copy."""
    weights = torch.randn(6, 4)
    write_tables(tmp_path, table=weights)

    assert not map_tied_embedding(TiedNetwork(weights + 1), tmp_path)
    assert not map_tied_embedding(TiedNetwork(weights.clone(), tied=False), tmp_path)
