"""Former names of settings stop the start of both processes and give the new name."""

import os
import signal
import sys
from types import ModuleType

import pytest

import bot.__main__
import bot.settings
import worker.__main__
import worker.settings

SETTINGS_ERROR_EXIT_CODE = 2
FORMER_NAMES = bot.settings.Settings.former_names
PROCESSES = {"bot": bot.__main__, "worker": worker.__main__}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without any setting, and a command line without arguments."""
    for name in os.environ:
        if name.startswith(("STARCHAT_", "SLACK_", "REDIS_")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "argv", ["starchat"])
    # The bot blocks SIGTERM and waits for it in a thread: both would outlive the test, and every
    # process that a later test starts would inherit the blocked signal.
    monkeypatch.setattr(signal, "pthread_sigmask", lambda *_: None)
    monkeypatch.setattr(bot.__main__, "_stop_on_signal", lambda _stop: None)
    return monkeypatch


@pytest.mark.parametrize("former", sorted(FORMER_NAMES))
@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
def test_former_name_stops_start(
    process: ModuleType,
    former: str,
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The exit status is 2, and the only line names both the former and the new variable."""
    environment.setenv(former, "5")

    assert process.main() == SETTINGS_ERROR_EXIT_CODE

    name = FORMER_NAMES[former]
    package = process.__name__.split(".")[0]
    line = f"{package}: {former} is now called {name}: set {name} instead\n"
    assert capsys.readouterr().err == line


def test_former_names_are_free_and_new_names_exist() -> None:
    """Each former name belongs to no setting, and each new name to one."""
    fields = {*bot.settings.Settings.model_fields, *worker.settings.Settings.model_fields}
    names = {name.upper() for name in fields}

    assert not set(FORMER_NAMES) & names
    assert set(FORMER_NAMES.values()) <= names


def test_empty_former_name_counts_as_unset(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty variable is no setting, under its former name either."""
    environment.setenv("STARCHAT_BEAT", "")

    assert worker.__main__.main() == SETTINGS_ERROR_EXIT_CODE
    assert "SLACK_BOT_TOKEN is not set" in capsys.readouterr().err
