"""Settings of the bot, parsed once from the environment."""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode
from redis import ConnectionPool

from bot.database_url import check_database_url
from bot.failpoints import Failpoints
from contract.base_settings import BaseSettings, require_token
from contract.job import Streaming
from contract.settings import EnvironmentSettings, setting_field

APP_TOKEN_PREFIXES: Final = ("xapp-",)
"""Prefix of an app-level token."""

BOT_ID: Final = re.compile(r"[ABUW][A-Z0-9]{2,63}", re.ASCII)
"""Slack's id of an app, a bot or a user."""
USER_ID: Final = re.compile(r"[UW][A-Z0-9]{2,63}", re.ASCII)
"""Slack's id of a user."""

Access = Literal["allow", "deny"]


class DatabaseSettings(EnvironmentSettings):
    """The bot's database. The export of the votes needs no other settings."""

    database_url: SecretStr = setting_field(
        SecretStr("sqlite:///starchat.db"),
        "an address such as sqlite:////data/starchat.db, with the path of a file, or "
        "postgresql://user:password@host/database",
        "Database of the records that outlast Redis. An SQLite file serves the bots of one "
        "machine; a path with three slashes begins in the working directory.",
    )
    starchat_votes_retention_days: int = setting_field(
        365,
        "a whole number from 1 to 3650",
        "Days that votes stay in the database. The texts of a reply stay no longer after its post.",
        ge=1,
        le=3650,
    )

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, value: SecretStr) -> SecretStr:
        check_database_url(value.get_secret_value())
        return value


class Settings(DatabaseSettings, BaseSettings):
    """Everything an operator may choose for a bot."""

    slack_app_token: SecretStr | None = setting_field(
        None,
        "an app-level token, which starts with xapp-",
        "App-level token for Socket Mode. Without it the bot serves HTTP on `PORT`.",
    )
    slack_signing_secret: SecretStr | None = setting_field(
        None,
        "the app's signing secret",
        "Verifies Slack's HTTP requests; required without `SLACK_APP_TOKEN`.",
    )
    port: int = setting_field(
        3000,
        "a port from 1 to 65535",
        "Port for Slack's HTTP requests; unused with Socket Mode.",
        ge=1,
        le=65535,
    )
    starchat_streaming: Streaming = setting_field(
        Streaming.EDITS,
        "edits or off",
        "Show a reply in progress by `edits` of its message, or post it when complete (`off`).",
    )
    starchat_on_edit: Literal["restart", "finish"] = setting_field(
        "restart",
        "restart or finish",
        "When a question is edited during its reply: `restart` with the new text, or `finish`.",
    )
    starchat_max_pending: int = setting_field(
        1000,
        "a whole number from 1 to 100000",
        "Maximum number of unanswered questions; further ones are declined.",
        ge=1,
        le=100_000,
    )
    starchat_max_pending_per_user: int = setting_field(
        8,
        "a whole number from 1 to 10000",
        "Maximum number of unanswered questions per user.",
        ge=1,
        le=10_000,
    )
    starchat_max_running_per_user: int = setting_field(
        4,
        "a whole number from 1 to 1000",
        "Maximum number of questions per user that are answered at the same time.",
        ge=1,
        le=1_000,
    )
    starchat_daily_gpu_seconds_per_user: int = setting_field(
        0,
        "a whole number of seconds from 0 to 1000000",
        "Budget of GPU time that the replies to one user may use in a UTC day; 0 is no budget. "
        "Further questions are declined until the next day. Administrators are exempt.",
        ge=0,
        le=1_000_000,
    )
    starchat_daily_gpu_seconds_per_channel: int = setting_field(
        0,
        "a whole number of seconds from 0 to 1000000",
        "The same for all replies in one channel. Direct messages have no budget of a channel.",
        ge=0,
        le=1_000_000,
    )
    starchat_external_users: Access = setting_field(
        "deny", "allow or deny", "Whether people from other workspaces in shared channels may ask."
    )
    starchat_guests: Access = setting_field(
        "allow", "allow or deny", "Whether guests of the workspace may ask."
    )
    starchat_allowed_bots: Annotated[frozenset[str], NoDecode] = setting_field(
        frozenset(),
        "ids of bots, apps or users with commas between them",
        "Other bots that may ask by a mention.",
    )
    starchat_admins: Annotated[frozenset[str], NoDecode] = setting_field(
        frozenset(),
        "ids of Slack users with commas between them",
        "Administrators: people who may stop and delete all replies and change the rules of all "
        "channels.",
    )
    starchat_research_notice: Literal["on", "off"] = setting_field(
        "on",
        "on or off",
        "Tell each person once, in private, that the model is for education and research only "
        "(`on`). The Home tab always says so.",
    )
    starchat_channels_file: str = setting_field(
        "",
        "the path of a TOML file",
        "Rules of channels as a file, read at the start; its keys override and lock those of "
        "`/starchat settings`. See docs/operations.md.",
    )
    starchat_votes_with_text: Literal["on", "off"] = setting_field(
        "off",
        "on or off",
        "Store the conversation and the reply beside a vote (`on`), for which the workspace must "
        "have consented, or the vote without text (`off`).",
    )
    starchat_failpoint: str = setting_field(
        "",
        "failpoint:kill or failpoint:pause",
        "For tests: kill or pause the process at a named point; see bot/failpoints.py.",
    )

    @field_validator("slack_app_token")
    @classmethod
    def _check_app_token(cls, value: SecretStr | None) -> SecretStr | None:
        return require_token(value, APP_TOKEN_PREFIXES) if value else None

    @classmethod
    def try_redis_url(cls, url: str) -> None:
        """See `BaseSettings`."""
        ConnectionPool.from_url(url).make_connection()

    @field_validator("slack_signing_secret")
    @classmethod
    def _check_signing_secret(cls, value: SecretStr | None) -> SecretStr | None:
        return require_token(value) if value else None

    @field_validator("starchat_allowed_bots", mode="before")
    @classmethod
    def _split_bot_ids(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        ids = frozenset(part.strip() for part in value.split(",") if part.strip())
        if not all(re.fullmatch(BOT_ID, i) for i in ids):
            raise ValueError("contains something other than ids")
        return ids

    @field_validator("starchat_admins", mode="before")
    @classmethod
    def _split_user_ids(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        ids = frozenset(part.strip() for part in value.split(",") if part.strip())
        if not all(re.fullmatch(USER_ID, user) for user in ids):
            raise ValueError("contains something other than ids of users")
        return ids

    @field_validator("starchat_failpoint")
    @classmethod
    def _check_failpoints(cls, text: str) -> str:
        Failpoints.parse_plan(text)
        return text

    @model_validator(mode="after")
    def _require_slack_credentials(self) -> Self:
        if self.slack_app_token is None and self.slack_signing_secret is None:
            raise ValueError(
                "SLACK_APP_TOKEN is not set: it must be an app-level token for Socket Mode, "
                "or SLACK_SIGNING_SECRET must be set for HTTP"
            )
        return self
