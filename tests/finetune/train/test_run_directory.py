"""The directory of a training, and the history of its losses."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from finetune.errors import FinetuneError
from finetune.train.loss_history import (
    PLOT_NAME,
    draw_losses,
    find_best,
    list_evaluations,
    render_table,
)
from finetune.train.run_directory import copy_tokenizer, find_checkpoint, open_run, write_json

HISTORY: Final[list[dict[str, Any]]] = [
    {"step": 1, "epoch": 0.25, "loss": 3.0},
    {"step": 2, "epoch": 0.5, "loss": 2.0},
    {"step": 2, "epoch": 0.5, "eval_loss": 1.5},
    {"step": 4, "epoch": 1.0, "loss": 1.0},
    {"step": 4, "epoch": 1.0, "eval_loss": 1.75},
    {"step": 4, "epoch": 1.0, "train_runtime": 9.0},
]


def _write_checkpoint(run: Path, step: int, state: str = "{}", *, names: int = 1) -> Path:
    checkpoint = run / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "trainer_state.json").write_text(state)
    for number in range(names):
        name = "rng_state.pth" if names == 1 else f"rng_state_{number}.pth"
        (checkpoint / name).write_bytes(b"")
    return checkpoint


def test_run_continues_with_the_same_options_alone(tmp_path: Path) -> None:
    """Other options would make another training of the rest."""
    open_run(tmp_path / "run", {"epochs": 6, "seed": 42})
    open_run(tmp_path / "run", {"epochs": 6, "seed": 42})

    with pytest.raises(FinetuneError, match="started with another epochs, seed"):
        open_run(tmp_path / "run", {"epochs": 7, "seed": 1})


def test_other_directories_are_refused(tmp_path: Path) -> None:
    """Nothing is overwritten: neither a result nor a directory of other use."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FinetuneError, match="is not empty"):
        open_run(tmp_path, {})
    (tmp_path / "run.json").write_text("[")
    with pytest.raises(FinetuneError, match=r"run.json cannot be read"):
        open_run(tmp_path, {})
    write_json(tmp_path / "training.json", {})
    with pytest.raises(FinetuneError, match=r"has ended: see training.json"):
        open_run(tmp_path, {})


def test_last_whole_checkpoint_is_found(tmp_path: Path) -> None:
    """A checkpoint that a kill cut short is skipped, as are other directories."""
    assert find_checkpoint(tmp_path, 1) is None
    whole = _write_checkpoint(tmp_path, 9)
    _write_checkpoint(tmp_path, 5)
    _write_checkpoint(tmp_path, 10, '{"step"')
    _write_checkpoint(tmp_path, 11, names=0)
    (tmp_path / "checkpoint-12").mkdir()
    (tmp_path / "checkpoint-old").mkdir()

    assert find_checkpoint(tmp_path, 1) == whole


def test_random_numbers_of_all_processes_are_needed(tmp_path: Path) -> None:
    """Without one of them, its dropout would differ."""
    whole = _write_checkpoint(tmp_path, 3, names=2)
    broken = _write_checkpoint(tmp_path, 4, names=2)
    (broken / "rng_state_1.pth").unlink()

    assert find_checkpoint(tmp_path, 2) == whole


def test_tokenizer_is_copied_beside_the_model(tmp_path: Path) -> None:
    """Files that a checkpoint lacks are left out."""
    (tmp_path / "from").mkdir()
    (tmp_path / "to").mkdir()
    (tmp_path / "from" / "tokenizer.json").write_text("{}")

    copy_tokenizer(tmp_path / "from", tmp_path / "to")

    assert [path.name for path in (tmp_path / "to").iterdir()] == ["tokenizer.json"]


def test_history_becomes_a_table_with_the_best_marked() -> None:
    """Each row has the mean of the training losses since the row before, as the card's has."""
    evaluations = list_evaluations(HISTORY)

    assert [one.training_loss for one in evaluations] == [2.5, 1.0]
    assert find_best(evaluations).step == 2
    assert render_table(evaluations).splitlines() == [
        "Training loss  Epoch    Step  Validation loss",
        "       2.5000   0.50       2           1.5000  ← kept",
        "       1.0000   1.00       4           1.7500",
    ]


def test_plot_is_the_same_for_the_same_losses(tmp_path: Path) -> None:
    """It names the kept step, and is drawn before the first evaluation too."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        draw_losses(HISTORY, tmp_path / name / PLOT_NAME)
    draw_losses(HISTORY[:1], tmp_path / PLOT_NAME)

    plots = [(tmp_path / name / PLOT_NAME).read_bytes() for name in ("one", "two")]
    assert plots[0] == plots[1]
    assert plots[0].startswith(b"<?xml")
    assert b"kept: step 2" in plots[0]
    assert json.dumps([path.name for path in (tmp_path / "one").iterdir()]) == '["losses.svg"]'
