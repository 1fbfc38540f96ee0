"""Checkpoint resolution: local paths, cached hub snapshots, and the error for anything else."""

import shutil
from pathlib import Path

import pytest

from testing.checkpoints import tiny_llama
from worker.engine import LoadError
from worker.engine.loading.checkpoint import resolve_checkpoint
from worker.engine.protocol import EngineConfig


def _ignore_progress(_stage: str, _done: float) -> None:
    pass


def test_local_path_precedes_hub_id(tmp_path: Path) -> None:
    """A directory and a file are used directly."""
    file = tmp_path / "x.gguf"
    file.touch()

    assert resolve_checkpoint(EngineConfig(model=str(tmp_path)), _ignore_progress) == tmp_path
    assert resolve_checkpoint(EngineConfig(model=str(file)), _ignore_progress) == file


@pytest.mark.parametrize("model", ["./nowhere", "nowhere", "/a/b", "x.gguf", "a/b/c"])
def test_missing_path_raises_load_error(model: str) -> None:
    """A name that cannot be a hub id is not requested from the hub."""
    with pytest.raises(LoadError, match="there is no"):
        resolve_checkpoint(EngineConfig(model=model), _ignore_progress)


def test_cached_hub_model_is_found_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker starts from the hub's cache if the hub is unreachable."""
    hub = tmp_path / "hub"
    snapshot = hub / "models--team--model" / "snapshots" / "abc"
    shutil.copytree(tiny_llama(), snapshot)
    refs = hub / "models--team--model" / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc", "ascii")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    assert resolve_checkpoint(EngineConfig(model="team/model"), _ignore_progress) == snapshot


def test_unreachable_hub_model_raises_load_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the model and the requested revision."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    with pytest.raises(LoadError, match="team/absent at revision v2"):
        resolve_checkpoint(EngineConfig(model="team/absent", revision="v2"), _ignore_progress)
