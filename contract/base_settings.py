"""Settings of both processes: access to Slack and Redis, health port, log level."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import ClassVar, Final, Literal

from pydantic import SecretStr, field_validator

from contract.listening_socket import describe_address_error
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
    health_host: str = setting_field(
        "",
        "an IPv4 or IPv6 address",
        "Address that `HEALTH_PORT` is bound to; unset, all IPv4 and IPv6 addresses.",
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

    @field_validator("health_host")
    @classmethod
    def _check_health_host(cls, value: str) -> str:
        host = value.strip().removeprefix("[").removesuffix("]")
        return host and str(ip_address(host))

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, value: SecretStr) -> SecretStr:
        return require_prefix(value, REDIS_URL_PREFIXES)

    def describe_health_error(self, error: OSError) -> str:
        """Return one line for an operator about a health address that cannot be bound."""
        if not self.health_host:
            return describe_address_error("HEALTH_PORT", self.health_port, error)
        value = f"{self.health_host} port {self.health_port}"
        return describe_address_error("HEALTH_HOST with HEALTH_PORT", value, error)


def require_prefix(value: SecretStr, prefixes: tuple[str, ...]) -> SecretStr:
    """Return a secret that has one of the prefixes. Raises `ValueError`, which quotes nothing."""
    if not value.get_secret_value().startswith(prefixes):
        raise ValueError("does not start with an accepted prefix")
    return value
