"""Trainings of a small model: losses, the kept checkpoint, adapters, and refusals."""

import json
import shutil
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from finetune.__main__ import main
from finetune.dialogue_files import read_records
from finetune.train.dialogue_batches import IGNORED_LABEL, build_labels, collate_batch
from finetune.train.memory import estimate_memory
from finetune.train.network import create_empty_network, read_config
from finetune.train.recipe import BatchPlan, Recipe
from testing.checkpoints import STARCHAT_CONFIG
from testing.tokenizers import write_small_tokenizer
from tests.finetune.train.sample_dialogues import prepare_data, write_model
from worker.engine.loading.adapter import find_adapter
from worker.engine.loading.adapter_merge import merge_adapter

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK: Final = ("--dtype", "float32", "--total-batch", "16", "--device-batch", "16")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with random weights."""
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def data(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty prepared dialogues."""
    return prepare_data(tmp_path_factory.mktemp("data"), model, 60)


def _train(data: Path, model: Path, output: Path, *options: str) -> int:
    return main(["train", str(data), "--model", str(model), "--output", str(output), *options])


def _read_result(output: Path) -> dict[str, Any]:
    return dict(json.loads((output / "training.json").read_bytes()))


def test_best_model_is_kept_and_named(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Losses fall; the saved weights are those of the named step."""
    output = tmp_path / "run"
    options = (*QUICK, "--epochs", "2", "--learning-rate", "1e-2")

    assert _train(data, model, output, *options) == 0

    result = _read_result(output)
    losses = [one["validation_loss"] for one in result["evaluations"]]
    assert [one["epoch"] for one in result["evaluations"]] == [0.67, 1.0, 1.67, 2.0]
    assert result["evaluations"][-1]["training_loss"] < result["evaluations"][0]["training_loss"]
    assert result["best"]["validation_loss"] == min(losses)
    best = load_file(output / "best" / "model.safetensors")
    step = load_file(output / f"checkpoint-{result['best']['step']}" / "model.safetensors")
    assert all(torch.equal(best[name], step[name]) for name in step)
    assert (output / "best" / "tokenizer.json").is_file()
    assert (output / "losses.svg").is_file()
    told = capsys.readouterr().err
    assert "16 a device × 1 devices × accumulation 1 = 16 dialogues a step" in told
    assert "← kept" in told
    assert _train(data, model, output, *options) == 2


def test_early_stop_ends_a_training_that_overfits(data: Path, model: Path, tmp_path: Path) -> None:
    """Two evaluations without a lower loss are enough, and the best model before them is kept."""
    output = tmp_path / "run"
    options = (*QUICK, "--epochs", "9", "--learning-rate", "3e-1", "--early-stop", "2")

    assert _train(data, model, output, *options) == 0

    result = _read_result(output)
    losses = [one["validation_loss"] for one in result["evaluations"]]
    lowest = losses.index(min(losses))
    assert len(losses) == lowest + 3 < 18
    assert result["best"] == result["evaluations"][lowest]


def test_merged_adapter_equals_the_unmerged_one(
    data: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker's own merge gives the logits of the adapter beside its base, in any folder."""
    options = (*QUICK, "--method", "lora", "--epochs", "1", "--learning-rate", "1e-1")
    monkeypatch.chdir(model.parent)
    assert _train(data, Path(model.name), tmp_path / "run", *options) == 0
    monkeypatch.chdir(tmp_path)

    best = tmp_path / "run" / "best"
    adapter = find_adapter(best)
    assert adapter is not None
    assert adapter.base == model
    ids = torch.tensor([next(read_records(data, "validation")).ids])
    plain, base, other = (AutoModelForCausalLM.from_pretrained(model) for _ in range(3))
    with torch.inference_mode():
        before = plain(ids).logits
        unmerged = PeftModel.from_pretrained(base, best).eval()(ids).logits
        merged = merge_adapter(other, adapter).eval()(ids).logits
    assert torch.allclose(unmerged, merged, atol=1e-4)
    assert not torch.allclose(before, merged, atol=1e-2)


def test_labels_are_the_learned_ids(data: Path) -> None:
    """Padding and what people wrote have no loss."""
    records = sorted(read_records(data, "train"), key=lambda record: len(record.ids))
    short, long = records[0], records[-1]
    (start, end) = short.learned[0]
    labels = build_labels(short)

    assert labels[start:end] == list(short.ids[start:end])
    assert set(labels[:start] + labels[end:]) == {IGNORED_LABEL}
    batch = collate_batch([short, long])
    assert batch["labels"].shape == batch["input_ids"].shape == (2, len(long.ids))
    assert batch["attention_mask"].sum(1).tolist() == [len(short.ids), len(long.ids)]


def test_too_little_memory_is_told_before_loading(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The directory has StarChat's configuration and no weights at all."""
    shutil.copytree(model, tmp_path / "large")
    (tmp_path / "large" / "model.safetensors").unlink()
    config = STARCHAT_CONFIG | {"model_type": "gpt_bigcode", "n_embd": 49152, "n_layer": 8}
    (tmp_path / "large" / "config.json").write_text(json.dumps(config))

    assert _train(data, tmp_path / "large", tmp_path / "run", *QUICK) == 2

    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("finetune: not enough memory: about ")
    assert not (tmp_path / "run").exists()


def test_memory_of_starchat_is_estimated(tmp_path: Path) -> None:
    """15.5 billion weights: 16 bytes each if all are trained, 2 and a little with an adapter."""
    config = STARCHAT_CONFIG | {"model_type": "gpt_bigcode", "n_embd": 6144, "n_layer": 40}
    (tmp_path / "config.json").write_text(json.dumps(config | {"n_inner": 24576}))
    empty = read_config(tmp_path)

    def estimate(method: str, shards: int = 1) -> float:
        recipe = Recipe.model_validate({"method": method})
        network = create_empty_network(empty, recipe)
        return estimate_memory(network, recipe, BatchPlan(4, 8, 8), 2048, shards).weights / 1e9

    assert estimate("full") == pytest.approx(16 * 15.5, rel=0.02)
    assert estimate("full", 8) == pytest.approx(2 * 15.5, rel=0.02)
    assert estimate("lora") == pytest.approx(2 * 15.5, rel=0.1)
    assert estimate("qlora") == pytest.approx(0.6 * 15.5, rel=0.2)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--epochs", "0"), "--epochs: Input should be greater than 0"),
        (("--learning-rate", "nan"), "--learning-rate: Input should be a finite number"),
        (("--learning-rate", "inf"), "--learning-rate: Input should be a finite number"),
        (("--method", "qlora"), "--method qlora needs a CUDA device"),
        (("--total-batch", "256"), "are too few for two steps of 256"),
        (("--model", "/nowhere"), "/nowhere has no tokenizer.json"),
    ],
)
def test_refusals_are_one_line(
    data: Path,
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    reason: str,
) -> None:
    """Nothing is created."""
    if "qlora" in options and torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")

    assert _train(data, model, tmp_path / "run", *QUICK, *options) == 2

    (told,) = capsys.readouterr().err.splitlines()
    assert reason in told
    assert not (tmp_path / "run").exists()


