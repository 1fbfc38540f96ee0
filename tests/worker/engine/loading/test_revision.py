"""Revision of a checkpoint: equal files have the same, and a changed weight has another."""

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from testing.checkpoints import tiny_bigcode
from worker.engine.loading.revision import NUM_SAMPLES, SAMPLE_BYTES, find_revision

WEIGHTS = "model.safetensors"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A tiny checkpoint that a test may change."""
    return shutil.copytree(tiny_bigcode(), tmp_path / "best")


def test_trained_model_in_a_directory_of_the_same_name_is_another(checkpoint: Path) -> None:
    """A training changes all weights a little; the sizes stay."""
    copy = shutil.copytree(checkpoint, checkpoint.parent / "run" / "best")
    before = find_revision(None, checkpoint)
    assert find_revision(None, copy) == before

    weights = load_file(copy / WEIGHTS)
    tuned = {name: weight * 1.001 for name, weight in weights.items()}
    save_file(tuned, copy / WEIGHTS, {"format": "pt"})

    assert (copy / WEIGHTS).stat().st_size == (checkpoint / WEIGHTS).stat().st_size
    assert find_revision(None, copy) not in {before, None}


def test_adapter_and_gguf_file_have_a_revision(tmp_path: Path) -> None:
    """The last bytes of a large file count too; only a part of it is read."""
    large = tmp_path / "x.gguf"
    large.write_bytes(bytes(SAMPLE_BYTES * NUM_SAMPLES * 3))
    before = find_revision(None, large)
    with large.open("r+b") as file:
        file.seek(-SAMPLE_BYTES * 3, 2)
        file.write(b"1")
    (tmp_path / "adapter_model.safetensors").write_bytes(b"1")

    assert find_revision(None, large) != before
    assert find_revision(None, tmp_path) is not None
    assert find_revision(None, tmp_path / "missing.gguf") != before


def test_names_of_the_hub_win(tmp_path: Path) -> None:
    """A configured revision first, then the commit that the hub's cache names."""
    snapshot = tmp_path / "models--team--model" / "snapshots" / "b1bcda6"

    assert find_revision("v2", snapshot) == "v2"
    assert find_revision(None, snapshot) == "b1bcda6"
