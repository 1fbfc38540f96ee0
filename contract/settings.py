"""Environment settings, parsed once at startup. An invalid one is one line for the operator."""

import argparse
import os
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import pydantic_settings
import structlog
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, SettingsConfigDict

log = structlog.get_logger()

MAX_SHOWN_CHARACTERS: Final = 80
"""An error line repeats at most this much of a wrong value."""
URL_PASSWORD: Final = re.compile(r"//[^/ ]*@")
"""User and password of an address; no error line repeats them."""
HELP_WIDTH_COLUMNS: Final = 78
"""Width of a line of help."""


class SettingsError(Exception):
    """A setting that cannot be used. The message names variable, value and expectation."""


class EnvironmentSettings(BaseSettings):
    """
    Settings of one process: frozen, secrets masked.

    Each field is the environment variable of the same name in capitals. A secret `X` may also be
    given as a file in `X_FILE`. `setting_field` defines the fields.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    former_names: ClassVar[Mapping[str, str]] = {}
    """Variables of earlier versions, each with its new name; setting one stops the start."""

    @classmethod
    def from_environment(cls) -> Self:
        """Parse the environment. Raises `SettingsError` with one line for the first wrong value."""
        cls._check_variable_names()
        try:
            return cls(**cls._load_secrets_from_files())
        except ValidationError as error:
            raise SettingsError(cls._describe_error(error)) from None
        except pydantic_settings.SettingsError as error:
            # A list or mapping that is no JSON: the message quotes the name of the field.
            name = str(error).split('"')[1]
            raw_value = os.environ.get(name.upper(), "")
            raise SettingsError(cls._describe_wrong_value(name, raw_value, "valid JSON")) from None

    def reload_secret(self, name: str) -> str:
        """Return a secret as its file holds it now; its value at the start if that is invalid."""
        try:
            settings = self.from_environment()
        except SettingsError as error:
            log.error("settings not reloaded", reason=str(error))  # noqa: TRY400
            settings = self
        secret: SecretStr = getattr(settings, name)
        return secret.get_secret_value()

    @classmethod
    def parse_command_line(cls, program: str, description: str) -> None:
        """
        Answer `--help` with all settings, and refuse any other argument.

        Raises `SystemExit` in both cases.
        """
        argparse.ArgumentParser(
            prog=f"python -m {program}",
            description=description,
            epilog=cls.describe_variables(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        ).parse_args()

    @classmethod
    def describe_variables(cls) -> str:
        """Return each variable with its default, effect and valid values, for a terminal."""
        lines = ["environment variables; a secret X may also be a file named by X_FILE:"]
        for name, field in cls.model_fields.items():
            default = describe_default(field)
            remark = f" (default: {default})" if default else ""
            remark = " (required)" if field.is_required() else remark
            lines += [
                f"  {name.upper()}: {describe_expectation(field)}{remark}",
                textwrap.fill(
                    str(field.description).replace("`", ""),
                    HELP_WIDTH_COLUMNS,
                    initial_indent=" " * 6,
                    subsequent_indent=" " * 6,
                ),
            ]
        return "\n".join(lines)

    @field_validator("*", mode="before")
    @classmethod
    def _strip_white_space(cls, value: object) -> object:
        """Remove the line end that an editor or a secret store has added."""
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        return value.strip() if isinstance(value, str) else value

    @classmethod
    def _check_variable_names(cls) -> None:
        """Raise `SettingsError` if a variable has a former name."""
        for former, name in cls.former_names.items():
            if os.environ.get(former):
                raise SettingsError(f"{former} is now called {name}: set {name} instead")

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
            expectation = describe_expectation(cls.model_fields[name], "given")
            return f"{name.upper()} is not set: it must be {expectation}"
        return cls._describe_wrong_value(name, details["input"], reason.lower())

    @classmethod
    def _describe_wrong_value(cls, name: str, raw_value: object, fallback: str) -> str:
        field = cls.model_fields[name]
        value = "the given one" if _is_secret(field) else f"'{_shorten_to_line(str(raw_value))}'"
        return f"{name.upper()} must be {describe_expectation(field, fallback)}, not {value}"


def setting_field(default: Any, expected: str, description: str, **constraints: Any) -> Any:
    """
    Return a field of `EnvironmentSettings`; `default` is `...` for a required one.

    Error lines, help and docs/settings.md show `expected` and `description`. pydantic checks the
    `constraints`.
    """
    return Field(
        default=default,
        description=description,
        json_schema_extra={"expected": expected},
        validate_default=False,
        **constraints,
    )


def describe_expectation(field: FieldInfo, fallback: str = "text") -> str:
    """Return what a value of the field must be."""
    extra = field.json_schema_extra
    return str(extra.get("expected", fallback)) if isinstance(extra, dict) else fallback


def describe_default(field: FieldInfo) -> str:
    """Return the field's default as an operator would write it; empty if there is none."""
    value: Any = field.default
    if value is PydanticUndefined or value is ... or value is None:
        return ""
    if hasattr(value, "get_secret_value"):
        value = value.get_secret_value()
    if isinstance(value, frozenset | tuple):
        return ",".join(sorted(value))
    return str(getattr(value, "value", value))


def _is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation)


def _read_secret_file(variable: str, path: str) -> str:
    """Return a secret file's content without surrounding white space. Raises `SettingsError`."""
    # The path is not repeated: it may be the secret itself, set in the wrong variable.
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
    line = URL_PASSWORD.sub("//…@", " ".join(text.split()))
    return line if len(line) <= MAX_SHOWN_CHARACTERS else f"{line[:MAX_SHOWN_CHARACTERS]}…"
