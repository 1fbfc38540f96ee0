"""The command `evaluate`: a model beside itself and beside an adapter, checks, and mistakes."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from finetune.__main__ import main
from finetune.dialogue_files import read_records
from finetune.evaluate.code_checks import check_replies
from finetune.evaluate.metrics import METRICS
from finetune.train.dialogue_batches import collate_batch
from testing.adapters import write_adapter
from testing.tokenizers import write_small_tokenizer
from tests.finetune.train.sample_dialogues import prepare_data, write_model
from worker.answering.generated_text import GeneratedText
from worker.engine.loading.revision import find_revision
from worker.render.model import CutReason

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = ("--max-new-tokens", "6", "--prompts", "18", "--temperature", "1")
WEIGHTS = "model.safetensors"
VOTE = {"opinion": "up", "ran": False}
BROKEN = "```python\ndef f(:\n```"
RISKY = "```python\nimport os\n\neval(os.nosuchname())\n```"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with random weights."""
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def data(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty prepared dialogues, two fifths of them held out."""
    return prepare_data(tmp_path_factory.mktemp("data"), model, 60)


def _evaluate(data: Path, first: Path, second: Path, output: Path, *options: str) -> int:
    models = [str(first), str(second)]
    return main(["evaluate", str(data), *models, "--output", str(output), *options])


def _mean_loss(data: Path, model: Path) -> float:
    """Return the loss as transformers computes it for the training's own labels."""
    batch = collate_batch(list(read_records(data, "validation")))
    with torch.inference_mode():
        return float(AutoModelForCausalLM.from_pretrained(model)(**batch).loss)


def test_worse_model_is_named(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other model's logits are ten times as large, so it is too sure of its guesses."""
    worse = tmp_path / "worse"
    shutil.copytree(model, worse)
    weights = load_file(worse / WEIGHTS)
    weights["transformer.wte.weight"] *= 10
    save_file(weights, worse / WEIGHTS, {"format": "pt"})

    votes = ("--votes", str(tmp_path / "votes.jsonl"))
    (tmp_path / "votes.jsonl").touch()
    assert _evaluate(data, model, worse, tmp_path / "output", *QUICK, *votes) == 0

    told = capsys.readouterr()
    (loss,) = [line for line in told.out.splitlines() if line.startswith("Validation loss")]
    assert loss.endswith("A is better")
    assert loss.split()[2] == f"{_mean_loss(data, model):.4g}"
    assert "finetune: B: replies, 0 of 18" in told.err
    assert "finetune: no votes on replies of worse at revision " in told.err
    written = (tmp_path / "output" / "evaluation.md").read_text("utf-8")
    assert f"- B: `{worse}`" in written
    assert "| A is better |" in written
    assert (tmp_path / "output" / "evaluation.svg").stat().st_size > 1000


def test_model_beside_itself_shows_no_difference(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    An adapter, loaded and merged twice, has the same figures and replies each time.

    Votes on its replies are found by the name and the revision that the worker gives it, also where
    the worker has it from the hub.
    """
    adapter = write_adapter(tmp_path / "adapter", model)
    snapshot = tmp_path / "models--a--tuned" / "snapshots" / "c0ffee"
    shutil.copytree(adapter, snapshot)
    served = (("adapter", find_revision(None, adapter)), ("a/tuned", "c0ffee"))
    lines = [
        json.dumps({"model": name, "revision": revision, "votes": [VOTE], "thread_ts": str(number)})
        for name, revision in served
        for number in range(16)
    ]
    (tmp_path / "votes.jsonl").write_text("\n".join(lines), "utf-8")
    votes = ("--votes", str(tmp_path / "votes.jsonl"))

    assert _evaluate(data, adapter, snapshot, tmp_path / "output", *QUICK, *votes) == 0

    _, *rows = capsys.readouterr().out.splitlines()
    cells = [re.split(" {2,}", row) for row in rows]
    assert len(cells) == len(METRICS) + 1
    assert cells[-1] == ["Share of approving votes", "1", "1", "+0 to +0", "no difference shown"]
    assert all(first == second for _, first, second, *_ in cells)
    assert {verdict for *_, verdict in cells} == {"no difference shown", "too few to say"}


def test_code_of_replies_is_checked() -> None:
    """The worker's parsers and lists judge it; it is not run."""
    texts = (BROKEN, RISKY, "```json\n{}\n```", "```json\n{}", "No code.")
    replies = [GeneratedText(text=text, new_tokens=7) for text in texts]
    replies[-1].cut_reason = CutReason.REPETITION

    figures = check_replies(replies)

    assert [one.tokens for one in figures] == [7] * 5
    assert [one.has_code for one in figures] == [True, True, True, True, False]
    assert [one.is_parsed for one in figures] == [False, True, True, False, False]
    assert [one.safety_hints for one in figures] == [0, 1, 0, 0, 0]
    assert [one.name_hints for one in figures] == [0, 1, 0, 0, 0]
    assert [one.has_looped for one in figures] == [False, False, False, False, True]


def test_mistakes_are_one_line(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is loaded or created."""
    other = write_small_tokenizer(tmp_path / "other")
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(model / "tokenizer.json", bare)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "adapter_config.json").write_text("{}")
    weightless = tmp_path / "weightless"
    shutil.copytree(model, weightless)
    (weightless / "model.safetensors").unlink()
    few, empty = tmp_path / "few", tmp_path / "empty"
    for folder, count in ((few, 3), (empty, 0)):
        shutil.copytree(data, folder)
        lines = (data / "validation.jsonl").read_text("utf-8").splitlines(keepends=True)
        (folder / "validation.jsonl").write_text("".join(lines[:count]), "utf-8")
    output = tmp_path / "output"

    for arguments, part in (
        ((tmp_path / "none", model, model, output, "6"), "holds no prepared data"),
        ((data, model, tmp_path / "none", output, "6"), "there is no directory"),
        ((data, model, other, output, "6"), "another tokenizer"),
        ((data, model, bare, output, "6"), "no config.json"),
        ((data, model, broken, output, "6"), "no LoRA adapter"),
        ((data, weightless, model, output, "6"), "no weights in safetensors"),
        ((few, model, model, output, "6"), "3 held-out threads are too few to compare by"),
        ((empty, model, model, output, "6"), "holds out no dialogues"),
        ((data, model, model, output, "127"), "choose a smaller"),
        ((data, model, model, data, "6"), "exists already"),
        ((data, model, model, output, "6", "--votes", str(output)), "cannot be read: No such file"),
    ):
        assert _evaluate(*arguments[:4], "--max-new-tokens", *arguments[4:]) == 2
        *_, told = capsys.readouterr().err.splitlines()
        assert told.startswith("finetune: ")
        assert part in told
    assert not output.exists()
