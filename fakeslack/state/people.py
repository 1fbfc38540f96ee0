"""People, bots and the app installation that the tokens belong to."""

from dataclasses import dataclass, field

from fakeslack.errors import Json, SlackError

TEAM_ID = "T0FAKE0001"
TEAM_NAME = "Workspace"


@dataclass(frozen=True, slots=True)
class Person:
    """One member: a human, or a bot user with `bot_id` and `app_id`."""

    id: str
    name: str
    color: str
    real_name: str = ""
    bot_id: str | None = None
    app_id: str | None = None
    is_restricted: bool = False
    is_admin: bool = False
    tz: str = "Europe/Amsterdam"
    locale: str = "en-US"
    team: str = TEAM_ID

    @property
    def is_bot(self) -> bool:
        """Whether this is a bot user."""
        return self.bot_id is not None

    @property
    def email(self) -> str:
        """The address; bots have none."""
        return "" if self.is_bot else f"{self.name.lower()}@example.com"

    def as_slack(self, *, with_locale: bool = False) -> Json:
        """Return the user object of `users.info`; only one that asks for the locale gets it."""
        name = self.real_name or self.name
        profile: Json = {
            "real_name": name,
            "real_name_normalized": name,
            "display_name": "" if self.is_bot else self.name,
            "display_name_normalized": "" if self.is_bot else self.name,
            "team": self.team,
        }
        if self.is_bot:
            profile |= {"bot_id": self.bot_id, "api_app_id": self.app_id}
        return {
            "id": self.id,
            "team_id": self.team,
            "name": self.name.lower(),
            "deleted": False,
            "color": self.color,
            "real_name": name,
            "tz": self.tz,
            "tz_label": self.tz,
            "tz_offset": 3600,
            "profile": profile,
            "is_admin": self.is_admin,
            "is_owner": False,
            "is_primary_owner": False,
            "is_restricted": self.is_restricted,
            "is_ultra_restricted": False,
            "is_stranger": self.team != TEAM_ID,
            "is_bot": self.is_bot,
            "is_app_user": False,
            "updated": 1700000000,
            **({"locale": self.locale} if with_locale else {}),
        }

    def bot_profile(self) -> Json:
        """Return the `bot_profile` of a bot's messages."""
        return {
            "id": self.bot_id,
            "app_id": self.app_id,
            "name": self.real_name or self.name,
            "team_id": self.team,
            "deleted": False,
            "updated": 1700000000,
            "icons": {},
        }


ADA = Person("U0ADA00001", "Ada", "9f69e7", "Ada")
LIN = Person("U0LIN00001", "Lin", "4bbe2e", "Lin")
SAM = Person("U0SAM00001", "Sam", "e96699", "Sam")
STARCHAT = Person(
    "U0STARCHAT", "StarChat", "e7392d", "StarChat", bot_id="B0STARCHAT", app_id="A0STARCHAT"
)
DEPLOYBOT = Person(
    "U0DEPLOY01", "deploybot", "3c989f", "deploybot", bot_id="B0DEPLOY01", app_id="A0DEPLOY01"
)
DEFAULT_PEOPLE = (ADA, LIN, SAM, STARCHAT, DEPLOYBOT)

DEFAULT_SCOPES = (
    "app_mentions:read",
    "assistant:write",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "files:write",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "mpim:history",
    "mpim:read",
    "reactions:read",
    "reactions:write",
    "usergroups:read",
    "users:read",
)
DEFAULT_EVENTS = (
    "agent_session_stopped",
    "agent_session_title_changed",
    "app_context_changed",
    "app_home_opened",
    "app_mention",
    "app_uninstalled",
    "channel_id_changed",
    "file_deleted",
    "member_joined_channel",
    "message.channels",
    "message.groups",
    "message.im",
    "message.mpim",
    "reaction_added",
    "reaction_removed",
    "tokens_revoked",
)


DEFAULT_SHORTCUTS = {"ask_about_message": "Ask StarChat about this"}


@dataclass(slots=True)
class AppInstallation:
    """
    The installed app: its tokens, scopes, event subscriptions and slash commands.

    `shortcuts` are its message shortcuts: the `callback_id` and the name of each. So are
    `global_shortcuts`, which start from the composer.
    """

    bot: Person = STARCHAT
    bot_token: str = "xoxb-fakeslack"  # noqa: S105 - a fixed token; the simulator has no secrets
    app_token: str = "xapp-fakeslack"  # noqa: S105 - as above
    signing_secret: str = "fakeslack"  # noqa: S105 - as above
    scopes: set[str] = field(default_factory=lambda: set(DEFAULT_SCOPES))
    events: set[str] = field(default_factory=lambda: set(DEFAULT_EVENTS))
    commands: set[str] = field(default_factory=lambda: {"/starchat"})
    shortcuts: dict[str, str] = field(default_factory=lambda: dict(DEFAULT_SHORTCUTS))
    global_shortcuts: dict[str, str] = field(default_factory=dict)
    is_revoked: bool = False

    def require_scope(self, scope: str) -> None:
        """Raise `missing_scope` if the token lacks this scope."""
        if scope not in self.scopes:
            raise SlackError("missing_scope", needed=scope, provided=",".join(sorted(self.scopes)))
