"""Checkpoint resolution: local paths, cached hub snapshots, and the error for anything else."""

import shutil
from pathlib import Path

import pytest
from huggingface_hub.utils._paths import filter_repo_objects

from testing.checkpoints import tiny_llama
from worker.engine import LoadError
from worker.engine.loading import checkpoint
from worker.engine.loading.checkpoint import (
    WEIGHTS_FILE,
    WEIGHTS_INDEX,
    list_weight_files,
    resolve_checkpoint,
)
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


def test_weights_are_downloaded_in_one_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No code, no pickles, and no second copy of the weights."""
    stored = ["config.json", "consolidated.safetensors", "model-1.safetensors", "x.py", "x.bin"]
    downloaded: list[str] = []

    def download(
        _: str, *, revision: str | None, allow_patterns: list[str], ignore_patterns: list[str]
    ) -> str:
        downloaded.extend(
            filter_repo_objects(
                stored, allow_patterns=allow_patterns, ignore_patterns=ignore_patterns
            )
        )
        return str(tmp_path)

    monkeypatch.setattr(checkpoint, "snapshot_download", download)

    assert resolve_checkpoint(EngineConfig(model="team/model"), _ignore_progress) == tmp_path
    assert downloaded == ["config.json", "model-1.safetensors"]


@pytest.mark.parametrize(
    ("index", "names"),
    [
        ('{"weight_map": {"a": "model-1.safetensors", "b": "../x"}}', ["model-1.safetensors"]),
        ('{"weight_map": ["a"]}', ["consolidated.safetensors", "model-1.safetensors"]),
        ("[]", ["consolidated.safetensors", "model-1.safetensors"]),
        ("{", ["consolidated.safetensors", "model-1.safetensors"]),
    ],
)
def test_index_names_the_files_with_weights(tmp_path: Path, index: str, names: list[str]) -> None:
    """Without a readable one, all are weights; a file with all of them needs none."""
    for name in ("consolidated.safetensors", "model-1.safetensors"):
        (tmp_path / name).touch()
    (tmp_path / WEIGHTS_INDEX).write_text(index, "utf-8")
    assert [file.name for file in list_weight_files(tmp_path)] == names

    (tmp_path / WEIGHTS_FILE).touch()
    assert list_weight_files(tmp_path) == [tmp_path / WEIGHTS_FILE]