def test_unusable_data_are_refused(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A leak between the splits, and a tokenizer without the dialogue tokens."""
    leaking = shutil.copytree(data, tmp_path / "leaking")
    with (leaking / "train.jsonl").open("a", encoding="utf-8") as file:
        file.write((data / "validation.jsonl").read_text("utf-8").splitlines(keepends=True)[0])
    assert _train(leaking, model, tmp_path / "run", *QUICK) == 2
    other = shutil.copytree(model, tmp_path / "other")
    text = (other / "tokenizer.json").read_text("utf-8").replace("<|end|>", "<|stop|>")
    (other / "tokenizer.json").write_text(text, "utf-8")
    assert _train(data, other, tmp_path / "run", *QUICK) == 2

    assert capsys.readouterr().err.splitlines() == [
        "finetune: the splits leak: 1 threads and 1 dialogues are in both",
        f"finetune: the tokenizer of {other} lacks <|end|>",
    ]
    assert not (tmp_path / "run").exists()


def test_models_that_do_not_fit_the_data_are_refused(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another tokenizer, a missing or broken configuration, and missing weights."""
    other = write_small_tokenizer(tmp_path / "other")
    assert _train(data, other, tmp_path / "run", *QUICK) == 2
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(model / "tokenizer.json", bare)
    assert _train(data, bare, tmp_path / "run", *QUICK) == 2
    (bare / "config.json").write_text("{}")
    assert _train(data, bare, tmp_path / "run", *QUICK) == 2
    shutil.copy(model / "config.json", bare)
    assert _train(data, bare, tmp_path / "run", *QUICK) == 2

    told = [line for line in capsys.readouterr().err.splitlines() if " a device" not in line]
    parts = ("another tokenizer", "no config.json", "no usable config.json", "cannot be loaded")
    for line, part in zip(told, parts, strict=True):
        assert part in line
