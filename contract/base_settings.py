"""Settings of both processes: access to Slack and Redis, health port, log level."""

from collections.abc import Mapping
from typing import ClassVar, Final, Literal

from pydantic import SecretStr, field_validator

from contract.settings import EnvironmentSettings, setting_field

BOT_TOKEN_PREFIXES: Final = ("xoxb-", "xoxe.xoxb-")
"""Prefixes of a bot token; the second belongs to rotating tokens."""
REDIS_URL_PREFIXES: Final = ("redis://", "rediss://", "unix://")
"""Schemes that redis-py supports."""


class BaseSettings(EnvironmentSettings):
    """Settings that bot and worker have in common."""

    former_names: ClassVar[Mapping[str, str]] = {
        "STARCHAT_MOST_PENDING": "STARCHAT_MAX_PENDING",
        "STARCHAT_MOST_PER_PERSON": "STARCHAT_MAX_PENDING_PER_USER",
        "STARCHAT_SLOTS_PER_PERSON": "STARCHAT_MAX_RUNNING_PER_USER",
        "STARCHAT_DISPLAY": "STARCHAT_STREAMING",
        "STARCHAT_EDITED": "STARCHAT_ON_EDIT",
        "STARCHAT_SPECULATION": "STARCHAT_SPECULATIVE_TOKENS",
        "STARCHAT_LEASE": "STARCHAT_LEASE_SECONDS",
        "STARCHAT_BEAT": "STARCHAT_HEARTBEAT_INTERVAL",
        "STARCHAT_REAP": "STARCHAT_REAP_INTERVAL",
        "STARCHAT_ATTEMPTS": "STARCHAT_MAX_ATTEMPTS",
        "STARCHAT_GRACE": "STARCHAT_SHUTDOWN_GRACE",
        "STARCHAT_EDIT_PACE": "STARCHAT_EDIT_INTERVAL",
        "STARCHAT_FAULT": "STARCHAT_FAILPOINT",
    }
    """Both processes reject the former names of all settings: they often share an environment."""

    slack_bot_token: SecretStr = setting_field(
        ...,
        "a bot token, which starts with xoxb-",
        "Bot token, which authenticates calls of the Web API.",
    )
    slack_api_url: str = setting_field(
        "https://slack.com/api/",
        "an address that starts with http and ends with /api/",
        "Base address of Slack's Web API; `fakeslack` has another one.",
        pattern=r"^https?://\S+/api/$",
    )
    redis_url: SecretStr = setting_field(
        SecretStr("redis://127.0.0.1:6379/0"),
        "an address that starts with redis://, rediss:// or unix://",
        "Redis or Valkey server that bot and worker share.",
    )
    health_port: int = setting_field(
        0,
        "a port from 0 to 65535",
        "Port of `/healthz`, `/readyz` and `/metrics`; 0 disables them.",
        ge=0,
        le=65535,
    )
    starchat_log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = setting_field(
        "INFO",
        "DEBUG, INFO, WARNING or ERROR",
        "Minimum level of log events. No level logs message text.",
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
    """Return a secret that has one of the prefixes. Raises `ValueError`, which quotes nothing."""
    if not value.get_secret_value().startswith(prefixes):
        raise ValueError("does not start with an accepted prefix")
    return value
