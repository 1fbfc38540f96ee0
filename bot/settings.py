"""The bot's settings, read once from the environment."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import NoDecode

from contract.job import Display
from contract.settings import Settings as Base
from contract.settings import revealed

SLACK: Final = "https://slack.com/api/"

Port = Annotated[int, Field(ge=1, le=65535)]
Answer = Literal["allow", "deny"]


def _expected(what: str) -> dict[str, Any]:
    return {"expected": what}


class Settings(Base):
    """Everything that can be set about the bot."""

    slack_bot_token: SecretStr = Field(
        description="Token of the bot user.",
        json_schema_extra=_expected("a bot token: it starts with xoxb-"),
    )
    slack_app_token: SecretStr | None = Field(
        default=None,
        description="App-level token for Socket Mode; without it the bot serves HTTP on `PORT`.",
        json_schema_extra=_expected("an app-level token: it starts with xapp-"),
    )
    slack_signing_secret: SecretStr | None = Field(
        default=None,
        description="Signing secret; needed without `SLACK_APP_TOKEN`.",
        json_schema_extra=_expected("the app's signing secret"),
    )
    slack_api_url: str = Field(
        default=SLACK,
        pattern=r"^https?://[^\s]+/$",
        description="Where Slack's Web API is.",
        json_schema_extra=_expected("an address that starts with http and ends with /api/"),
    )
    redis_url: SecretStr = Field(
        default=SecretStr("redis://127.0.0.1:6379/0"),
        description="Where Redis is.",
        json_schema_extra=_expected("an address that starts with redis://, rediss:// or unix://"),
    )
    port: Port = Field(
        default=3000,
        description="Port for Slack's requests, used without `SLACK_APP_TOKEN`.",
        json_schema_extra=_expected("a port from 1 to 65535"),
    )
    health_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Port for `/healthz`, `/readyz` and `/metrics`; 0 for none.",
        json_schema_extra=_expected("a port from 0 to 65535"),
    )
    starchat_log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO",
        description="The least important events that are logged; texts of messages never are.",
        json_schema_extra=_expected("DEBUG, INFO, WARNING or ERROR"),
    )
    starchat_display: Display = Field(
        default=Display.EDIT,
        description="How a reply grows: `stream`, `edit`, or `final` for the whole text at once.",
        json_schema_extra=_expected("stream, edit or final"),
    )
    starchat_most_pending: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="How many questions may be unanswered before new ones are declined.",
        json_schema_extra=_expected("a whole number from 1 to 100000"),
    )
    starchat_most_per_person: int = Field(
        default=8,
        ge=1,
        le=10_000,
        description="How many of them may be one person's.",
        json_schema_extra=_expected("a whole number from 1 to 10000"),
    )
    starchat_slots_per_person: int = Field(
        default=4,
        ge=1,
        le=1_000,
        description="How many of one person's questions are answered at the same time.",
        json_schema_extra=_expected("a whole number from 1 to 1000"),
    )
    starchat_external_users: Answer = Field(
        default="deny",
        description="People of other workspaces in shared channels: `allow` or `deny`.",
        json_schema_extra=_expected("allow or deny"),
    )
    starchat_guests: Answer = Field(
        default="allow",
        description="Guests of the own workspace: `allow` or `deny`.",
        json_schema_extra=_expected("allow or deny"),
    )
    starchat_allowed_bots: Annotated[frozenset[str], NoDecode] = Field(
        default=frozenset(),
        description="Ids of other bots that may ask by a mention, with commas; none by default.",
        json_schema_extra=_expected("ids of bots, apps or users with commas between them"),
    )

    @field_validator("slack_bot_token", "slack_app_token")
    @classmethod
    def _token(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        # A bot token that rotates starts with "xoxe.".
        starts = ("xoxb-", "xoxe.xoxb-") if info.field_name == "slack_bot_token" else ("xapp-",)
        if value is not None and not revealed(value).startswith(starts):
            raise ValueError("not such a token")
        return value

    @field_validator("redis_url")
    @classmethod
    def _address(cls, value: SecretStr) -> SecretStr:
        if not revealed(value).startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("not an address")
        return value

    @field_validator("starchat_allowed_bots", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        ids = frozenset(part.strip() for part in value.split(",") if part.strip())
        if not all(i.isalnum() and i.isascii() for i in ids):
            raise ValueError("not ids")
        return ids

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.slack_app_token is None and self.slack_signing_secret is None:
            raise ValueError(
                "SLACK_APP_TOKEN is not set: it must be an app-level token for Socket Mode, "
                "or SLACK_SIGNING_SECRET must be set for HTTP"
            )
        return self
