"""Exit of the engine's process while its parent keeps stdin open, as the parent does."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from testing.fork_server import forked_engine_environment
from worker.engine import protocol
from worker.engine.child_process import EXIT_LOAD_FAILED, PROJECT_ROOT, build_environment
from worker.engine.protocol import EngineConfig


def make_missing_directory(path: Path) -> Path:
    """Return a path without a model: found before torch is imported."""
    return path / "nowhere"


def make_broken_checkpoint(path: Path) -> Path:
    """Return a directory without a usable configuration: found after torch is imported."""
    (path / "config.json").write_text("{")
    return path


@pytest.mark.parametrize("make_model", [make_missing_directory, make_broken_checkpoint])
def test_model_that_cannot_be_loaded_ends_process_with_66(
    tmp_path: Path, make_model: Callable[[Path], Path]
) -> None:
    """The interpreter shuts down although a thread waits for the parent's next line."""
    config = EngineConfig(model=str(make_model(tmp_path)), device="cpu", threads=1)
    with subprocess.Popen(
        [sys.executable, "-m", "worker.engine"],
        cwd=PROJECT_ROOT,
        env=build_environment(os.environ | forked_engine_environment()),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdin.write(config.to_json().encode() + b"\n")
        child.stdin.flush()
        messages = [protocol.decode_message(line) for line in child.stdout]
        log = child.stderr.read()

        assert child.wait(30) == EXIT_LOAD_FAILED, log
    assert "load_error" in messages[-1]
    assert b"Fatal Python error" not in log
