"""A tuned model: better than its base on held-out dialogues, and served by the real worker."""

from pathlib import Path

import pytest

from finetune.__main__ import main
from testing.worker_harness import WorkerHarness
from tests.finetune.train.sample_dialogues import ANSWER_WORDS, WORDS, prepare_data, write_model

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


def _train(folder: Path) -> Path:
    """Train a small model until it knows the form of the answers; return its directory."""
    options = ["--dtype", "float32", "--total-batch", "16", "--device-batch", "16"]
    options += ["--epochs", "6", "--learning-rate", "3e-3", "--output", str(folder / "run")]
    assert main(["train", str(folder / "data"), "--model", str(folder / "model"), *options]) == 0
    return folder / "run" / "best"


def test_tuned_model_is_better_and_answers_in_the_new_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The base has random weights; each learned answer is six words of eight."""
    base = write_model(tmp_path / "model", width=64)
    prepare_data(tmp_path, base, 400)
    best = _train(tmp_path)
    capsys.readouterr()

    compared = ["evaluate", str(tmp_path / "data"), str(base), str(best), "--max-new-tokens", "24"]
    assert main([*compared, "--output", str(tmp_path / "evaluation")]) == 0
    with WorkerHarness() as harness:
        worker = harness.start_worker(str(best), STARCHAT_SYSTEM_PROMPT="")
        job = harness.enqueue_question("ba be")
        (reply,) = harness.wait_for_end(job)
        worker.stop_process()

    (loss,) = [
        line for line in capsys.readouterr().out.splitlines() if line.startswith("Validation loss")
    ]
    assert loss.endswith("B is better")
    spoken = reply["text"].split()[:ANSWER_WORDS]
    assert len(spoken) == ANSWER_WORDS
    assert set(spoken) <= set(WORDS)
