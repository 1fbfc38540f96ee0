"""Environment settings: parsed once, secrets masked, one line for an invalid value."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import Field, SecretStr, ValidationError, model_validator

from contract.settings import (
    MAX_SHOWN_CHARACTERS,
    EnvironmentSettings,
    SettingsError,
    describe_default,
)

SECRET = "xoxb-1-secret"


class Example(EnvironmentSettings):
    """Settings of an example process."""

    token: SecretStr = Field(min_length=4, json_schema_extra={"expected": "a token"})
    spare: SecretStr | None = None
    slots: int = Field(
        default=4, ge=1, le=64, json_schema_extra={"expected": "a whole number from 1 to 64"}
    )
    names: tuple[str, ...] = ()
    plain: str = "x"
    flags: frozenset[str] = frozenset({"b", "a"})

    @model_validator(mode="after")
    def _agree(self) -> "Example":
        if self.plain == "odd":
            raise ValueError("PLAIN cannot be odd\nwith these SLOTS")
        return self


class DefaultsExample(EnvironmentSettings):
    """Settings with a default of each kind."""

    text: str = "x"
    names: tuple[str, ...] = ("b", "a")
    secret: SecretStr = SecretStr("none")
    nothing: str | None = None


class Renamed(Example):
    """Settings of which one had another name before."""

    former_names: ClassVar[Mapping[str, str]] = {"EXAMPLE_SIZE": "SLOTS"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without any variable of the example."""
    for name in os.environ:
        if name.removesuffix("_FILE").lower() in Example.model_fields:
            monkeypatch.delenv(name)
    return monkeypatch


def settings_error(environment: pytest.MonkeyPatch, **variables: str) -> str:
    """Set variables and return the operator's error line."""
    for name, value in variables.items():
        environment.setenv(name, value)
    with pytest.raises(SettingsError) as error:
        Example.from_environment()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_setting_is_read_from_variable_of_same_name(environment: pytest.MonkeyPatch) -> None:
    """Variables are the fields in capitals; an empty variable counts as unset."""
    for name, value in {"TOKEN": SECRET, "SLOTS": "7", "NAMES": '["a"]', "PLAIN": ""}.items():
        environment.setenv(name, value)
    settings = Example.from_environment()

    assert (settings.token.get_secret_value(), settings.slots, settings.names) == (
        SECRET,
        7,
        ("a",),
    )
    assert settings.plain == "x"
    assert settings.spare is None


def test_secret_is_read_from_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`X_FILE` names a file with the value of `X`; surrounding white space is ignored."""
    file = tmp_path / "token"
    file.write_text(f" {SECRET}\n", "utf-8")
    environment.setenv("TOKEN_FILE", str(file))
    environment.setenv("SPARE_FILE", str(file))
    settings = Example.from_environment()

    assert settings.token.get_secret_value() == SECRET
    assert settings.spare is not None
    assert settings.spare.get_secret_value() == SECRET


def test_variable_takes_precedence_over_file(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """If both are set, the variable takes precedence, unless it is empty."""
    file = tmp_path / "token"
    file.write_text("from-file", "utf-8")
    environment.setenv("TOKEN_FILE", str(file))
    environment.setenv("TOKEN", SECRET)
    assert Example.from_environment().token.get_secret_value() == SECRET

    environment.setenv("TOKEN", "")
    assert Example.from_environment().token.get_secret_value() == "from-file"


def test_plain_setting_ignores_file_variable(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`X_FILE` has no effect for a setting that is not secret."""
    file = tmp_path / "plain"
    file.write_text("from-file", "utf-8")
    environment.setenv("TOKEN", SECRET)
    environment.setenv("PLAIN_FILE", str(file))

    assert Example.from_environment().plain == "x"


def test_printed_settings_mask_secrets(environment: pytest.MonkeyPatch) -> None:
    """Secrets are masked in every printed form."""
    environment.setenv("TOKEN", SECRET)
    settings = Example.from_environment()

    assert SECRET not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_settings_are_immutable(environment: pytest.MonkeyPatch) -> None:
    """Assigning to a setting raises an error."""
    environment.setenv("TOKEN", SECRET)
    settings = Example.from_environment()

    with pytest.raises(ValidationError):
        settings.slots = 9


def test_missing_setting_is_named(environment: pytest.MonkeyPatch) -> None:
    """The line gives the variable and what it must be."""
    assert settings_error(environment) == "TOKEN is not set: it must be a token"


