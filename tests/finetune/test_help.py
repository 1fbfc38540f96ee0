"""Help of the commands: each option has a description, and a default where there is one."""

import re

import pytest

from finetune.__main__ import COMMANDS, main

OPTION = re.compile(r"  (?:-h, )?(--[a-z-]+)(?: \S+)*?  +(.+)")


def test_commands_are_described(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command there is one line on stderr."""
    assert main(["--help"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in told[2:-2]] == list(COMMANDS)
    assert main(["tune"]) == 2
    assert capsys.readouterr().err == (
        "usage: python -m finetune COMMAND …   "
        "COMMAND is one of: prepare, train, evaluate, functional\n"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_options_are_described(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is required that the help does not name."""
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])

    assert ended.value.code == 0
    told = re.sub(r"\n {10,}", "  ", capsys.readouterr().out)
    usage, _, options = told.partition("options:\n")
    lines = map(OPTION.fullmatch, options.splitlines())
    found = {line[1]: line[2] for line in lines if line}
    assert set(re.findall(r"--[a-z-]+", usage)) | {"--help"} == set(found)
    assert all(len(text.split()) > 1 for text in found.values())
    assert "default: None" not in told


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["train", "data"], "the following arguments are required: --model, --output"),
        (["train", "data", "--epochs", "six"], "argument --epochs: invalid int value: 'six'"),
        (["evaluate", "a", "b", "c", "--seed", "-1"], "argument --seed: '-1' is not from 0 to "),
        (["evaluate", "a", "b", "c", "--seed", "x"], "argument --seed: 'x' is no number"),
        (["functional", "m", "--timeout", "nan"], "argument --timeout: 'nan' is not from 1.0 to "),
    ],
)
def test_wrong_options_are_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    """The operator reads the reason without the whole usage."""
    assert main(arguments) == 2

    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith(f"finetune: {reason}")
    assert told.endswith(f"; `python -m finetune {arguments[0]} --help` describes all options")
