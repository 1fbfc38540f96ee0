"""Settings: read once, secrets masked, and a wrong one is a single line that says what to do."""

import os
from pathlib import Path

import pytest
from pydantic import Field, SecretStr, ValidationError, model_validator

from contract.settings import MAX_SHOWN_CHARACTERS, EnvironmentSettings, SettingsError

SECRET = "xoxb-1-secret"


class Example(EnvironmentSettings):
    """Settings of a process that does not exist."""

    token: SecretStr = Field(min_length=4, json_schema_extra={"expected": "a token"})
    spare: SecretStr | None = None
    slots: int = Field(
        default=4, ge=1, le=64, json_schema_extra={"expected": "a whole number from 1 to 64"}
    )
    names: tuple[str, ...] = ()
    plain: str = "x"

    @model_validator(mode="after")
    def _agree(self) -> "Example":
        if self.plain == "odd":
            raise ValueError("PLAIN cannot be odd\nwith these SLOTS")
        return self


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that names none of the settings."""
    for name in os.environ:
        if name.removesuffix("_FILE").lower() in Example.model_fields:
            monkeypatch.delenv(name)
    return monkeypatch


def settings_error(environment: pytest.MonkeyPatch, **variables: str) -> str:
    """Return the line that an operator reads."""
    for name, value in variables.items():
        environment.setenv(name, value)
    with pytest.raises(SettingsError) as error:
        Example.from_environment()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_each_setting_is_the_variable_of_its_name(environment: pytest.MonkeyPatch) -> None:
    """Names are capitals in the environment; an empty variable counts as none."""
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


def test_a_secret_may_stand_in_a_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`X_FILE` names a file with the value of `X`; white space around it does not count."""
    file = tmp_path / "token"
    file.write_text(f" {SECRET}\n", "utf-8")
    environment.setenv("TOKEN_FILE", str(file))
    environment.setenv("SPARE_FILE", str(file))
    settings = Example.from_environment()

    assert settings.token.get_secret_value() == SECRET
    assert settings.spare is not None
    assert settings.spare.get_secret_value() == SECRET


def test_the_variable_itself_comes_before_its_file(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where both are set the variable holds; an empty variable does not."""
    file = tmp_path / "token"
    file.write_text("from-file", "utf-8")
    environment.setenv("TOKEN_FILE", str(file))
    environment.setenv("TOKEN", SECRET)
    assert Example.from_environment().token.get_secret_value() == SECRET

    environment.setenv("TOKEN", "")
    assert Example.from_environment().token.get_secret_value() == "from-file"


def test_only_secrets_come_from_files(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Other settings have no file: a variable that looks like one means nothing."""
    file = tmp_path / "plain"
    file.write_text("from-file", "utf-8")
    environment.setenv("TOKEN", SECRET)
    environment.setenv("PLAIN_FILE", str(file))

    assert Example.from_environment().plain == "x"


def test_no_secret_shows(environment: pytest.MonkeyPatch) -> None:
    """However settings are printed, what is secret is masked."""
    environment.setenv("TOKEN", SECRET)
    settings = Example.from_environment()

    assert SECRET not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_settings_never_change(environment: pytest.MonkeyPatch) -> None:
    """Nobody changes a setting after the start."""
    environment.setenv("TOKEN", SECRET)
    settings = Example.from_environment()

    with pytest.raises(ValidationError):
        settings.slots = 9


def test_a_missing_setting_is_named(environment: pytest.MonkeyPatch) -> None:
    """The line says which variable is not set and what it must be."""
    assert settings_error(environment) == "TOKEN is not set: it must be a token"


def test_a_wrong_setting_is_named_with_its_value(environment: pytest.MonkeyPatch) -> None:
    """The line says which variable, what it must be, and what it was, on one short line."""
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


def test_a_wrong_secret_is_not_repeated(environment: pytest.MonkeyPatch) -> None:
    """The line about a secret does not show it."""
    assert settings_error(environment, TOKEN="abc") == "TOKEN must be a token, not the given one"


def test_a_list_that_cannot_be_read_is_one_line_too(environment: pytest.MonkeyPatch) -> None:
    """A setting that wants JSON and gets something else stops the start in one line."""
    assert settings_error(environment, TOKEN=SECRET, NAMES="a, b") == (
        "NAMES must be JSON of what is expected, not 'a, b'"
    )
    assert settings_error(environment, NAMES='"a"').startswith("NAMES must be ")


def test_settings_that_disagree_are_one_line_too(environment: pytest.MonkeyPatch) -> None:
    """What a check across settings says comes out as it is, on one line."""
    assert settings_error(environment, TOKEN=SECRET, PLAIN="odd") == (
        "PLAIN cannot be odd with these SLOTS"
    )


def test_a_secret_s_file_that_cannot_be_used_is_named(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Absent, a folder, no text, empty: each is one line that does not repeat the path."""
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
    """Return the exit status of a process that is started with an argument."""
    environment.setattr("sys.argv", ["example", argument])
    with pytest.raises(SystemExit) as end:
        Example.parse_command_line("example", "Nothing that exists.")
    return end.value.code


def test_help_names_every_setting(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a variable set, and with an exit status that says that all is well."""
    assert exit_status(environment, "--help") == 0

    shown = capsys.readouterr().out
    assert shown.startswith("usage: python -m example [-h]\n\nNothing that exists.")
    assert all(name.upper() in shown for name in Example.model_fields)


def test_a_word_on_the_command_line_is_refused(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is set by variables: a misplaced option must not be passed over."""
    assert exit_status(environment, "--log-level=debug") == 2

    assert "unrecognized arguments: --log-level=debug" in capsys.readouterr().err