def test_error_line_names_variable_and_value(environment: pytest.MonkeyPatch) -> None:
    """The line gives the variable, what it must be, and its value, shortened to one line."""
    for value in ("many", "0", "65", "1.5"):
        assert settings_error(environment, TOKEN=SECRET, SLOTS=value) == (
            f"SLOTS must be a whole number from 1 to 64, not '{value}'"
        )
    assert settings_error(environment, SLOTS="a\n b") == (
        "SLOTS must be a whole number from 1 to 64, not 'a b'"
    )
    assert settings_error(environment, SLOTS="9" * 500).endswith(
        f"not '{'9' * MAX_SHOWN_CHARACTERS}…'"
    )


def test_error_line_hides_secret(environment: pytest.MonkeyPatch) -> None:
    """The line about a wrong secret does not contain it."""
    assert settings_error(environment, TOKEN="abc") == "TOKEN must be a token, not the given one"


def test_malformed_list_gives_one_line(environment: pytest.MonkeyPatch) -> None:
    """A list that is no JSON stops the start with one line."""
    assert settings_error(environment, TOKEN=SECRET, NAMES="a, b") == (
        "NAMES must be valid JSON, not 'a, b'"
    )
    assert settings_error(environment, NAMES='"a"').startswith("NAMES must be ")


def test_conflicting_settings_give_one_line(environment: pytest.MonkeyPatch) -> None:
    """The message of a check across settings is shown on one line."""
    assert settings_error(environment, TOKEN=SECRET, PLAIN="odd") == (
        "PLAIN cannot be odd with these SLOTS"
    )


def test_unusable_secret_file_is_named_without_path(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Absent, a directory, binary, empty: each gives one line without the path."""
    binary, empty = tmp_path / "binary", tmp_path / "empty"
    binary.write_bytes(b"\xff\xfe")
    empty.write_text("\n", "utf-8")

    assert settings_error(environment, TOKEN_FILE=SECRET) == (
        "TOKEN_FILE must name a readable file (No such file or directory)"
    )
    assert settings_error(environment, TOKEN_FILE=str(tmp_path)) == (
        "TOKEN_FILE must name a readable file (Is a directory)"
    )
    assert settings_error(environment, TOKEN_FILE=str(binary)) == "TOKEN_FILE must name a text file"
    assert (
        settings_error(environment, TOKEN_FILE=str(empty))
        == "TOKEN_FILE must not name an empty file"
    )


def exit_status(environment: pytest.MonkeyPatch, argument: str) -> object:
    """Return the exit status of a process started with an argument."""
    environment.setattr("sys.argv", ["example", argument])
    with pytest.raises(SystemExit) as end:
        Example.parse_command_line("example", "An example process.")
    return end.value.code


def test_help_lists_settings_with_defaults(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Help needs no variable; it shows defaults and bounds, and exits with status 0."""
    assert exit_status(environment, "--help") == 0

    shown = capsys.readouterr().out
    assert shown.startswith("usage: python -m example [-h]\n\nAn example process.")
    assert "  TOKEN: a token (required)\n" in shown
    assert "  SLOTS: a whole number from 1 to 64 (default: 4)\n" in shown
    assert "  FLAGS: text (default: a,b)\n" in shown
    assert all(f"  {name.upper()}: " in shown for name in Example.model_fields)


def test_command_line_argument_is_rejected(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Settings are variables: an option on the command line is an error."""
    assert exit_status(environment, "--log-level=debug") == 2

    assert "unrecognized arguments: --log-level=debug" in capsys.readouterr().err


def test_former_name_is_answered_with_the_new_one(environment: pytest.MonkeyPatch) -> None:
    """A setting that is ignored silently would start the process with the default."""
    environment.setenv("TOKEN", SECRET)
    environment.setenv("EXAMPLE_SIZE", "8")
    with pytest.raises(SettingsError, match=r"^EXAMPLE_SIZE is now called SLOTS: set SLOTS"):
        Renamed.from_environment()


def test_secret_given_as_such_is_stripped() -> None:
    """A test or a tool may pass the value itself; its line end is removed too."""
    assert Example(token=SecretStr(f"{SECRET}\n")).token.get_secret_value() == SECRET


def test_default_is_described_as_an_operator_writes_it() -> None:
    """A list is comma-separated, and a secret's default is shown: it is no secret."""
    described = {
        name: describe_default(field) for name, field in DefaultsExample.model_fields.items()
    }

    assert described == {"text": "x", "names": "a,b", "secret": "none", "nothing": ""}
