"""Reads a process's settings from the environment once; a wrong one is one line for a person."""

import argparse
import os
import textwrap
from pathlib import Path
from typing import Any, Final, Self

import pydantic_settings
from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

MAX_SHOWN_CHARACTERS: Final = 80
"""Characters of a wrong value that an error line repeats."""
HELP_WIDTH_COLUMNS: Final = 72
"""Characters of a line of help."""


class SettingsError(Exception):
    """A setting that cannot be used: names the variable, its value and what was expected."""


class EnvironmentSettings(BaseSettings):
    """
    The settings of one process: frozen, secrets masked.

    Each field is the variable of the same name in capitals; the value of a secret `X` may also
    stand in the file that `X_FILE` names. `setting` makes the fields.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    @classmethod
    def from_environment(cls) -> Self:
        """Read the environment. Raises `SettingsError` with one line for the first wrong value."""
        try:
            return cls(**cls._load_secrets_from_files())
        except ValidationError as error:
            raise SettingsError(cls._describe_error(error)) from None
        except pydantic_settings.SettingsError as error:
            # A list or the like that is no JSON: the message quotes the name of the field.
            name = str(error).split('"')[1]
            raw_value = os.environ.get(name.upper(), "")
            raise SettingsError(
                cls._describe_wrong_value(name, raw_value, "JSON of what is expected")
            ) from None

    @classmethod
    def parse_command_line(cls, program: str, description: str) -> None:
        """Read the command line of `python -m name`, which takes nothing but `--help`, and obey."""
        argparse.ArgumentParser(
            prog=f"python -m {program}",
            description=description,
            epilog=cls.describe_variables(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        ).parse_args()

    @classmethod
    def describe_variables(cls) -> str:
        """Return every variable and what it is, for a terminal."""
        lines = ["environment variables; a secret X may stand in a file that X_FILE names:"]
        for name, field in cls.model_fields.items():
            required_mark = " (needed)" if field.is_required() else ""
            lines.append(f"  {name.upper()}{required_mark}")
            lines.append(
                textwrap.indent(textwrap.fill(str(field.description), HELP_WIDTH_COLUMNS), " " * 6)
            )
        return "\n".join(lines)

    @classmethod
    def _load_secrets_from_files(cls) -> dict[str, str]:
        secrets = {}
        for name, field in cls.model_fields.items():
            variable = f"{name.upper()}_FILE"
            path = os.environ.get(variable)
            if path and _is_secret(field) and not os.environ.get(name.upper()):
                secrets[name] = _read_secret_file(variable, path)
        return secrets

    @classmethod
    def _describe_error(cls, error: ValidationError) -> str:
        details = error.errors()[0]
        reason = str(details["msg"]).removeprefix("Value error, ")
        if not details["loc"]:
            return " ".join(reason.split())
        name = str(details["loc"][0])
        if details["type"] == "missing":
            return (
                f"{name.upper()} is not set: it must be {cls._describe_expectation(name, 'given')}"
            )
        return cls._describe_wrong_value(name, details["input"], reason.lower())

    @classmethod
    def _describe_wrong_value(cls, name: str, raw_value: object, fallback: str) -> str:
        is_secret = _is_secret(cls.model_fields[name])
        value = "the given one" if is_secret else f"'{_shorten_to_line(str(raw_value))}'"
        return f"{name.upper()} must be {cls._describe_expectation(name, fallback)}, not {value}"

    @classmethod
    def _describe_expectation(cls, name: str, fallback: str) -> str:
        extra = cls.model_fields[name].json_schema_extra
        return str(extra.get("expected", fallback)) if isinstance(extra, dict) else fallback


def setting_field(default: Any, expected: str, description: str, **constraints: Any) -> Any:
    """
    Return a field of `Settings`; `default` is `...` where there is none.

    An error line says what was `expected`, the README shows the `description`, and pydantic checks
    the `limits`.
    """
    return Field(
        default=default,
        description=description,
        json_schema_extra={"expected": expected},
        validate_default=False,
        **constraints,
    )


def _is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation)


def _read_secret_file(variable: str, path: str) -> str:
    """Return what a secret's file holds, without the white space around it."""
    # The path is not repeated: somebody may have put the secret itself there.
    try:
        content = Path(path).read_text("utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{variable} must name a readable file ({error.strerror})") from None
    except ValueError:
        raise SettingsError(f"{variable} must name a text file") from None
    if not content:
        raise SettingsError(f"{variable} must not name an empty file")
    return content


def _shorten_to_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_SHOWN_CHARACTERS else f"{line[:MAX_SHOWN_CHARACTERS]}…"
