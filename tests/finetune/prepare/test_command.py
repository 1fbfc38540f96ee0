"""The command `prepare`: its files and data card, the same for the same input, and mistakes."""

import json
import resource
import stat
from pathlib import Path
from typing import Any

import pytest

from finetune.__main__ import main
from finetune.dialogue_files import (
    SPLITS,
    DialogueRecord,
    hash_tokenizer,
    read_manifest,
    read_records,
)
from finetune.errors import FinetuneError
from finetune.prepare import pipeline
from testing.tokenizers import write_small_tokenizer

SECRET = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a tokenizer."""
    return write_small_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def _dialogue(question: str, answer: str) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    }


def _write_lines(file: Path, *lines: object) -> Path:
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    file.write_text("\n".join(texts), "utf-8")
    return file


def _prepare(file: Path, checkpoint: Path, *options: str) -> tuple[int, Path]:
    output = file.with_name("data")
    arguments = [str(file), "--model", str(checkpoint), "--output", str(output)]
    return main(["prepare", *arguments, *options]), output


def _read_all(output: Path) -> list[DialogueRecord]:
    return [record for split in SPLITS for record in read_records(output, split)]


def test_prepared_data_and_card(
    tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unusable lines are told with their numbers; the card counts all that was left out."""
    file = _write_lines(
        tmp_path / "in|put.jsonl",
        _dialogue("What is a mutex?", "A lock."),
        "{bad",
        _dialogue("What  is a mutex?", "A lock."),
        _dialogue("Is this key mine?", f"Yes, {SECRET} is."),
        _dialogue("Who are you?", "As an AI, I am patient."),
        _dialogue("Long?", "long " * 200),
        {"text": "### Human: Again?### Assistant: Yes.### Human: Why?### Assistant: " + "x" * 400},
    )

    status, output = _prepare(file, checkpoint, "--max-tokens", "100", "--filter-phrases")

    told = capsys.readouterr().err
    assert status == 0
    assert "in|put.jsonl:2 is not usable: no JSON" in told
    assert f"3 dialogues in {output}, 4 left out" in told
    records = _read_all(output)
    assert {record.messages[1].content for record in records} == {
        *("A lock.", "Yes, <secret:github-token:1> is.", "Yes.")
    }
    assert {record.messages[-1].role for record in records} == {"assistant"}
    assert {record.provenance.file for record in records} == {"in|put.jsonl"}
    card = (output / "README.md").read_text("utf-8")
    for line in (
        "| in\\|put.jsonl | 7 |",
        "| exact duplicate | 1 |",
        "| first exchange too long | 1 |",
        "| as an ai | 1 |",
        "1 dialogues were shortened to 100 tokens.",
        "1 secrets in 1 dialogues were masked.",
    ):
        assert line in card
    assert read_manifest(output).dialogues == {"train": 3, "validation": 0}
    assert read_manifest(output).tokenizer_sha256 == hash_tokenizer(checkpoint)
    assert stat.S_IMODE(output.stat().st_mode) == 0o700


def test_same_input_gives_the_same_bytes(tmp_path: Path, checkpoint: Path) -> None:
    """A data set can be made again, and two of them can be compared."""
    written = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        lines = [_dialogue(f"Question {n} of many?", f"Answer {n * n}") for n in range(40)]
        _, output = _prepare(_write_lines(tmp_path / name / "in", *lines), checkpoint)
        written.append({path.name: path.read_bytes() for path in output.iterdir()})

    assert written[0] == written[1]
    assert set(written[0]) == {"train.jsonl", "validation.jsonl", "manifest.json", "README.md"}


def test_votes_name_the_day_of_deletion(tmp_path: Path, checkpoint: Path) -> None:
    """Manifest and card keep the retention of the export."""
    vote = {"opinion": "up", "ran": False, "voted_at": "4102444800.000000"}
    turn = {"role": "user", "user": "User 1", "text": "What is a mutex?"}
    line = {"conversation": [turn], "reply": "A lock.", "votes": [vote]}
    _, output = _prepare(_write_lines(tmp_path / "votes.jsonl", line), checkpoint)

    assert str(read_manifest(output).delete_after) == "2101-01-01"
    assert "**2101-01-01**" in (output / "README.md").read_text("utf-8")


def test_further_unusable_lines_are_counted(
    tmp_path: Path,
    checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file of another form does not fill the terminal."""
    monkeypatch.setattr(pipeline, "MAX_REPORTED_LINES", 2)

    status, output = _prepare(_write_lines(tmp_path / "x", *["?"] * 5), checkpoint)

    told = capsys.readouterr().err.splitlines()
    assert status == 2
    assert told[2:] == [
        "finetune: 3 further lines are not usable",
        "finetune: no line holds a dialogue to learn from",
    ]
    assert not output.exists()


@pytest.mark.parametrize(
    ("option", "value"), [("--max-tokens", "5"), ("--validation-share", "x"), ("--unknown", "1")]
)
def test_wrong_option_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    """One line names the option."""
    assert _prepare(tmp_path / "x", tmp_path, option, value)[0] == 2

    (told,) = capsys.readouterr().err.splitlines()
    assert option in told
    assert told.endswith("; `python -m finetune prepare --help` describes all options")


def test_mistakes_are_one_line(
    tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each has a cause that the operator can mend."""
    file = _write_lines(tmp_path / "x", _dialogue("a", "b"))
    taken = tmp_path / "data"
    taken.write_text("mine")
    assert _prepare(file, checkpoint)[0] == 2
    taken.unlink()
    assert _prepare(tmp_path / "none", checkpoint)[0] == 2
    assert _prepare(file, checkpoint, "--filter-phrases", str(tmp_path / "list"))[0] == 2
    assert _prepare(file, checkpoint, "--output", str(file / "below"))[0] == 2
    assert main(["unknown"]) == main([]) == 2

    told = capsys.readouterr().err.splitlines()
    assert len(told) == 6
    for line, part in zip(told, ("exists already", "none", "list", "below"), strict=False):
        assert part in line


def test_full_disk_leaves_no_text_behind(
    tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that cannot grow ends the command; what was written of the dialogues is removed."""
    file = _write_lines(tmp_path / "x", _dialogue("a", "b"))
    bounds = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, bounds[1]))
    try:
        status, _ = _prepare(file, checkpoint)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, bounds)

    assert status == 2
    assert "cannot be written" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_broken_data_are_named(tmp_path: Path) -> None:
    """A file that another program changed is refused with its line."""
    with pytest.raises(FinetuneError, match="holds no prepared data"):
        read_manifest(tmp_path)
    with pytest.raises(FinetuneError, match=r"train.jsonl cannot be read: No such file"):
        list(read_records(tmp_path, "train"))
    with pytest.raises(FinetuneError, match=r"no readable tokenizer.json"):
        hash_tokenizer(tmp_path)
    record = {"thread": "t", "messages": [], "provenance": {"kind": "text"}, "ids": [1, 2]}
    for learned in ([], [[1, 1]], [[0, 3]]):
        _write_lines(tmp_path / "train.jsonl", record | {"learned": learned})
        with pytest.raises(FinetuneError, match=r"train.jsonl:1 is no prepared dialogue"):
            list(read_records(tmp_path, "train"))
