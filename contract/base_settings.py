"""The settings that both processes have: the way to Slack and to Redis, health, logs."""

from typing import Final, Literal

from pydantic import SecretStr, field_validator

from contract.settings import EnvironmentSettings, setting_field

BOT_TOKEN_PREFIXES: Final = ("xoxb-", "xoxe.xoxb-")
"""How a bot token begins; one that rotates begins with the second."""
REDIS_URL_PREFIXES: Final = ("redis://", "rediss://", "unix://")
"""How an address that redis-py can use begins."""


class BaseSettings(EnvironmentSettings):
    """What bot and worker read alike."""

    slack_bot_token: SecretStr = setting_field(
        ..., "a bot token: it starts with xoxb-", "Token of the bot user."
    )
    slack_api_url: str = setting_field(
        "https://slack.com/api/",
        "an address that starts with http and ends with /api/",
        "Where Slack's Web API is; another address for a workspace on this machine.",
        pattern=r"^https?://\S+/api/$",
    )
    redis_url: SecretStr = setting_field(
        SecretStr("redis://127.0.0.1:6379/0"),
        "an address that starts with redis://, rediss:// or unix://",
        "Redis or Valkey that bot and worker share.",
    )
    health_port: int = setting_field(
        0,
        "a port from 0 to 65535",
        "Port for `/healthz`, `/readyz` and `/metrics`; 0 for none.",
        ge=0,
        le=65535,
    )
    starchat_log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = setting_field(
        "INFO",
        "DEBUG, INFO, WARNING or ERROR",
        "The least important events that are logged; texts of messages never are.",
    )

    @field_validator("slack_bot_token")
    @classmethod
    def _check_bot_token(cls, value: SecretStr) -> SecretStr:
        return require_prefix(value, BOT_TOKEN_PREFIXES)

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, value: SecretStr) -> SecretStr:
        return require_prefix(value, REDIS_URL_PREFIXES)


def require_prefix(value: SecretStr, prefixes: tuple[str, ...]) -> SecretStr:
    """Return a secret that begins as it should. Raises `ValueError`, which quotes nothing."""
    if not value.get_secret_value().startswith(prefixes):
        raise ValueError("does not start with an accepted prefix")
    return value
