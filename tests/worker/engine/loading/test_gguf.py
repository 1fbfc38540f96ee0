"""GGUF conversion: a `.gguf` file becomes a cached checkpoint, once for all workers."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from testing.in_process_engine import GREEDY_SAMPLING, run_requests
from tests.worker.engine.loading.gguf_files import write_tiny_gguf
from worker.engine import LoadError, Request
from worker.engine.core.engine_core import EngineCore
from worker.engine.loading import memory
from worker.engine.loading.loader import load_model
from worker.engine.protocol import EngineConfig, gguf_cache_directory

ProgressLog = list[tuple[str, float]]


def _ignore_progress(_stage: str, _done: float) -> None:
    pass


def test_gguf_file_is_converted_once(tmp_path: Path) -> None:
    """The second load uses the first one's checkpoint, with its tokenizer and chat template."""
    file = write_tiny_gguf(tmp_path / "tiny.Q4_1.gguf")
    options = EngineConfig(model=str(file), slots=2, gguf_cache=str(tmp_path / "converted"))
    first: ProgressLog = []
    second: ProgressLog = []

    model = load_model(file, options, lambda *step: first.append(step))
    again = load_model(file, options, lambda *step: second.append(step))

    directory = model.info.directory
    assert again.info == model.info
    assert "converting" in dict(first)
    assert "converting" not in dict(second)
    assert [path.name for path in directory.parent.iterdir()] == [directory.name]
    tokenizer_config = json.loads((directory / "tokenizer_config.json").read_text("utf-8"))
    assert "im_start" in tokenizer_config["chat_template"]
    assert (directory / "tokenizer.json").is_file()
    assert (model.info.max_positions, model.info.eos_ids) == (128, (2,))
    replies = [
        run_requests(
            EngineCore(m.network, m.kv_cache, vocab_size=36, max_step_tokens=8),
            [Request("a", (3, 4), GREEDY_SAMPLING)],
        )
        for m in (model, again)
    ]
    assert replies[0] == replies[1]
    assert replies[0]["a"].ids


def test_concurrent_conversions_share_one_checkpoint(tmp_path: Path) -> None:
    """The second process uses the file that the first has written."""
    file = write_tiny_gguf(tmp_path / "tiny.gguf")
    options = EngineConfig(model=str(file), slots=2, gguf_cache=str(tmp_path / "converted"))
    others: list[Path] = []

    def load_during_conversion(stage: str, done: float) -> None:
        if (stage, done) == ("converting", 0.7):
            under_way = list((tmp_path / "converted").iterdir())
            others.append(load_model(file, options, _ignore_progress).info.directory)
            assert under_way[0].is_dir()

    model = load_model(file, options, load_during_conversion)

    assert others == [model.info.directory]
    assert list((tmp_path / "converted").iterdir()) == others


def test_killed_conversion_leaves_nothing_behind(tmp_path: Path) -> None:
    """The next start removes its files, even if it has nothing to convert."""
    file = write_tiny_gguf(tmp_path / "tiny.gguf")
    options = EngineConfig(model=str(file), slots=2, gguf_cache=str(tmp_path / "converted"))
    for _ in range(2):
        partial = tmp_path / "converted" / ".partial-x" / "checkpoint"
        partial.mkdir(parents=True)
        (partial / "model.safetensors").touch()

        directory = load_model(file, options, _ignore_progress).info.directory

        assert list((tmp_path / "converted").iterdir()) == [directory]


@pytest.mark.parametrize(
    ("limited", "line"),
    [
        ("memory", r"of \S+/tiny.gguf takes 0.0 GB of memory, but only 0.0 GB are free"),
        ("disk", r"of \S+/tiny.gguf takes 0.0 GB in \S+/converted, but only 0.0 GB are free"),
    ],
)
def test_conversion_that_does_not_fit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limited: str, line: str
) -> None:
    """Else the kernel would kill the worker at each start, or the disk would be full."""
    if limited == "memory":
        (tmp_path / "memory.max").write_text("100000", "ascii")
        monkeypatch.setattr(memory, "CGROUP_ROOT", tmp_path)
    else:
        full = SimpleNamespace(free=100_000)
        monkeypatch.setattr("worker.engine.loading.gguf.shutil.disk_usage", lambda _: full)
    file = write_tiny_gguf(tmp_path / "tiny.gguf")
    options = EngineConfig(model=str(file), slots=2, gguf_cache=str(tmp_path / "converted"))

    with pytest.raises(LoadError, match=line):
        load_model(file, options, _ignore_progress)
    assert list((tmp_path / "converted").iterdir()) == []


def test_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the demo installs it."""
    monkeypatch.setitem(sys.modules, "gguf", None)
    options = EngineConfig(gguf_cache=str(tmp_path / "converted"))

    with pytest.raises(
        LoadError, match=r"needs the package gguf: \S+ -m pip install 'gguf>=0\.17'$"
    ):
        load_model(write_tiny_gguf(tmp_path / "tiny.gguf"), options, _ignore_progress)


def test_broken_gguf_file_raises_load_error(tmp_path: Path) -> None:
    """A failed conversion leaves no file in the cache."""
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"GGUF without content")
    options = EngineConfig(model=str(file), gguf_cache=str(tmp_path / "converted"))

    with pytest.raises(LoadError, match="can't be converted"):
        load_model(file, options, _ignore_progress)
    assert list((tmp_path / "converted").iterdir()) == []


def test_conversion_reads_nothing_beside_the_file(tmp_path: Path) -> None:
    """The sandbox allows the file alone, and a folder of downloads may hold other models."""
    link = tmp_path / "model.gguf"
    link.symlink_to(write_tiny_gguf(tmp_path / "tiny.gguf"))
    for name in ("tokenizer_config.json", "config.json", "generation_config.json"):
        (tmp_path / name).write_text("of another model", "utf-8")
    options = EngineConfig(model=str(link), gguf_cache=str(tmp_path / "converted"))
    model = load_model(link, options, _ignore_progress)

    assert "im_start" in (model.info.directory / "tokenizer_config.json").read_text("utf-8")
    assert list((tmp_path / "converted").iterdir()) == [model.info.directory]


def test_conversion_cache_is_in_the_users_cache(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The default follows XDG_CACHE_HOME."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert gguf_cache_directory() == Path("/somewhere/starchat")

    monkeypatch.delenv("XDG_CACHE_HOME")
    assert gguf_cache_directory() == Path.home() / ".cache" / "starchat"
