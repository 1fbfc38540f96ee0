"""The bot's settings, read once from the environment."""

from typing import Annotated, Final, Literal, Self

from pydantic import SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from bot.failpoints import Faults
from contract.base_settings import Shared, starting
from contract.job import Display
from contract.settings import setting

APP_TOKEN: Final = ("xapp-",)
"""How an app-level token begins."""

Answer = Literal["allow", "deny"]


class Settings(Shared):
    """Everything that can be set about the bot."""

    slack_app_token: SecretStr | None = setting(
        None,
        "an app-level token: it starts with xapp-",
        "App-level token for Socket Mode; without it the bot serves HTTP on `PORT`.",
    )
    slack_signing_secret: SecretStr | None = setting(
        None, "the app's signing secret", "Signing secret; needed without `SLACK_APP_TOKEN`."
    )
    port: int = setting(
        3000,
        "a port from 1 to 65535",
        "Port for Slack's requests, used without `SLACK_APP_TOKEN`.",
        ge=1,
        le=65535,
    )
    starchat_display: Display = setting(
        Display.EDIT,
        "edit or final",
        "How a reply grows: by `edit`s, or `final` for the whole text at once.",
    )
    starchat_edited: Literal["restart", "finish"] = setting(
        "restart",
        "restart or finish",
        "What a reply under way does when its question is edited: `restart`, or `finish` first.",
    )
    starchat_most_pending: int = setting(
        1000,
        "a whole number from 1 to 100000",
        "How many questions may be unanswered before new ones are declined.",
        ge=1,
        le=100_000,
    )
    starchat_most_per_person: int = setting(
        8,
        "a whole number from 1 to 10000",
        "How many of them may be one person's.",
        ge=1,
        le=10_000,
    )
    starchat_slots_per_person: int = setting(
        4,
        "a whole number from 1 to 1000",
        "How many of one person's questions are answered at the same time.",
        ge=1,
        le=1_000,
    )
    starchat_external_users: Answer = setting(
        "deny", "allow or deny", "People of other workspaces in shared channels: `allow` or `deny`."
    )
    starchat_guests: Answer = setting(
        "allow", "allow or deny", "Guests of the own workspace: `allow` or `deny`."
    )
    starchat_allowed_bots: Annotated[frozenset[str], NoDecode] = setting(
        frozenset(),
        "ids of bots, apps or users with commas between them",
        "Ids of other bots that may ask by a mention, with commas; none by default.",
    )
    starchat_fault: str = setting(
        "", "point:kill or point:pause", "For tests: dies at a named point, see bot/failpoints.py."
    )

    @field_validator("slack_app_token")
    @classmethod
    def _of_an_app(cls, value: SecretStr | None) -> SecretStr | None:
        return value and starting(value, APP_TOKEN)

    @field_validator("starchat_allowed_bots", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        ids = frozenset(part.strip() for part in value.split(",") if part.strip())
        if not all(i.isalnum() and i.isascii() for i in ids):
            raise ValueError("not ids")
        return ids

    @field_validator("starchat_fault")
    @classmethod
    def _faults_can_be_read(cls, text: str) -> str:
        Faults.read(text)
        return text

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.slack_app_token is None and self.slack_signing_secret is None:
            raise ValueError(
                "SLACK_APP_TOKEN is not set: it must be an app-level token for Socket Mode, "
                "or SLACK_SIGNING_SECRET must be set for HTTP"
            )
        return self
