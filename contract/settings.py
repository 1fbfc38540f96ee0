"""Reads a process's settings from the environment once; a wrong one is one line for a person."""

import os
from pathlib import Path
from typing import Any, Self

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings.sources import EnvSettingsSource


class SettingsError(Exception):
    """A setting that cannot be used: names the variable, its value and what was expected."""


class _Files(EnvSettingsSource):
    """The variable `X_FILE` holds the path of a file with the value of the secret `X`."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        path = os.environ.get(f"{field_name.upper()}_FILE")
        if not path or not _is_secret(field):
            return None, field_name, False
        try:
            return Path(path).read_text("utf-8").strip(), field_name, False
        except OSError as error:
            variable = f"{field_name.upper()}_FILE"
            raise SettingsError(
                f"{variable} must name a readable file, not '{path}' ({error.strerror})"
            ) from error


def _is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation)


class Settings(BaseSettings):
    """
    The settings of one process: frozen, secrets masked.

    Each field is the variable of the same name in capitals. Its `description` is what the README
    says of it; `json_schema_extra={"expected": ...}` is what an error line says was expected.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read values given in code first, then the environment, then `X_FILE`."""
        return init_settings, env_settings, _Files(settings_cls)

    @classmethod
    def read(cls) -> Self:
        """Read the environment. Raises `SettingsError` with one line for the first wrong value."""
        try:
            return cls()
        except ValidationError as error:
            raise SettingsError(cls._line(error)) from None

    @classmethod
    def _line(cls, error: ValidationError) -> str:
        first = error.errors()[0]
        if not first["loc"]:
            return str(first["msg"]).removeprefix("Value error, ")
        name = str(first["loc"][0])
        field = cls.model_fields[name.lower()]
        extra = field.json_schema_extra
        expected = extra.get("expected") if isinstance(extra, dict) else None
        expected = expected or first["msg"].removeprefix("Value error, ").lower()
        if first["type"] == "missing":
            return f"{name.upper()} is not set: it must be {expected}"
        value = "the given one" if _is_secret(field) else f"'{first['input']}'"
        return f"{name.upper()} must be {expected}, not {value}"


def revealed(secret: SecretStr) -> str:
    """Return a secret's value; the one place to look for who reads one."""
    return secret.get_secret_value()
