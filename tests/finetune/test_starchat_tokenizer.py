"""From dialogues to a served model with StarChat's own tokenizer, where it is present."""

import json
from pathlib import Path
from typing import Any

import pytest

from finetune.__main__ import main
from finetune.dialogue_files import read_records
from testing.tokenizers import has_real_tokenizer
from testing.worker_harness import WorkerHarness
from tests.finetune.train.sample_dialogues import (
    ANSWER_WORDS,
    STARCHAT_VOCABULARY_SIZE,
    WORDS,
    prepare_data,
    write_model,
)

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(not has_real_tokenizer(), reason="StarChat's tokenizer is not present"),
]


def _train(folder: Path, *options: str) -> dict[str, Any]:
    paths = (str(folder / "data"), "--model", str(folder / "model"))
    output = ("--output", str(folder / "run"), "--dtype", "float32")
    assert main(["train", *paths, *output, *options]) == 0
    return dict(json.loads((folder / "run" / "training.json").read_bytes()))


def test_training_lowers_the_loss_in_starchats_vocabulary(tmp_path: Path) -> None:
    """The prompts have its four dialogue tokens, the last ones of 49,156."""
    write_model(tmp_path / "model", width=16, has_starchat_tokenizer=True)
    data = prepare_data(tmp_path, tmp_path / "model", 60)
    options = ("--total-batch", "16", "--device-batch", "16", "--epochs", "1")

    first, last = _train(tmp_path, *options, "--learning-rate", "1e-2")["evaluations"]

    ids = set(next(read_records(data, "train")).ids)
    controls = range(STARCHAT_VOCABULARY_SIZE - 4, STARCHAT_VOCABULARY_SIZE)
    assert ids.issuperset(controls)
    assert last["validation_loss"] < first["validation_loss"]


def _check_overfitting(result: dict[str, Any]) -> None:
    """Validation loss turns up as in the model card's table, and training loss falls on."""
    evaluations = result["evaluations"]
    validation = [one["validation_loss"] for one in evaluations]
    training = [one["training_loss"] for one in evaluations]
    lowest = validation.index(min(validation))
    assert result["best"] == evaluations[lowest]
    assert 4 < lowest < len(validation) - 4
    assert validation[-1] > validation[lowest] + 0.03
    assert training[-1] < training[lowest] - 0.1


def _ask_worker(model: Path) -> str:
    """Return the answer of a real worker that serves a model."""
    with WorkerHarness() as harness:
        worker = harness.start_worker(str(model), STARCHAT_SYSTEM_PROMPT="")
        job = harness.enqueue_question("ba be")
        (reply,) = harness.wait_for_end(job)
        worker.stop_process()
    return str(reply["text"])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_tuned_model_is_kept_before_it_overfits_and_answers_in_the_new_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Two hundred dialogues: prepared, trained on, compared and served.

    The base model has random weights; each learned answer is six words of eight.
    """
    base = write_model(tmp_path / "model", width=128, has_starchat_tokenizer=True)
    data = prepare_data(tmp_path, base, 200, validation_share=0.2)
    batch = ("--total-batch", "8", "--device-batch", "8")

    _check_overfitting(_train(tmp_path, *batch, "--epochs", "12", "--learning-rate", "4e-3"))

    best = tmp_path / "run" / "best"
    capsys.readouterr()
    compared = ("evaluate", str(data), str(base), str(best), "--max-new-tokens", "24")
    assert main([*compared, "--output", str(tmp_path / "evaluation")]) == 0
    rows = capsys.readouterr().out.splitlines()
    (loss,) = [line for line in rows if line.startswith("Validation loss")]
    assert loss.endswith("B is better")
    spoken = _ask_worker(best).split()[:ANSWER_WORDS]
    assert len(spoken) == ANSWER_WORDS
    assert set(spoken) <= set(WORDS)
