"""Bot settings: defaults, one error line per invalid variable, masked secrets."""

import pytest
from pydantic import SecretStr

from bot.settings import Settings
from contract.job import Streaming
from contract.settings import SettingsError

TOKENS = {"SLACK_BOT_TOKEN": "xoxb-1-secret", "SLACK_APP_TOKEN": "xapp-1-secret"}


@pytest.fixture(autouse=True)
def clear_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove all settings from the environment."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def set_environment(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """Set variables, in addition to the tokens."""
    for name, value in (TOKENS | variables).items():
        monkeypatch.setenv(name, value)


def test_tokens_are_the_only_required_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every other setting has a default."""
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
        ("DATABASE_URL", "mysql://h/d", "sqlite:////data/starchat.db"),
        ("PORT", "many", "a port from 1 to 65535"),
        ("HEALTH_PORT", "65536", "a port from 0 to 65535"),
        ("STARCHAT_LOG_LEVEL", "loud", "DEBUG, INFO, WARNING or ERROR"),
        ("STARCHAT_STREAMING", "shout", "edits or off"),
        ("STARCHAT_MAX_PENDING", "0", "a whole number from 1 to 100000"),
        ("STARCHAT_EXTERNAL_USERS", "denied", "allow or deny"),
        ("STARCHAT_GUESTS", "yes", "allow or deny"),
        ("STARCHAT_ALLOWED_BOTS", "B01,../x", "ids of bots"),
        ("STARCHAT_ALLOWED_BOTS", "jenkins", "ids of bots"),
        ("STARCHAT_ALLOWED_BOTS", "b0123456", "ids of bots"),
    ],
)
def test_invalid_setting_gives_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    """The line gives the variable and what it must be, and no secret."""
    set_environment(monkeypatch, **{name: value})
    with pytest.raises(SettingsError) as error:
        Settings.from_environment()
    line = str(error.value)

    assert line.startswith(f"{name} must be ")
    assert expected in line
    assert "\n" not in line
    assert "TOKEN" not in name or value not in line


def test_bot_token_as_app_token_is_rejected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The tokens are easily confused; the line says which one is wrong."""
    set_environment(monkeypatch, SLACK_APP_TOKEN="xoxb-1")
    with pytest.raises(SettingsError, match="SLACK_APP_TOKEN must be an app-level token"):
        Settings.from_environment()


def test_http_mode_requires_signing_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without an app token the bot must be able to verify Slack's signatures."""
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    with pytest.raises(SettingsError, match=r"SLACK_APP_TOKEN is not set.*SLACK_SIGNING_SECRET"):
        Settings.from_environment()

    monkeypatch.setenv("SLACK_SIGNING_SECRET", "shh")
    assert Settings.from_environment().port == 3000


def test_missing_token_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any setting, the line gives the first variable to set."""
    with pytest.raises(SettingsError, match="SLACK_BOT_TOKEN is not set: it must be a bot token"):
        Settings.from_environment()


def test_allowed_bots_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spaces and empty entries are ignored."""
    set_environment(monkeypatch, STARCHAT_ALLOWED_BOTS="B01, U02,,")

    assert Settings.from_environment().starchat_allowed_bots == {"B01", "U02"}


def test_settings_accept_values_from_code() -> None:
    """Code may pass values instead of text."""
    settings = Settings(
        slack_bot_token=SecretStr("xoxb-1"),
        slack_signing_secret=SecretStr("shh"),
        starchat_allowed_bots=frozenset({"B1"}),
    )

    assert settings.starchat_allowed_bots == {"B1"}
