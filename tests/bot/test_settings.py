"""A wrong setting is one line for a person; a right one is a frozen value without secrets."""

import pytest
from pydantic import SecretStr

from bot.settings import Settings
from contract.job import Streaming
from contract.settings import SettingsError

TOKENS = {"SLACK_BOT_TOKEN": "xoxb-1-secret", "SLACK_APP_TOKEN": "xapp-1-secret"}


@pytest.fixture(autouse=True)
def clear_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every variable of ours out of the environment."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def set_environment(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """Set variables beside the tokens."""
    for name, value in (TOKENS | variables).items():
        monkeypatch.setenv(name, value)


def test_two_tokens_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything but the tokens has a default."""
    set_environment(monkeypatch)
    settings = Settings.from_environment()

    assert settings.slack_bot_token.get_secret_value() == "xoxb-1-secret"
    assert settings.starchat_streaming is Streaming.EDITS
    assert settings.starchat_external_users == "deny"
    assert "1-secret" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SLACK_BOT_TOKEN", "xoxp-1", "a bot token"),
        ("SLACK_APP_TOKEN", "oops", "an app-level token"),
        ("SLACK_API_URL", "https://slack.com/api", "ends with /api/"),
        ("REDIS_URL", "localhost:6379", "redis://"),
        ("PORT", "many", "a port from 1 to 65535"),
        ("HEALTH_PORT", "65536", "a port from 0 to 65535"),
        ("STARCHAT_LOG_LEVEL", "loud", "DEBUG, INFO, WARNING or ERROR"),
        ("STARCHAT_STREAMING", "shout", "edits or off"),
        ("STARCHAT_MAX_PENDING", "0", "a whole number from 1 to 100000"),
        ("STARCHAT_EXTERNAL_USERS", "denied", "allow or deny"),
        ("STARCHAT_GUESTS", "yes", "allow or deny"),
        ("STARCHAT_ALLOWED_BOTS", "B1,../x", "ids of bots"),
    ],
)
def test_a_wrong_setting_is_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    """The line names the variable and what was expected, and no secret."""
    set_environment(monkeypatch, **{name: value})
    with pytest.raises(SettingsError) as error:
        Settings.from_environment()
    line = str(error.value)

    assert line.startswith(f"{name} must be ")
    assert expected in line
    assert "\n" not in line
    assert "TOKEN" not in name or value not in line


def test_a_bot_token_in_the_place_of_an_app_token_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The two tokens are easily mixed up; the start says so."""
    set_environment(monkeypatch, SLACK_APP_TOKEN="xoxb-1")
    with pytest.raises(SettingsError, match="SLACK_APP_TOKEN must be an app-level token"):
        Settings.from_environment()


def test_without_an_app_token_the_signing_secret_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """HTTP mode is never served without a way to tell Slack from others."""
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    with pytest.raises(SettingsError, match=r"SLACK_APP_TOKEN is not set.*SLACK_SIGNING_SECRET"):
        Settings.from_environment()

    monkeypatch.setenv("SLACK_SIGNING_SECRET", "shh")
    assert Settings.from_environment().port == 3000


def test_a_missing_token_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any setting the first line says what to set."""
    with pytest.raises(SettingsError, match="SLACK_BOT_TOKEN is not set: it must be a bot token"):
        Settings.from_environment()


def test_bots_are_listed_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """The allow list is forgiving about spaces."""
    set_environment(monkeypatch, STARCHAT_ALLOWED_BOTS="B01, U02,,")

    assert Settings.from_environment().starchat_allowed_bots == {"B01", "U02"}


def test_settings_given_in_code_are_taken_as_they_are() -> None:
    """Code that builds settings itself gives values, not text."""
    settings = Settings(
        slack_bot_token=SecretStr("xoxb-1"),
        slack_signing_secret=SecretStr("shh"),
        starchat_allowed_bots=frozenset({"B1"}),
    )

    assert settings.starchat_allowed_bots == {"B1"}
