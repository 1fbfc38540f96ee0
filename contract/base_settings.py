"""Settings of both processes: access to Slack and Redis, health port, log level."""

import os
from collections.abc import Mapping
from typing import ClassVar, Final, Literal, Self

from pydantic import SecretStr, field_validator, model_validator

from contract.addresses import check_http_url, check_redis_url, normalize_ip_address
from contract.listening_socket import describe_address_error
from contract.proxies import PROXY_VARIABLES
from contract.settings import EnvironmentSettings, SettingsError, setting_field
from contract.variable_names import find_unknown_variables

BOT_TOKEN_PREFIXES: Final = ("xoxb-", "xoxe.xoxb-")
"""Prefixes of a bot token; the second belongs to rotating tokens."""
REDIS_CLUSTER_ERROR: Final = (
    "REDIS_URL must be the address of one Redis server, not of a node of a Redis Cluster"
)
"""Message of both processes, which check this as soon as Redis answers."""


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
        "an address that starts with redis://, rediss:// or unix://, in whose password each of "
        "%#/?@ is written as %25, %23, %2F, %3F or %40",
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

    @classmethod
    def try_redis_url(cls, url: str) -> None:
        """Raise any exception if the process' Redis library cannot use an address."""

    @field_validator("slack_bot_token")
    @classmethod
    def _check_bot_token(cls, value: SecretStr) -> SecretStr:
        return require_token(value, BOT_TOKEN_PREFIXES)

    @field_validator("slack_api_url")
    @classmethod
    def _check_api_url(cls, value: str) -> str:
        check_http_url(value)
        return value

    @field_validator("health_host")
    @classmethod
    def _check_health_host(cls, value: str) -> str:
        return value and normalize_ip_address(value)

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        check_redis_url(url)
        try:
            cls.try_redis_url(url)
        except Exception:  # noqa: BLE001 - next line
            # The library may raise anything, with the password in its message.
            raise ValueError("cannot be used") from None
        return value

    @model_validator(mode="after")
    def _check_proxies(self) -> Self:
        for variable in PROXY_VARIABLES["https"]:
            proxy = os.environ.get(variable, "").strip() or "http://unset"
            try:
                check_http_url(proxy, ("http://",))
            except ValueError:
                expected = "must be an address that starts with http://"
                raise ValueError(f"{variable} {expected}, not the given one") from None
        return self

    @classmethod
    def _check_variable_names(cls) -> None:
        """Raise `SettingsError` if a variable has a former or a misspelt name."""
        super()._check_variable_names()
        former = cls.former_names.keys()
        for variable, setting in find_unknown_variables().items():
            if setting and variable not in former:
                raise SettingsError(f"{variable} is no setting: did you mean {setting}?")

    def describe_health_error(self, error: OSError) -> str:
        """Return one line for an operator about a health address that cannot be bound."""
        if not self.health_host:
            return describe_address_error("HEALTH_PORT", self.health_port, error)
        value = f"{self.health_host} port {self.health_port}"
        return describe_address_error("HEALTH_HOST with HEALTH_PORT", value, error)


def require_token(value: SecretStr, prefixes: tuple[str, ...] = ("",)) -> SecretStr:
    """
    Return a token that has one of the prefixes and can be sent in an HTTP header.

    Raises `ValueError`, which quotes nothing.
    """
    token = value.get_secret_value()
    if not token.startswith(prefixes) or token in prefixes:
        raise ValueError("does not start with an accepted prefix")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise ValueError("contains something other than visible ASCII characters")
    return value
