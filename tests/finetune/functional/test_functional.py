"""The command `functional`: a model without sense on all problems, and mistakes."""

import sys
from pathlib import Path

import pytest

from finetune.__main__ import main
from testing.tokenizers import write_small_tokenizer
from tests.finetune.train.sample_dialogues import write_model

pytestmark = pytest.mark.usefixtures("one_thread")

ENGINE = f"sh {Path(__file__).parent / 'stand_in_engine.sh'} /dev/null {sys.executable}"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with random weights, whose context has room for the questions."""
    return write_model(tmp_path_factory.mktemp("model"), positions=640)


def test_share_has_an_interval(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A random model writes no code, and no container is started for it."""
    options = ["--engine", ENGINE, "--max-new-tokens", "16"]

    assert main(["functional", str(model), *options]) == 0

    rate, counts = capsys.readouterr().out.splitlines()
    assert rate == f"{model}: pass@1 0% (0% to 16%, 95%) of 20 problems"
    assert counts.startswith("  20 no code: count_vowels, second_largest, ")


def test_mistakes_are_one_line(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is loaded."""
    bare = tmp_path / "bare"
    bare.mkdir()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "adapter_config.json").write_text("{}")
    other = write_small_tokenizer(tmp_path / "other")
    text = (other / "tokenizer.json").read_text("utf-8").replace("<|assistant|>", "<|other|>")
    (other / "tokenizer.json").write_text(text, "utf-8")
    monkeypatch.setenv("PATH", str(tmp_path))

    for arguments, part in (
        ((tmp_path / "none",), f"there is no directory {tmp_path / 'none'}"),
        ((bare,), "has no tokenizer.json"),
        ((broken,), "no LoRA adapter"),
        ((other,), "lacks <|assistant|>"),
        ((model,), "has neither podman nor docker"),
        ((model, "--engine", "nowhere"), "nowhere cannot be run"),
    ):
        assert main(["functional", *map(str, arguments)]) == 2
        (told,) = capsys.readouterr().err.splitlines()
        assert told.startswith("finetune: ")
        assert part in told
