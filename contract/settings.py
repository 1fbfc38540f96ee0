"""Reads a process's settings from the environment once; a wrong one is one line for a person."""

import argparse
import os
import textwrap
from pathlib import Path
from typing import Any, Final, Self

import pydantic_settings
from pydantic import Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

SHOWN: Final = 80
"""Characters of a wrong value that an error line repeats."""
WIDTH: Final = 72
"""Characters of a line of help."""


class SettingsError(Exception):
    """A setting that cannot be used: names the variable, its value and what was expected."""


class Settings(BaseSettings):
    """
    The settings of one process: frozen, secrets masked.

    Each field is the variable of the same name in capitals; the value of a secret `X` may also
    stand in the file that `X_FILE` names. `setting` makes the fields.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    @classmethod
    def read(cls) -> Self:
        """Read the environment. Raises `SettingsError` with one line for the first wrong value."""
        try:
            return cls(**cls._from_files())
        except ValidationError as error:
            raise SettingsError(cls._line(error)) from None
        except pydantic_settings.SettingsError as error:
            # A list or the like that is no JSON: the message quotes the name of the field.
            name = str(error).split('"')[1]
            given = os.environ.get(name.upper(), "")
            raise SettingsError(cls._wrong(name, given, "JSON of what is expected")) from None

    @classmethod
    def answer_help(cls, name: str, about: str) -> None:
        """Read the command line of `python -m name`, which takes nothing but `--help`, and obey."""
        argparse.ArgumentParser(
            prog=f"python -m {name}",
            description=about,
            epilog=cls.listed(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        ).parse_args()

    @classmethod
    def listed(cls) -> str:
        """Return every variable and what it is, for a terminal."""
        lines = ["environment variables; a secret X may stand in a file that X_FILE names:"]
        for name, field in cls.model_fields.items():
            needed = " (needed)" if field.is_required() else ""
            lines.append(f"  {name.upper()}{needed}")
            lines.append(textwrap.indent(textwrap.fill(str(field.description), WIDTH), " " * 6))
        return "\n".join(lines)

    @classmethod
    def _from_files(cls) -> dict[str, str]:
        found = {}
        for name, field in cls.model_fields.items():
            variable = f"{name.upper()}_FILE"
            path = os.environ.get(variable)
            if path and _is_secret(field) and not os.environ.get(name.upper()):
                found[name] = _content(variable, path)
        return found

    @classmethod
    def _line(cls, error: ValidationError) -> str:
        first = error.errors()[0]
        because = str(first["msg"]).removeprefix("Value error, ")
        if not first["loc"]:
            return " ".join(because.split())
        name = str(first["loc"][0])
        if first["type"] == "missing":
            return f"{name.upper()} is not set: it must be {cls._expected(name, 'given')}"
        return cls._wrong(name, first["input"], because.lower())

    @classmethod
    def _wrong(cls, name: str, given: object, otherwise: str) -> str:
        secret = _is_secret(cls.model_fields[name])
        value = "the given one" if secret else f"'{_one_line(str(given))}'"
        return f"{name.upper()} must be {cls._expected(name, otherwise)}, not {value}"

    @classmethod
    def _expected(cls, name: str, otherwise: str) -> str:
        extra = cls.model_fields[name].json_schema_extra
        return str(extra.get("expected", otherwise)) if isinstance(extra, dict) else otherwise


def setting(default: Any, expected: str, description: str, **limits: Any) -> Any:
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
        **limits,
    )


def revealed(secret: SecretStr) -> str:
    """Return a secret's value; the one place to look for who reads one."""
    return secret.get_secret_value()


def _is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation)


def _content(variable: str, path: str) -> str:
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


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}…"
