"""Longer trainings: overfitting as in the model card's table, kills, and two processes."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from testing.environment import REPOSITORY, clean_environment
from tests.finetune.train.sample_dialogues import prepare_data, write_model

pytestmark = pytest.mark.slow

MODULE: Final = ("-m", "finetune", "train")


def _build_command(folder: Path, output: str, *options: str) -> list[str]:
    paths = (str(folder / "data"), "--model", str(folder / "model"))
    kept = ("--output", str(folder / output), "--dtype", "float32", "--learning-rate", "3e-3")
    return [*MODULE, *paths, *kept, *options]


def _run(*command: str, cwd: Path = REPOSITORY) -> None:
    environment = clean_environment()
    subprocess.run(command, cwd=cwd, env=environment, check=True, capture_output=True)


def _read_losses(output: Path) -> list[tuple[float, float]]:
    result: dict[str, Any] = json.loads((output / "training.json").read_bytes())
    return [(one["training_loss"], one["validation_loss"]) for one in result["evaluations"]]


def _prepare(folder: Path, count: int, **options: Any) -> None:
    write_model(folder / "model", **options)
    prepare_data(folder, folder / "model", count)


def _kill_after_checkpoint(command: list[str], output: Path) -> None:
    """Kill a training between the checkpoints of its second epoch, which its log shows."""
    process = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    with process.stdout as log:
        assert any(re.search(rb"'loss'.*'epoch': '1\.[23]", line) for line in log)
        process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert list(output.glob("checkpoint-*"))
    assert not (output / "training.json").exists()


def test_training_continues_after_a_kill_to_the_same_losses(tmp_path: Path) -> None:
    """Dropout is on, so the random numbers continue too."""
    _prepare(tmp_path, 110, dropout=0.1)
    options = ("--total-batch", "8", "--device-batch", "4", "--epochs", "4")
    command = [sys.executable, *_build_command(tmp_path, "killed", *options)]

    _kill_after_checkpoint(command, tmp_path / "killed")
    _run(*command)
    _run(sys.executable, *_build_command(tmp_path, "whole", *options))

    assert _read_losses(tmp_path / "killed") == _read_losses(tmp_path / "whole")


def test_two_processes_give_the_losses_of_one(tmp_path: Path) -> None:
    """The total batch is the same, so only the order of sums differs."""
    _prepare(tmp_path, 110)
    options = ("--total-batch", "8", "--device-batch", "4", "--epochs", "3")
    launcher = [sys.executable, "-m", "accelerate.commands.launch"]
    launcher += ["--cpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"]

    _run(sys.executable, *_build_command(tmp_path, "one", *options))
    _run(*launcher, *_build_command(tmp_path, "two", *options))

    one, two = (_read_losses(tmp_path / name) for name in ("one", "two"))
    assert len(one) == 6
    for mine, others in zip(one, two, strict=True):
        assert mine == pytest.approx(others, rel=0.02)


def test_validation_loss_turns_up_and_the_lowest_is_kept(tmp_path: Path) -> None:
    """As in the model card's table: training loss falls on, and validation loss rises again."""
    _prepare(tmp_path, 60, width=128)
    options = ("--total-batch", "4", "--device-batch", "4", "--epochs", "16")

    _run(sys.executable, *_build_command(tmp_path, "run", *options))

    training, validation = zip(*_read_losses(tmp_path / "run"), strict=True)
    lowest = validation.index(min(validation))
    result = json.loads((tmp_path / "run" / "training.json").read_bytes())
    assert result["best"] == result["evaluations"][lowest]
    assert 4 < lowest < len(validation) - 4
    assert validation[-1] > validation[lowest] + 0.2
    assert training[-1] < training[lowest] - 0.2
