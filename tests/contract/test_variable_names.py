"""Names of the variables STARCHAT_*: misspelt ones stop the start, others are logged."""

import os
import re
from pathlib import Path

import pytest
import structlog.testing

import bot.settings
import worker.settings
from contract.base_settings import BaseSettings
from contract.settings import SettingsError
from contract.variable_names import (
    KNOWN_NAMES,
    PREFIX,
    find_unknown_variables,
    log_unknown_variables,
)

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with the required token only."""
    for name in os.environ:
        if name.upper().startswith(PREFIX):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    return monkeypatch


@pytest.mark.parametrize(
    ("variable", "setting"),
    [
        ("STARCHAT_GUEST", "STARCHAT_GUESTS"),
        ("starchat_guest", "STARCHAT_GUESTS"),
        ("STARCHAT_EXTERNAL", "STARCHAT_EXTERNAL_USERS"),
        ("STARCHAT_EXTERNALS_USERS", "STARCHAT_EXTERNAL_USERS"),
        ("STARCHAT_CHANNEL_FILE", "STARCHAT_CHANNELS_FILE"),
        ("STARCHAT_ADMIN", "STARCHAT_ADMINS"),
        ("STARCHAT_SYSTEM_PROMPT_FILE", "STARCHAT_SYSTEM_PROMPT"),
        ("STARCHAT_TOP_K_FILE", "STARCHAT_TOP_K"),
    ],
)
def test_misspelt_setting_stops_start(
    environment: pytest.MonkeyPatch, variable: str, setting: str
) -> None:
    """The line gives the setting that was probably meant."""
    environment.setenv(variable, "deny")
    with pytest.raises(SettingsError) as error:
        BaseSettings.from_environment()

    assert str(error.value) == f"{variable} is no setting: did you mean {setting}?"


@pytest.mark.parametrize(
    "name",
    [
        *("BOT_SERVICE_HOST", "BOT_SERVICE_PORT", "BOT_SERVICE_PORT_HTTP", "BOT_PORT"),
        *("WORKER_PORT_8081_TCP", "WORKER_PORT_8081_TCP_ADDR", "PORT", "SERVICE_HOST", "VERSION"),
    ],
)
def test_foreign_variable_is_a_warning(environment: pytest.MonkeyPatch, name: str) -> None:
    """Kubernetes sets such variables for services whose names begin with `starchat`."""
    environment.setenv(f"STARCHAT_{name}", "tcp://10.0.0.1:8081")
    BaseSettings.from_environment()
    with structlog.testing.capture_logs() as logs:
        log_unknown_variables()

    (event,) = logs
    assert event == {
        "event": "variable is no setting",
        "log_level": "warning",
        "variable": f"STARCHAT_{name}",
    }


def test_valid_variables_are_accepted(environment: pytest.MonkeyPatch) -> None:
    """Each setting of both processes, empty variables, and what Makefile and Compose read."""
    fields = [*bot.settings.Settings.model_fields, *worker.settings.Settings.model_fields]
    settings = {name.upper() for name in fields if name.upper().startswith(PREFIX)}
    files = [REPOSITORY / name for name in ("docker-compose.yml", "Makefile", ".env.example")]
    read = {
        found
        for file in files
        for found in re.findall(r"\bSTARCHAT_[A-Z_]+", file.read_text("utf-8"))
    }
    for variable in settings | read | {"STARCHAT_ENGINE_KEY_FILE"}:
        environment.setenv(variable, "1")
    environment.setenv("STARCHAT_GUEST", "")

    assert not find_unknown_variables()
    known = settings | read | {"STARCHAT_ENGINE_KEY_FILE"}
    assert {f"{PREFIX}{name}" for name in KNOWN_NAMES} == known


def test_former_name_has_its_own_line(environment: pytest.MonkeyPatch) -> None:
    """A former name that resembles the new one is not called misspelt."""
    environment.setenv("STARCHAT_MOST_PENDING", "5")
    with pytest.raises(SettingsError, match=r"^STARCHAT_MOST_PENDING is now called"):
        BaseSettings.from_environment()
    environment.setenv("STARCHAT_MOST_PENDING", "")
    BaseSettings.from_environment()
