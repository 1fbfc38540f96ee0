"""Events about the app itself: its Home tab was opened, or it was uninstalled."""

from dataclasses import dataclass

import structlog

from bot import texts
from bot.concurrency import BackgroundTasks
from bot.handlers.slash_commands import SlashCommandHandler
from bot.messages.events import AppHomeOpened, AppUninstalled
from bot.slack.poster import Poster
from bot.store.purge import Purge

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AppEventHandler:
    """Publishes the Home tab, and purges a team that has uninstalled the app."""

    slash_commands: SlashCommandHandler
    poster: Poster
    purge: Purge
    background: BackgroundTasks

    def publish_home(self, opened: AppHomeOpened) -> None:
        """Publish the Home tab of a user, in the background."""
        self.background.submit("publish home", self._publish_home, opened.user)

    def purge_team(self, uninstalled: AppUninstalled) -> None:
        """Delete all data of a team, in the background."""
        self.background.submit("purge team", self._purge_team, uninstalled.team)

    def _publish_home(self, user: str) -> None:
        self.poster.publish_home(user, texts.home_view(self.slash_commands.describe_status()))

    def _purge_team(self, team: str) -> None:
        log.info("team forgotten", team=team, keys=self.purge.drop_team(team))
        self.purge.rewrite_log()
