"""Events without a message: the Home tab was opened, a file deleted, or the app uninstalled."""

from dataclasses import dataclass

import structlog

from bot import texts
from bot.concurrency import BackgroundTasks
from bot.handlers.slash_commands import SlashCommandHandler
from bot.handlers.votes.vote_keeper import VoteKeeper
from bot.messages.events import AppHomeOpened, AppUninstalled, FileDeleted
from bot.slack.poster import Poster
from bot.store.purge import Purge

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AppEventHandler:
    """Publishes the Home tab, and purges deleted files and a team that has uninstalled the app."""

    slash_commands: SlashCommandHandler
    poster: Poster
    purge: Purge
    votes: VoteKeeper
    background: BackgroundTasks

    def publish_home(self, opened: AppHomeOpened) -> None:
        """Publish the Home tab of a user, in the background."""
        self.background.submit("publish home", self._publish_home, opened.user)

    def purge_file(self, deleted: FileDeleted) -> None:
        """Delete the texts of a file. Raises `RedisError`."""
        dropped = self.purge.drop_file(deleted.team, deleted.file)
        log.info("file forgotten", file=deleted.file, texts=dropped)

    def purge_team(self, uninstalled: AppUninstalled) -> None:
        """Delete all data of a team, in the background."""
        self.background.submit("purge team", self._purge_team, uninstalled.team)

    def _publish_home(self, user: str) -> None:
        self.poster.publish_home(user, texts.home_view(self.slash_commands.describe_status()))

    def _purge_team(self, team: str) -> None:
        log.info("team forgotten", team=team, keys=self.purge.drop_team(team))
        self.votes.purge_team(team)
        self.purge.rewrite_log()
